use std::sync::Arc;

use tripline_bus::WorkQueue;
use tripline_bus::conformance::{log_conformance, queue_conformance};

use super::{log, queue, shared};

#[tokio::test]
async fn the_log_keeps_the_rules() {
    let options = shared().await;
    log_conformance(async || log(&options).await).await;
}

#[tokio::test]
async fn the_lanes_keep_the_rules() {
    let options = shared().await;
    queue_conformance(async || queue(&options).await as Arc<dyn WorkQueue>).await;
}
