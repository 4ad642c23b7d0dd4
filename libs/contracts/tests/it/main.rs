//! Errors and identity cross gRPC unchanged, over TCP and over memory.

mod traced;

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tripline_contracts::pb::auth_client::AuthClient;
use tripline_contracts::pb::auth_server::{Auth, AuthServer};
use tripline_contracts::pb::{
    AuthenticateRequest, AuthenticateResponse, GetRuleRequest, GrantRequest, RevokeRequest,
    RevokeResponse, Rule, RuleChange, WatchRulesRequest,
};
use tripline_contracts::transport::{self, Demand, Listener, Prove};
use tripline_contracts::{Error, to_status};
use tripline_kernel::{Classify, Clock, ErrorKind, Fault, Timestamp};
use tripline_signing::ServiceKey;
use tripline_trace::Tracer;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000)
    }
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("the thing is wrong")]
struct Wrong(ErrorKind);

impl Classify for Wrong {
    fn kind(&self) -> ErrorKind {
        self.0
    }

    fn code(&self) -> Cow<'static, str> {
        "wrong-thing".into()
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        (self.0 == ErrorKind::Unavailable).then_some(7)
    }
}

const KINDS: [ErrorKind; 13] = [
    ErrorKind::Malformed,
    ErrorKind::Invalid,
    ErrorKind::TooLarge,
    ErrorKind::Unsupported,
    ErrorKind::Unauthenticated,
    ErrorKind::Forbidden,
    ErrorKind::NotFound,
    ErrorKind::Conflict,
    ErrorKind::Precondition,
    ErrorKind::Exhausted,
    ErrorKind::Timeout,
    ErrorKind::Unavailable,
    ErrorKind::Internal,
];

/// Fails with the kind whose index the API key is; with faults for the index "faults".
struct Failing;

#[derive(Debug, Clone, thiserror::Error)]
#[error("two places are wrong")]
struct Faulty(Vec<Fault>);

impl Classify for Faulty {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    fn code(&self) -> Cow<'static, str> {
        "faulty".into()
    }

    fn faults(&self) -> &[Fault] {
        &self.0
    }
}

fn faults() -> Vec<Fault> {
    vec![
        Fault::new("/a~1b/0", "unknown-field", "there is no such field: it has a colon"),
        Fault::new("", "missing", "something is missing"),
    ]
}

#[tonic::async_trait]
impl Auth for Failing {
    type WatchRulesStream = Pin<Box<dyn Stream<Item = Result<RuleChange, Status>> + Send>>;

    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        let key = request.into_inner().api_key;
        Err(match key.parse::<usize>() {
            Ok(index) => to_status(&Wrong(KINDS[index])),
            Err(_) => to_status(&Faulty(faults())),
        })
    }

    async fn grant(&self, _: Request<GrantRequest>) -> Result<Response<Rule>, Status> {
        Ok(Response::new(Rule::default()))
    }

    async fn revoke(&self, _: Request<RevokeRequest>) -> Result<Response<RevokeResponse>, Status> {
        Err(Status::unknown("not from a handler of ours"))
    }

    async fn get_rule(&self, _: Request<GetRuleRequest>) -> Result<Response<Rule>, Status> {
        Ok(Response::new(Rule::default()))
    }

    async fn watch_rules(
        &self,
        _: Request<WatchRulesRequest>,
    ) -> Result<Response<Self::WatchRulesStream>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

fn serve(listener: Listener, key: &Arc<ServiceKey>, tracer: Tracer, stop: &CancellationToken) {
    let service =
        AuthServer::with_interceptor(Failing, Demand::new(Arc::clone(key), Arc::new(Noon)));
    let routes = tonic::service::Routes::new(service);
    tokio::spawn(transport::serve(listener, routes, tracer, stop.clone()));
}

async fn channels(key: &Arc<ServiceKey>, stop: &CancellationToken) -> [Channel; 2] {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("a bound port"));
    serve(Listener::Tcp(listener), key, Tracer::default(), stop);
    let (memory, incoming) = transport::in_memory();
    serve(Listener::Memory(incoming), key, Tracer::default(), stop);
    [transport::connect(&address).expect("a URI"), memory]
}

#[tokio::test]
async fn errors_arrive_as_they_were_sent() {
    let (key, stop) = (Arc::new(ServiceKey::derive(&[1; 32])), CancellationToken::new());
    for channel in channels(&key, &stop).await {
        let mut client =
            AuthClient::with_interceptor(channel, Prove::new(Arc::clone(&key), Arc::new(Noon)));
        for (index, kind) in KINDS.into_iter().enumerate() {
            let request = AuthenticateRequest { api_key: index.to_string() };
            let error = Error::from(client.authenticate(request).await.unwrap_err());
            assert_eq!(error.kind(), kind);
            assert_eq!(error.code(), "wrong-thing");
            let hidden = kind == ErrorKind::Internal;
            assert_eq!(
                error.to_string(),
                if hidden { "internal error" } else { "the thing is wrong" }
            );
            assert_eq!(error.retry_after_seconds(), (kind == ErrorKind::Unavailable).then_some(7));
        }
        let request = AuthenticateRequest { api_key: "faults".into() };
        let error = Error::from(client.authenticate(request).await.unwrap_err());
        assert_eq!(error.faults(), faults());
        let foreign = Error::from(client.revoke(RevokeRequest::default()).await.unwrap_err());
        assert_eq!(
            (foreign.kind(), foreign.code()),
            (ErrorKind::Unavailable, "service-unavailable".into())
        );
    }
    stop.cancel();
}

#[tokio::test]
async fn a_call_without_the_right_token_is_refused() {
    let (key, stop) = (Arc::new(ServiceKey::derive(&[1; 32])), CancellationToken::new());
    for channel in channels(&key, &stop).await {
        let bare = AuthClient::new(channel.clone()).grant(GrantRequest::default()).await;
        assert_eq!(bare.unwrap_err().code(), tonic::Code::Unauthenticated);
        let other = Arc::new(ServiceKey::derive(&[2; 32]));
        let mut wrong =
            AuthClient::with_interceptor(channel.clone(), Prove::new(other, Arc::new(Noon)));
        assert_eq!(
            wrong.grant(GrantRequest::default()).await.unwrap_err().code(),
            tonic::Code::Unauthenticated
        );
        let mut right =
            AuthClient::with_interceptor(channel, Prove::new(Arc::clone(&key), Arc::new(Noon)));
        right.grant(GrantRequest::default()).await.unwrap();
    }
    stop.cancel();
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_unavailable() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let channel = transport::connect(&format!("http://{unused}")).unwrap();
    let error =
        Error::from(AuthClient::new(channel).grant(GrantRequest::default()).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}
