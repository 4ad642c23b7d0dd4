//! A load program: what the system delivers a second, how long an event takes, and what that costs.
//!
//! Starts the system from the binaries beside it, serves the function that it invokes, publishes over HTTP, checks that
//! each event arrived, and prints one JSON object. Traffic stays on the loopback interface and ends by itself.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod function;
mod publisher;
mod usage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use tripline_e2e::{Edition, System};

use crate::function::Function;
use crate::publisher::Publisher;

#[derive(Parser)]
#[command(about = "Publishes events, serves the function they invoke, and prints figures as JSON")]
struct Args {
    /// How the services are run.
    #[arg(long, value_enum, default_value_t = EditionArg::Embedded)]
    edition: EditionArg,
    /// What is measured.
    #[arg(long, value_enum, default_value_t = Mode::Throughput)]
    mode: Mode,
    /// How long to publish, or to be idle, in seconds.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections that publish, each one event after the other (throughput).
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Events published a second (latency).
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Bytes of one event, about.
    #[arg(long, default_value_t = 1024)]
    event_bytes: usize,
    /// Write the JSON here as well.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum EditionArg {
    Embedded,
    Split,
}

#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
enum Mode {
    /// As fast as the connections can.
    Throughput,
    /// At a fixed rate.
    Latency,
    /// Nothing published: time to start, memory and CPU at rest.
    Idle,
}

/// Events published before the measured ones, so that connections are open and code is warm.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long what was published may take to arrive after the last event.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// After its start a process settles: caches fill, first leases are taken.
const SETTLE: Duration = Duration::from_secs(3);

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(measure(&args))?;
    let text = serde_json::to_string_pretty(&result)?;
    println!("{text}");
    if let Some(out) = &args.out {
        std::fs::write(out, format!("{text}\n"))?;
    }
    Ok(())
}

async fn measure(args: &Args) -> anyhow::Result<Value> {
    let edition = match args.edition {
        EditionArg::Embedded => Edition::Embedded,
        EditionArg::Split => Edition::Split,
    };
    let load_average = usage::load_average();
    let system = System::start(edition).await?;
    let mut result = match args.mode {
        Mode::Idle => idle(args, &system).await?,
        Mode::Throughput | Mode::Latency => loaded(args, &system).await?,
    };
    let about = json!({
        "edition": match edition { Edition::Embedded => "embedded", Edition::Split => "split" },
        "mode": match args.mode { Mode::Throughput => "throughput", Mode::Latency => "latency", Mode::Idle => "idle" },
        "command": command(args),
        "commit": system.versions().await?.first().map_or(Value::Null, |version| version["commit"].clone()),
        "cores": std::thread::available_parallelism()?.get(),
        "load_average_before": load_average,
        "ready_ms": milliseconds(system.ready_after()),
    });
    for (key, value) in about.as_object().into_iter().flatten() {
        result[key] = value.clone();
    }
    Ok(result)
}

async fn idle(args: &Args, system: &System) -> anyhow::Result<Value> {
    tokio::time::sleep(SETTLE).await;
    let before = usages(system)?;
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let processes = usages(system)?.into_iter().zip(before).map(|((name, after), (_, before))| {
        let seconds = f64::from(u32::try_from(args.seconds).unwrap_or(u32::MAX));
        json!({
            "name": name,
            "memory_mb": after.memory_mb,
            "cpu_ms_per_second": (after.cpu_seconds - before.cpu_seconds) * 1000.0 / seconds,
        })
    });
    Ok(json!({"seconds": args.seconds, "processes": processes.collect::<Vec<_>>()}))
}

async fn loaded(args: &Args, system: &System) -> anyhow::Result<Value> {
    let start = Instant::now();
    let function = Function::start(start).await?;
    let api = system.api();
    let url = format!("http://{}/", function.address);
    api.put(
        "/v1/functions/load",
        &json!({"target": {"kind": "http", "url": url}, "concurrency": 64}),
    )
    .await?;
    let trigger = json!({"function": "load", "pattern": {"type": ["dev.tripline.load"]}});
    api.put_trigger("load", &trigger, DRAIN_MAX).await?;
    let publisher = Publisher {
        gateway: system.url().trim_start_matches("http://").parse()?,
        api_key: format!("Bearer {}", system.api_key()),
        event_bytes: args.event_bytes,
        start,
        next: Arc::new(AtomicU32::new(0)),
    };
    publish(args, &publisher, WARM_UP).await?;
    let warm = publisher.next.load(Ordering::Relaxed);
    function.wait_for(warm.into(), DRAIN_MAX).await;

    let (before, own_before) = (usages(system)?, usage::of(std::process::id())?);
    let begin = Instant::now();
    publish(args, &publisher, Duration::from_secs(args.seconds)).await?;
    let published_in = begin.elapsed();
    let published = publisher.next.load(Ordering::Relaxed);
    function.wait_for(published.into(), DRAIN_MAX).await;
    let delivered_in = begin.elapsed();
    let (after, own_after) = (usages(system)?, usage::of(std::process::id())?);

    let measured = f64::from(published - warm);
    let (duplicates, lost, unknown) = function.tally(published);
    let latencies = function.quantiles(warm, &[0.5, 0.9, 0.99, 0.999]);
    let own = ("load program and function", own_before, own_after);
    let system_processes =
        before.into_iter().zip(after).map(|((name, before), (_, after))| (name, before, after));
    let processes = system_processes.chain([own]).map(|(name, before, after)| {
        json!({
            "name": name,
            "cpu_seconds_per_1000": (after.cpu_seconds - before.cpu_seconds) * 1000.0 / measured,
            "memory_mb": after.memory_peak_mb,
        })
    });
    Ok(json!({
        "published": measured,
        "published_per_second": measured / published_in.as_secs_f64(),
        "delivered_per_second": measured / delivered_in.as_secs_f64(),
        "p50_ms": latencies[0], "p90_ms": latencies[1], "p99_ms": latencies[2], "p999_ms": latencies[3],
        "duplicates": duplicates, "lost": lost, "unknown_calls": unknown,
        "event_bytes": args.event_bytes,
        "processes": processes.collect::<Vec<_>>(),
    }))
}

async fn publish(args: &Args, publisher: &Publisher, time: Duration) -> anyhow::Result<()> {
    match args.mode {
        Mode::Latency => publisher.open_loop(args.rate, time).await,
        Mode::Throughput | Mode::Idle => publisher.closed_loop(args.connections, time).await,
    }
}

/// What each process of the system, and each server that it uses, has used so far.
fn usages(system: &System) -> anyhow::Result<Vec<(&'static str, usage::Usage)>> {
    let of =
        |(name, pid): (&'static str, u32)| usage::of(pid).map(|usage| (name, usage)).context(name);
    let own = system.processes().iter().map(|running| (running.name, running.process.pid()));
    own.chain(system.servers()).map(of).collect()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// How to take these figures again.
fn command(args: &Args) -> String {
    let edition = match args.edition {
        EditionArg::Embedded => "embedded",
        EditionArg::Split => "split",
    };
    let mode = match args.mode {
        Mode::Throughput => format!("throughput --connections {}", args.connections),
        Mode::Latency => format!("latency --rate {}", args.rate),
        Mode::Idle => "idle".to_owned(),
    };
    let out = args
        .out
        .as_deref()
        .map(|out: &Path| format!(" --out {}", out.display()))
        .unwrap_or_default();
    format!("just load-{edition} --mode {mode} --seconds {}{out}", args.seconds)
}
