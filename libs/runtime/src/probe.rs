//! Asking a process how it is: what a container's health check does, without any other program.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long connecting, and each read and write, may take.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether the process does its work: all its parts are ready, and it is not stopping.
    Ready,
    /// Whether the process answers at all.
    Live,
}

/// Asks the process whose admin port is there. An address that stands for all of this machine is asked over loopback.
///
/// # Errors
/// Why it is not so, in words.
pub fn ask(admin: SocketAddr, question: Question) -> Result<(), String> {
    let path = match question {
        Question::Ready => "/readyz",
        Question::Live => "/livez",
    };
    let address = SocketAddr::new(reachable(admin.ip()), admin.port());
    let answer = get(address, path).map_err(|error| format!("http://{address}{path}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        status => Err(format!("http://{address}{path}: {} {body}", status.unwrap_or("no status"))),
    }
}

fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, WAIT_MAX)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;

    use super::*;

    fn answering(status: &'static str) -> SocketAddr {
        let listener = TcpListener::bind(("0.0.0.0", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // All of the request: what is left unread when a connection closes resets it.
            let request = BufReader::new(stream.try_clone().unwrap()).lines();
            request.map(Result::unwrap).find(String::is_empty).unwrap();
            write!(stream, "HTTP/1.1 {status}\r\n\r\nthe bus is away").unwrap();
        });
        address
    }

    #[test]
    fn the_answer_is_yes_or_the_reason_why_not() {
        assert_eq!(ask(answering("200 OK"), Question::Ready), Ok(()));
        let why = ask(answering("503 Service Unavailable"), Question::Ready).unwrap_err();
        assert!(why.ends_with("/readyz: 503 the bus is away"), "{why}");
    }

    #[test]
    fn nobody_there_is_a_no() {
        let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let why = ask(closed, Question::Live).unwrap_err();
        assert!(why.starts_with(&format!("http://{closed}/livez: ")), "{why}");
    }
}
