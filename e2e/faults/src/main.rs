//! Deals faults to a system that it starts from the binaries beside it, and writes what became of every event.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::{Parser, ValueEnum};
use tripline_e2e::Edition;
use tripline_faults::{Fault, Report, Servers, all, edition_name, upgrade};

#[derive(Parser)]
#[command(about = "Deals faults under load, and shows that no event was lost")]
struct Args {
    /// How the services are run; both when left out.
    #[arg(long, value_enum)]
    edition: Option<EditionArg>,
    /// Only these faults.
    #[arg(long, value_name = "NAME")]
    fault: Vec<String>,
    /// Events published a second.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(16..=5000))]
    rate: u32,
    /// Write one file for each fault into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// No fault, but an upgrade from the programs in this folder, of an earlier release.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["edition", "fault", "list"])]
    upgrade_from: Option<PathBuf>,
    /// Only list the faults.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum EditionArg {
    Embedded,
    Split,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(&args))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every law was kept.
async fn run(args: &Args) -> anyhow::Result<bool> {
    if let Some(earlier) = &args.upgrade_from {
        let servers = Servers::start().await?;
        return tell(&upgrade(earlier.clone(), &servers, args.rate).await?, args);
    }
    let faults = chosen(args)?;
    if args.list {
        for fault in faults {
            println!("{} {}: {}", edition_name(fault.edition), fault.name, fault.what);
        }
        return Ok(true);
    }
    let (mut servers, mut kept) = (None, true);
    for fault in faults {
        if fault.edition == Edition::Split && servers.is_none() {
            servers = Some(Servers::start().await?);
        }
        match fault.run(servers.as_mut(), args.rate).await {
            Ok(report) => kept &= tell(&report, args)?,
            Err(error) => {
                println!("{} {}: FAILED: {error:#}", edition_name(fault.edition), fault.name);
                kept = false;
            }
        }
    }
    Ok(kept)
}

/// Prints and writes a report. Whether every law was kept.
fn tell(report: &Report, args: &Args) -> anyhow::Result<bool> {
    println!("{}", report.line());
    let broken = report.broken();
    for law in &broken {
        println!("  BROKEN: {law}");
    }
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)?;
        let text = serde_json::to_string_pretty(&report.json())?;
        std::fs::write(report.file(folder), format!("{text}\n"))?;
    }
    Ok(broken.is_empty())
}

/// The faults that are asked for.
fn chosen(args: &Args) -> anyhow::Result<Vec<Fault>> {
    let editions: &[_] = match args.edition {
        Some(EditionArg::Embedded) => &[Edition::Embedded],
        Some(EditionArg::Split) => &[Edition::Split],
        None => &[Edition::Embedded, Edition::Split],
    };
    let faults: Vec<_> = editions.iter().flat_map(|edition| all(*edition)).collect();
    for name in &args.fault {
        let known = faults.iter().any(|fault| fault.name == name);
        ensure!(known, "there is no fault '{name}' in this edition; see --list");
    }
    let wanted =
        |fault: &Fault| args.fault.is_empty() || args.fault.iter().any(|name| name == fault.name);
    Ok(faults.into_iter().filter(wanted).collect())
}
