use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::supervise::{Program, supervise};
use super::*;
use crate::Abort;

const INFO: BuildInfo = BuildInfo { version: "1.2.3", commit: "abc", service: "sample" };
const DEADLINE: Duration = Duration::from_secs(20);

fn process(grace: Duration) -> Process {
    Process { admin: ([127, 0, 0, 1], 0).into(), log: telemetry::Options::default(), grace }
}

async fn run_with<W>(stop: CancellationToken, grace: Duration, wire: W) -> anyhow::Result<()>
where
    W: AsyncFnOnce(Host) -> anyhow::Result<()>,
{
    let program = Program {
        info: INFO,
        services: &["sample"],
        process: process(grace),
        abort: Abort::default(),
    };
    tokio::time::timeout(DEADLINE, supervise(program, stop, wire)).await.expect("it ends in time")
}

/// The status and body of a GET, on a connection of its own.
async fn get(base: &str, path: &str) -> std::io::Result<(u16, String)> {
    let address = base.trim_start_matches("http://").to_owned();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
        Ok((status, body))
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_finished_and_no_other_is_taken() {
    let stop = CancellationToken::new();
    let (started, mut has_started) = tokio::sync::mpsc::channel::<()>(1);
    let (finish, may_finish) = mpsc::channel::<()>();
    let may_finish = Arc::new(Mutex::new(may_finish));
    let (bound, is_bound) = oneshot::channel();
    let running = run_with(stop.clone(), DEADLINE, async |host: Host| {
        let part = host.context().health.part("sample: http");
        let listener = host.bind_http(([127, 0, 0, 1], 0).into())?;
        let slow = move || {
            let (started, may_finish) = (started.clone(), may_finish.clone());
            actix_web::web::get().to(move || {
                let (started, may_finish) = (started.clone(), may_finish.clone());
                async move {
                    started.send(()).await.unwrap();
                    actix_web::web::block(move || may_finish.lock().unwrap().recv().unwrap())
                        .await
                        .unwrap();
                    "whole"
                }
            })
        };
        let quick = || actix_web::web::get().to(async || "quick");
        let app = move || actix_web::App::new().route("/", slow()).route("/quick", quick());
        let server = actix_web::HttpServer::new(app)
            .workers(1)
            .shutdown_timeout(DEADLINE.as_secs())
            .shutdown_signal(host.context().stop.cancelled_owned())
            .listen(listener)?
            .run();
        part.ready();
        bound.send(host.addresses().clone()).unwrap();
        Ok(server.await?)
    });
    let client = async {
        let Addresses { http, admin, .. } = is_bound.await.unwrap();
        let http = http.unwrap();
        assert_eq!(get(&admin, "/livez").await.unwrap().0, 200);
        assert_eq!(get(&admin, "/readyz").await.unwrap().0, 200);
        let version = get(&admin, "/version").await.unwrap().1;
        assert_eq!(version, r#"{"version":"1.2.3","commit":"abc","service":"sample"}"#);
        let metrics = get(&admin, "/metrics").await.unwrap().1;
        assert!(
            metrics.contains(r#"tripline_build_info{service="sample",version="1.2.3""#),
            "{metrics}"
        );

        let slow = tokio::spawn({
            let http = http.clone();
            async move { get(&http, "/").await }
        });
        has_started.recv().await.unwrap();
        stop.cancel();
        let (status, body) = get(&admin, "/readyz").await.unwrap();
        assert_eq!((status, body.contains("stopping")), (503, true), "{body}");
        // The port closes soon after the word to stop.
        while get(&http, "/quick").await.is_ok_and(|(status, _)| status != 0) {}
        finish.send(()).unwrap();
        assert_eq!(slow.await.unwrap().unwrap(), (200, "whole".to_owned()));
    };
    let (outcome, ()) = tokio::join!(running, client);
    outcome.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn readyz_names_what_is_not_ready() {
    let stop = CancellationToken::new();
    run_with(stop.clone(), DEADLINE, async |host: Host| {
        let admin = host.addresses().admin.clone();
        let (status, body) = get(&admin, "/readyz").await?;
        let starting = r#"{"ready":false,"not_ready":[{"part":"sample","reason":"starting"}]}"#;
        assert_eq!((status, body.as_str()), (503, starting));
        let part = host.context().health.part("sample: database");
        part.not_ready("it is away");
        let (status, body) = get(&admin, "/readyz").await?;
        assert_eq!((status, body.contains("it is away")), (503, true), "{body}");
        stop.cancel();
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn work_beyond_the_grace_period_is_a_failure() {
    let stop = CancellationToken::new();
    stop.cancel();
    let endless = async |_: Host| std::future::pending().await;
    let error = run_with(stop, Duration::from_millis(10), endless).await.unwrap_err();
    assert_eq!(error.to_string(), "work was left unfinished after 10ms");
}

#[tokio::test]
async fn a_service_that_ends_unasked_stops_the_rest_and_is_a_failure() {
    let error = run_with(CancellationToken::new(), DEADLINE, async |host: Host| {
        let stop = host.context().stop;
        let mut services = Services::new(stop.clone());
        services.spawn("first", async { Ok::<(), std::io::Error>(()) });
        services.spawn("second", async move {
            stop.cancelled().await;
            Ok::<(), std::io::Error>(())
        });
        services.wait().await
    })
    .await
    .unwrap_err();
    assert_eq!(error.to_string(), "first ended without being asked to");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let wire = async |host: Host| host.bind_grpc(address).map(drop);
    let error = run_with(CancellationToken::new(), DEADLINE, wire).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {address}"));
}
