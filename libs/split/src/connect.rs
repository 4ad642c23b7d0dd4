//! What a program opens before its service runs.

use std::future::Future;
use std::path::Path;

use tripline_outbound as outbound;
use tripline_runtime::config::Error;
use tripline_runtime::{Context, secret};
use tripline_signing::ServiceKey;

/// What the services prove themselves to each other with, from the file that `bootstrap_secret_file` names.
///
/// # Errors
/// The configuration cannot be used: there is no such file, or it holds too little.
pub fn service_key(file: &Path) -> Result<ServiceKey, Error> {
    let read = |file: &Path| secret::read_long(file, ServiceKey::SECRET_BYTES_MIN);
    let secret = secret::configured("bootstrap_secret_file", file, read)?;
    Ok(ServiceKey::derive(&secret))
}

/// The client of calls that leave.
///
/// # Errors
/// The configuration cannot be used: a network cannot be read.
pub fn outbound(options: &outbound::Options) -> Result<outbound::Client, Error> {
    Ok(outbound::Client::new(outbound::Guard::new(options)?, options))
}

/// What `connecting` opens. Nothing when the process is told to stop before that.
///
/// `connecting` waits while its other end is away; meanwhile the process is not ready, for the lack of `part`.
///
/// # Errors
/// What `connecting` fails with.
pub async fn connect<T, E>(
    part: &str,
    context: &Context,
    connecting: impl Future<Output = Result<T, E>>,
) -> Result<Option<T>, E> {
    let part = context.health.part(part);
    let connected = context.stop.run_until_cancelled(connecting).await.transpose()?;
    if connected.is_some() {
        part.ready();
    }
    Ok(connected)
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[test]
    fn a_bootstrap_secret_that_is_short_or_missing_is_told_with_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "short\n").unwrap();
        for file in [file.as_path(), Path::new("/nowhere")] {
            let error = service_key(file).err().unwrap();
            assert!(error.to_string().starts_with("bootstrap_secret_file: "), "{error}");
        }
    }

    #[tokio::test]
    async fn a_part_is_ready_once_it_is_connected() {
        let context = Context::system(CancellationToken::new());
        let refused = connect("bus", &context, async { Err::<(), _>("refused") });
        assert_eq!(refused.await, Err("refused"));
        assert_eq!(context.health.not_ready().len(), 1);

        let context = Context::system(CancellationToken::new());
        assert_eq!(connect("bus", &context, async { Ok::<_, ()>(7) }).await, Ok(Some(7)));
        assert_eq!(context.health.not_ready(), []);
    }

    #[tokio::test]
    async fn the_word_to_stop_ends_the_wait() {
        let context = Context::system(CancellationToken::new());
        context.stop.cancel();
        let waiting = std::future::pending::<Result<(), ()>>();
        assert_eq!(connect("bus", &context, waiting).await, Ok(None));
    }
}
