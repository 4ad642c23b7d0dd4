//! `tripline migrate`: brings the databases of a data directory up to date, as a start of `tripline dev` would.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;
use tripline_runtime::Context;

use super::files::{self, Files};

/// Bring the databases of a data directory up to date and exit. A start does so as well.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct MigrateArgs {
    /// The data directory [default: `$XDG_DATA_HOME/tripline`].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// The exit code to end with. Standard error says what went wrong.
#[allow(clippy::print_stderr, reason = "a command says why to whoever gave it")]
pub(crate) async fn run(args: MigrateArgs) -> ExitCode {
    match migrate(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn migrate(args: MigrateArgs) -> anyhow::Result<()> {
    let data = args.data.map_or_else(files::default_data_dir, Ok)?;
    let context = Context::system(CancellationToken::new());
    let files = Files::open(&data, &*context.entropy)?;
    let db = |service: &str| files.database(service, 1);
    let auth = tripline_auth::Options { db: db("auth"), ..Default::default() };
    tripline_auth::migrate(&auth, &context).await?;
    let registry = tripline_trigger_registry::Options { db: db("registry"), ..Default::default() };
    tripline_trigger_registry::migrate(&registry, &context).await?;
    let monitor = tripline_event_monitor::Options { db: db("monitor"), ..Default::default() };
    tripline_event_monitor::migrate(&monitor, &context).await?;
    let invoker = tripline_invoker::Options { db: db("invoker"), ..Default::default() };
    tripline_invoker::migrate(&invoker, &context).await?;
    Ok(())
}
