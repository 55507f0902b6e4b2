//! The program `verify`.

use std::io::Write as _;

use clap::{Parser, Subcommand, ValueEnum};
use verify::requirements::REQUIREMENTS;

/// Judges publishing pipelines against a catalogue of requirements.
#[derive(Debug, Parser)]
#[command(name = "verify", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the requirements
    List {
        /// Prints them in this form
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        output: Output,
    },
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Output {
    /// One line each.
    #[default]
    Text,
    /// One JSON array.
    Json,
}

fn main() -> std::io::Result<()> {
    let Command::List { output } = Cli::parse().command;
    let mut out = std::io::stdout().lock();
    match output {
        Output::Text => REQUIREMENTS.iter().try_for_each(|it| writeln!(out, "{}  {}", it.id, it.text)),
        Output::Json => writeln!(out, "{:#}", serde_json::json!(REQUIREMENTS)),
    }
}
