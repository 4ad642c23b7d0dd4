//! One short exchange over TCP: enough to see whether a server speaks.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long one exchange may take.
const EXCHANGE_MAX: Duration = Duration::from_secs(1);
/// Time between two attempts to connect.
const CONNECT_POLL: Duration = Duration::from_millis(10);

/// Waits until something listens there.
pub(crate) async fn listens(addr: SocketAddr, deadline: Duration) -> std::io::Result<()> {
    let until = Instant::now() + deadline;
    loop {
        match TcpStream::connect(addr).await {
            Err(error) if Instant::now() >= until => return Err(error),
            Err(_) => tokio::time::sleep(CONNECT_POLL).await,
            Ok(_) => return Ok(()),
        }
    }
}

/// Sends `request` and answers the first `N` bytes that come back; nothing on any failure.
pub(crate) async fn exchange<const N: usize>(addr: SocketAddr, request: &[u8]) -> Option<[u8; N]> {
    let talk = async {
        let mut stream = TcpStream::connect(addr).await?;
        stream.write_all(request).await?;
        let mut answer = [0; N];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    tokio::time::timeout(EXCHANGE_MAX, talk).await.ok()?.ok()
}
