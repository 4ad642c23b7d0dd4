//! The services behind the gateway.

use std::time::Duration;

use tonic::{Response, Status};
use tripline_contracts::transport::Client;
use tripline_contracts::{Error, pb};

use pb::auth_client::AuthClient;
use pb::invoker_client::InvokerClient;
use pb::monitor_client::MonitorClient;
use pb::registry_client::RegistryClient;

/// How long a read may take.
pub(crate) const READ_WAIT: Duration = Duration::from_secs(5);
/// How long a write may take. Above the 5 s for which the registry waits until a trigger is in force.
pub(crate) const WRITE_WAIT: Duration = Duration::from_secs(15);
/// How long a synchronous call of a function may take; the function's own time-out is far below.
pub(crate) const INVOKE_WAIT: Duration = Duration::from_secs(900);
/// Largest message that a service may answer with, in bytes.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Clients of the services. Cheap to clone: they share their connections.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) registry: RegistryClient<Client>,
    pub(crate) auth: AuthClient<Client>,
    pub(crate) invoker: InvokerClient<Client>,
    pub(crate) monitor: MonitorClient<Client>,
}

impl Peers {
    pub(crate) fn new(registry: Client, auth: Client, invoker: Client, monitor: Client) -> Self {
        Self {
            registry: RegistryClient::new(registry).max_decoding_message_size(MESSAGE_BYTES_MAX),
            auth: AuthClient::new(auth),
            invoker: InvokerClient::new(invoker).max_decoding_message_size(MESSAGE_BYTES_MAX),
            monitor: MonitorClient::new(monitor),
        }
    }
}

/// Awaits an answer for at most `wait`; a service that hangs counts as one that cannot be reached.
pub(crate) async fn answer<T>(
    wait: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Error> {
    match tokio::time::timeout(wait, Box::pin(call)).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(status.into()),
        Err(_) => Err(Status::unavailable("no answer in time").into()),
    }
}
