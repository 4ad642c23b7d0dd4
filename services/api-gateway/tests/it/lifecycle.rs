//! Becoming ready, and draining.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpStream;
use tripline_api_gateway::Options;

use crate::support::log::Mode;
use crate::support::registry::FakeRegistry;
use crate::support::{SOON, Stack, event, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_is_ready_once_it_has_the_registrys_resources() {
    let registry = Arc::new(FakeRegistry::default());
    registry.down.store(true, Ordering::SeqCst);
    let stack = Stack::with(Options::default(), Arc::clone(&registry)).await;
    let missing = || -> Vec<String> {
        stack.context.health.not_ready().into_iter().map(|part| part.part).collect()
    };
    eventually("http is served", || missing() == ["api-gateway: registry snapshot"]).await;
    registry.down.store(false, Ordering::SeqCst);
    eventually("the registry has been received", || missing().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_finished_and_new_ones_are_refused_on_stop() {
    let mut stack = Stack::start().await;
    // A connection that idles must not keep the server from ending.
    let idle = TcpStream::connect(stack.address).await.unwrap();
    stack.log.set(Mode::Hold);
    let mut holding = stack.log.holding.subscribe();
    let address = stack.address;
    let event = event("1");
    let (answer, ()) = tokio::join!(stack.publish(&event), async {
        holding.wait_for(|count| *count == 1).await.unwrap();
        stack.context.stop.cancel();
        let refused = async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, refused).await.expect("the port refuses new connections");
        stack.log.set(Mode::Confirm);
    });
    assert_eq!(answer.status, 202, "the whole answer arrives");
    assert_eq!(stack.log.ids(), ["1"]);
    let ended = tokio::time::timeout(SOON, &mut stack.running).await.expect("it ends");
    ended.unwrap().expect("it ends well");
    drop(idle);
    stack.context.tasks.close();
    let tasks = tokio::time::timeout(SOON, stack.context.tasks.wait()).await;
    tasks.expect("no task is left behind");
}
