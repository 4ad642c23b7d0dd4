//! The command line against a server that answers as it is told.

mod commands;
mod failures;
mod transforms;
mod upkeep;

use std::process::{Command, Output, Stdio};

use tripline_testkit::Receiver;

/// What a command said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

/// Runs the command line, with nothing of this process's environment.
fn tripline(env: &[(&str, &str)], args: &[&str], input: &str) -> Said {
    let run = || -> std::io::Result<Output> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tripline"))
            .args(args)
            .env_clear()
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that reads nothing may have ended already.
            let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
        }
        child.wait_with_output()
    };
    let output = run().expect("the command line is built and starts");
    Said {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// Runs the command line against this server.
fn against(server: &Receiver, args: &[&str]) -> Said {
    let url = server.url("");
    tripline(&[("TRIPLINE_URL", &url), ("TRIPLINE_API_KEY", "key")], args, "")
}
