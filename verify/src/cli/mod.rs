//! The command line.

mod arguments;
mod explore;
mod list;
mod live;
mod local;
mod printing;
#[cfg(test)]
mod tests;
mod watch;
mod workflow;

use clap::Parser as _;

use arguments::{Cli, Command};

/// How the program ends.
pub mod exit {
    /// Everything that was run passed.
    pub const VERIFIED: u8 = 0;
    /// A claim does not hold.
    pub const FAILED: u8 = 1;
    /// No claim was found broken, but some are unknown: the harness broke.
    pub const UNKNOWN: u8 = 2;
    /// The command line is wrong.
    pub const USAGE: u8 = 3;
}

/// Reads the command line, does what it says, and tells the exit code.
pub async fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that was asked for is no error.
            let code = if error.use_stderr() { exit::USAGE } else { exit::VERIFIED };
            let _ = error.print();
            return code;
        }
    };
    run(cli).await
}

async fn run(cli: Cli) -> u8 {
    let result = match cli.command {
        Command::List(arguments) => list::run(&arguments),
        Command::Local(arguments) => local::run(&arguments).await,
        Command::Explore(arguments) => explore::run(&arguments).await,
        Command::Live(arguments) => live::run(&arguments).await,
        Command::Watch(arguments) => watch::run(arguments).await,
        Command::Workflow(arguments) => workflow::run(&arguments),
    };
    result.unwrap_or_else(|error| {
        printing::error(&error);
        exit::UNKNOWN
    })
}
