//! `tripline dev --demo`: a function, a watched folder and a trigger, made over the public API as anyone would.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use secrecy::SecretString;
use serde_json::{Value, json};
use tripline_kernel::Clock;
use tripline_runtime::Context;
use tripline_signing::SigningSecret;

use crate::client::{Call, Client};
use crate::failure::Failure;

/// The name of the function, the source and the trigger.
const NAME: &str = "demo";
/// How old a call's signature may be.
const TOLERANCE: Duration = Duration::from_secs(300);
/// Largest call that is shown.
const CALL_BYTES_MAX: usize = 1 << 20;
/// How often it is looked whether the folder is watched yet, and how long that may take.
const WATCHED_POLL: Duration = Duration::from_millis(20);
const WATCHED_MAX: Duration = Duration::from_secs(20);

/// What the demo needs to know of the process it runs in.
pub(super) struct Demo {
    pub(super) url: String,
    pub(super) api_key: String,
    pub(super) data: PathBuf,
}

/// What the function checks calls with.
struct Shown {
    secret: OnceLock<SigningSecret>,
    clock: Arc<dyn Clock>,
}

impl Demo {
    /// Sets everything up once the services are ready, drops one file, and shows calls until the process stops.
    pub(super) async fn run(self, context: Context) -> anyhow::Result<()> {
        let shown =
            web::Data::new(Shown { secret: OnceLock::new(), clock: Arc::clone(&context.clock) });
        let (address, function) = serve(shown.clone(), &context)?;
        let function = tokio::spawn(function);
        let ready = context.stop.run_until_cancelled(context.health.ready());
        if ready.await.is_some() {
            let set_up = self.set_up(&address, &shown);
            context.stop.run_until_cancelled(set_up).await.unwrap_or(Ok(()))?;
        }
        function.await?.context("the demo function failed")
    }

    async fn set_up(&self, function: &str, shown: &Shown) -> anyhow::Result<()> {
        let inbox = self.data.join("demo/inbox");
        std::fs::create_dir_all(&inbox)?;
        let api = Client::new(self.url.parse()?, &SecretString::from(self.api_key.clone()))
            .map_err(|failure| told(&failure))?;
        // Made anew at each start: only a new function shows its secret.
        let old =
            Call { method: http::Method::DELETE, path: &["functions", NAME], ..Call::default() };
        api.call(old).await.map_err(|failure| told(&failure))?;
        let target = json!({"target": {"kind": "http", "url": function}});
        let (_, function) =
            api.put(&["functions", NAME], &target).await.map_err(|failure| told(&failure))?;
        let secret =
            function["signing_secret"].as_str().context("a new function shows its secret")?;
        shown.secret.get_or_init(|| secret.parse().expect("the registry makes signing secrets"));
        let source = json!({"kind": "file", "settings": {"path": inbox}});
        api.put(&["sources", NAME], &source).await.map_err(|failure| told(&failure))?;
        tokio::time::timeout(WATCHED_MAX, watched(&api))
            .await
            .context("the folder is not watched")??;
        let trigger = json!({
            "source": NAME,
            "function": NAME,
            "pattern": {"type": ["dev.tripline.file.created"]},
        });
        api.put(&["triggers", NAME], &trigger).await.map_err(|failure| told(&failure))?;
        say(&format!(
            "Tripline is ready at {}, API key in {}\nEvery file in {} invokes the function '{NAME}'. Here is one:\n",
            self.url,
            self.data.join("admin.key").display(),
            inbox.display()
        ));
        // Another name at each start: the same file would be the same event.
        let name = format!("welcome-{}.txt", shown.clock.now().as_seconds());
        std::fs::write(inbox.join(&name), "Hello from Tripline.\n")?;
        Ok(())
    }
}

/// Waits until the source runs: what is dropped before would be found, but not by the live watch.
async fn watched(api: &Client) -> anyhow::Result<()> {
    loop {
        let status =
            api.get(&["sources", NAME, "status"], &[]).await.map_err(|failure| told(&failure))?;
        match status["state"].as_str() {
            Some("running") => return Ok(()),
            Some("failing") => anyhow::bail!("the folder cannot be watched: {}", status["reason"]),
            _ => tokio::time::sleep(WATCHED_POLL).await,
        }
    }
}

fn told(failure: &Failure) -> anyhow::Error {
    anyhow::anyhow!("the demo cannot be set up: {failure}")
}

/// The demo function: where it is, and the server that ends with the process.
fn serve(
    shown: web::Data<Shown>,
    context: &Context,
) -> anyhow::Result<(String, actix_web::dev::Server)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}/", listener.local_addr()?);
    let app = move || {
        let limit = web::PayloadConfig::new(CALL_BYTES_MAX);
        App::new().app_data(shown.clone()).app_data(limit).default_service(web::to(invoked))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .shutdown_signal(context.stop.clone().cancelled_owned())
        .listen(listener)?
        .run();
    Ok((address, server))
}

async fn invoked(request: HttpRequest, body: web::Bytes, shown: web::Data<Shown>) -> HttpResponse {
    let header = |name: &str| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    };
    let (id, at, signature) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let window = (shown.clock.now(), TOLERANCE);
    let signed = shown.secret.get().is_some_and(|secret| {
        tripline_signing::verify(secret, (id, at, signature), &body, window).is_ok()
    });
    if !signed {
        say(&format!("A call came without a valid signature, and was refused: {id}"));
        return HttpResponse::Unauthorized().finish();
    }
    let event: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| event[name].as_str().unwrap_or("").to_owned();
    say(&format!(
        "→ {} {}\n  invocation {id}, attempt {}, trigger {}, signature valid\n  data {}\n\nDrop a file of yours there, or stop with Ctrl-C.",
        text("type"),
        text("subject"),
        header("tripline-attempt"),
        header("tripline-trigger"),
        event["data"]
    ));
    HttpResponse::NoContent().finish()
}

/// Writes for the person at the terminal.
fn say(text: &str) {
    // A reader that has gone away is no reason to stop.
    let _gone = writeln!(std::io::stdout(), "{text}");
}
