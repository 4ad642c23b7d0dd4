//! Compares Tripline's pattern matcher with AWS's own engine, event-ruler: whether they give the same answers, and how
//! fast each is.

mod cases;
mod compare;
mod data;
mod differential;
mod hostile;
mod json;
mod random;
mod ruler;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use compare::Times;
use ruler::Ruler;

/// The pattern matcher beside event-ruler.
#[derive(Debug, clap::Parser)]
struct Args {
    /// Where what is fetched is kept; default: tripline in the user's folder for caches.
    #[arg(long, env = "TRIPLINE_CACHE", global = true)]
    cache: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Put generated cases to both, and end with 1 if any answer differs.
    Differential {
        /// What the cases are made from.
        #[arg(default_value_t = 1)]
        seed: u64,
        /// How many.
        #[arg(default_value_t = 100_000)]
        cases: u64,
        /// How many disagreements to make smaller and show.
        #[arg(long, default_value_t = 20)]
        show: usize,
    },
    /// Measure both on the same data, and end with an error if they do not find the same matches.
    Compare {
        /// Where to put the data; default: with what is fetched.
        #[arg(long)]
        data: Option<PathBuf>,
        /// What the data is made from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Only the sets whose name holds this.
        #[arg(long, default_value = "")]
        only: String,
        #[command(flatten)]
        times: TimesArgs,
        /// How often each takes its turn; the median counts.
        #[arg(long, default_value_t = 1)]
        rounds: usize,
    },
    /// Measure the worst patterns and events that we know, and end with 1 if any takes longer than it may.
    Hostile,
    /// Measure Tripline's matcher alone, and print the figures as JSON.
    Measure {
        /// A file of patterns, one a line: `{"id", "pattern"}`.
        #[arg(long)]
        patterns: PathBuf,
        /// A file of events, one a line.
        #[arg(long)]
        events: PathBuf,
        #[command(flatten)]
        times: TimesArgs,
    },
    /// Write generated cases as files for the fuzzer of libs/pattern to begin with.
    Seeds {
        /// Where to: folders for the targets are made there.
        #[arg(long)]
        out: PathBuf,
        /// How many.
        #[arg(long, default_value_t = 1_000)]
        cases: u64,
    },
    /// Write patterns and events to measure with.
    Generate {
        /// Where to.
        #[arg(long)]
        out: PathBuf,
        /// What the data is made from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct TimesArgs {
    /// Seconds to match before the clock starts.
    #[arg(long, default_value_t = 3.0)]
    warm_up: f64,
    /// Seconds to match.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

impl TimesArgs {
    fn with(self, rounds: usize) -> Times {
        Times { warm_up: self.warm_up, seconds: self.seconds, rounds }
    }
}

#[allow(clippy::print_stdout, reason = "a command reports to whoever gave it")]
fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let cache =
        || args.cache.clone().or_else(default_cache).context("set TRIPLINE_CACHE to a folder");
    Ok(match args.command {
        Command::Differential { seed, cases, show } => {
            let same = differential::run(&Ruler::prepare(&cache()?)?, seed, cases, show)?;
            if same { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Command::Compare { data, seed, only, times, rounds } => {
            let data = data.map_or_else(|| Ok(cache()?.join("patterns-compare")), anyhow::Ok)?;
            let mut sets = data::write(&data, seed)?;
            sets.retain(|set| set.name.contains(&only));
            compare::run(&Ruler::prepare(&cache()?)?, &sets, times.with(rounds))?;
            ExitCode::SUCCESS
        }
        Command::Hostile => {
            if hostile::run()? {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Command::Measure { patterns, events, times } => {
            let measured = compare::measure(&patterns, &events, times.with(1))?;
            println!("{}", serde_json::to_string(&measured)?);
            ExitCode::SUCCESS
        }
        Command::Seeds { out, cases } => {
            cases::write_seeds(&out, cases)?;
            ExitCode::SUCCESS
        }
        Command::Generate { out, seed } => {
            data::write(&out, seed)?;
            ExitCode::SUCCESS
        }
    })
}

/// Where caches belong by the XDG's rules.
fn default_cache() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    Some(caches?.join("tripline"))
}
