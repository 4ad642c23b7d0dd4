//! `tripline healthcheck`: asks a running `tripline dev` how it is.

use std::net::SocketAddr;
use std::process::ExitCode;

use tripline_runtime::probe::{self, Question};

/// Ask a running `tripline dev` whether it is ready, and exit with 0 or 1.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct HealthcheckArgs {
    /// Where its admin port is.
    #[arg(value_name = "ADDR", default_value = super::ADMIN_DEFAULT)]
    admin: SocketAddr,
    /// Ask only whether it answers at all.
    #[arg(long)]
    live: bool,
}

/// The exit code to end with. Standard error says why it is not well.
#[allow(clippy::print_stderr, reason = "a command says why to whoever gave it")]
pub(crate) fn run(args: &HealthcheckArgs) -> ExitCode {
    let question = if args.live { Question::Live } else { Question::Ready };
    match probe::ask(args.admin, question) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
