use std::time::Duration;

use tripline_testkit::{ChaosProxy, Process, wait_until};

const DEADLINE: Duration = Duration::from_secs(20);

fn alive(pid: u32) -> bool {
    // A zombie is dead.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

async fn start(script: &str) -> Process {
    Process::start("/bin/sh", ["-c", script], &[("GREETING", "hello")]).await.unwrap()
}

#[tokio::test]
async fn a_process_says_that_it_is_ready_and_ends_when_asked_to() {
    let script = r#"echo "{\"ready\": \"$GREETING\"}"; trap 'exit 3' TERM; sleep 60 & wait"#;
    let mut process = start(script).await;
    assert_eq!(process.ready_line(DEADLINE).await.unwrap()["ready"], "hello");
    assert!(process.memory_bytes().unwrap() > 0 && process.cpu_time().unwrap() < DEADLINE);
    assert_eq!(process.terminate(DEADLINE).await.unwrap().code(), Some(3));
    process.restart().await.unwrap();
    assert_eq!(process.ready_line(DEADLINE).await.unwrap()["ready"], "hello", "of this start");
    let pid = process.pid();
    process.kill().await.unwrap();
    assert!(!alive(pid));
}

#[tokio::test]
async fn a_process_that_fails_at_its_start_shows_its_output() {
    let mut process = start("echo it went wrong >&2; exit 9").await;
    let error = process.ready_line(DEADLINE).await.unwrap_err().to_string();
    assert!(error.contains("it went wrong") && error.contains('9'), "{error}");
    let missing = Process::start("/no/such/program", [""; 0], &[]).await.unwrap_err().to_string();
    assert!(missing.contains("/no/such/program"), "{missing}");
}

#[tokio::test]
async fn children_outlive_the_runtime_and_the_thread_that_asked_for_them() {
    let ask = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(start("echo {}; exec sleep 60"))
    };
    let mut process = std::thread::spawn(ask).join().unwrap();
    process.ready_line(DEADLINE).await.unwrap();
    assert!(alive(process.pid()), "the thread that asked is gone, the child is not");
    let pid = process.pid();
    drop(process);
    assert!(!alive(pid), "a dropped child is dead");
}

#[tokio::test]
async fn a_wire_can_be_cut_refused_stalled_and_healed() {
    let function = tripline_testkit::Receiver::start();
    let wire = ChaosProxy::start(function.addr()).unwrap();
    let get = async || {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(wire.addr()).await.ok()?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.ok()?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.ok()?;
        Some(answer)
    };
    assert!(get().await.is_some());
    wire.refuse();
    assert!(get().await.is_none());
    wire.stall();
    let mut waiting = std::pin::pin!(get());
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut waiting).await.is_err());
    wire.heal();
    assert!(waiting.await.is_some(), "what was stalled goes on");
    function.always("/", tripline_testkit::Answer::hang());
    let cut = async {
        wait_until(DEADLINE, async || function.count() == 3).await.unwrap();
        wire.cut();
    };
    assert!(tokio::join!(get(), cut).0.is_none(), "a cut ends what is under way");
}
