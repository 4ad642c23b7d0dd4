//! `tripline`: the command line of Tripline, and `tripline dev`, which runs all of it in one process.

mod client;
mod commands;
mod dev;
mod failure;
mod offline;
mod output;
mod pattern;
mod transform;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use client::{Client, ServerArgs};
use commands::Session;
use failure::Failure;
use output::Format;

/// Makes sure that what happens runs what must run, and shows why it did or did not.
#[derive(Debug, Parser)]
#[command(name = "tripline", version)]
struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// How to show what the server answers.
    #[arg(short, long, value_enum, global = true, default_value_t)]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::DevArgs),
    Migrate(dev::migrate::MigrateArgs),
    Healthcheck(dev::healthcheck::HealthcheckArgs),
    Apply(commands::apply::ApplyArgs),
    Get(commands::resources::GetArgs),
    List(commands::resources::ListArgs),
    Delete(commands::resources::DeleteArgs),
    Pause(commands::acts::PauseArgs),
    Resume(commands::acts::PauseArgs),
    TestSource(commands::acts::TestArgs),
    RotateSecret(commands::rotate::RotateSecretArgs),
    Publish(commands::publish::PublishArgs),
    Invoke(commands::invoke::InvokeArgs),
    Invocations(commands::records::InvocationsArgs),
    DeadLetters(commands::records::DeadLettersArgs),
    Tail(commands::tail::TailArgs),
    Trigger(commands::trigger::TriggerArgs),
    Pattern(pattern::PatternArgs),
    Transform(transform::TransformArgs),
}

fn main() -> ExitCode {
    if tripline_sandbox::is_worker() {
        return tripline_sandbox::work();
    }
    let Args { server, output, command } = Args::parse();
    let command = match command {
        Command::Dev(args) => return dev::run(args),
        Command::Healthcheck(args) => return dev::healthcheck::run(&args),
        Command::Pattern(args) => return pattern::run(&args),
        other => other,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the operating system grants a poll and a timer");
    let command = match command {
        Command::Migrate(args) => return runtime.block_on(dev::migrate::run(args)),
        Command::Transform(args) => return transform::run(&args, &runtime),
        other => other,
    };
    match runtime.block_on(run(&server, output, command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(server: &ServerArgs, format: Format, command: Command) -> Result<(), Failure> {
    let client = Client::connect(server)?;
    let mut session = Session { client, format, out: &mut io::stdout().lock() };
    match command {
        Command::Dev(_)
        | Command::Migrate(_)
        | Command::Healthcheck(_)
        | Command::Pattern(_)
        | Command::Transform(_) => unreachable!("these need no server and were run before"),
        Command::Apply(args) => commands::apply::run(&mut session, &args).await,
        Command::Get(args) => commands::resources::get(&mut session, &args).await,
        Command::List(args) => commands::resources::list(&mut session, &args).await,
        Command::Delete(args) => commands::resources::delete(&mut session, &args).await,
        Command::Pause(args) => commands::acts::pause(&mut session, &args).await,
        Command::Resume(args) => commands::acts::resume(&mut session, &args).await,
        Command::TestSource(args) => commands::acts::test(&mut session, &args).await,
        Command::RotateSecret(args) => commands::rotate::run(&mut session, &args).await,
        Command::Publish(args) => commands::publish::run(&mut session, args).await,
        Command::Invoke(args) => commands::invoke::run(&mut session, &args).await,
        Command::Invocations(args) => commands::records::invocations(&mut session, &args).await,
        Command::DeadLetters(args) => commands::records::dead_letters(&mut session, &args).await,
        Command::Tail(args) => commands::tail::run(&mut session, &args).await,
        Command::Trigger(args) => commands::trigger::run(&mut session, &args).await,
    }
}
