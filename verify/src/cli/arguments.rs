//! What the command line accepts.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::{harness::registry::Backend, scenario::Scenario};

/// Judges publishing pipelines: what they promise, what they do when things fail, what they leave on the registries.
///
/// Every claim ends as PASS, FAIL, UNKNOWN (the harness broke), NOT RUN (the target lacks what the check
/// needs) or WAIVED (it need not hold, says whoever runs this). Only PASS is green.
#[derive(Debug, Parser)]
#[command(name = "verify", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 everything passed · 1 a claim does not hold · 2 unknown · 3 wrong usage";

/// The repository on GitHub that this program was compiled in: its image watches itself when nothing else is named.
pub(super) const OWN_REPOSITORY: Option<&str> = option_env!("TALLYMAN_REPOSITORY");
/// Where the service listens unless somebody says otherwise.
const LISTEN: &str = "127.0.0.1:9180";
/// How often it looks.
const EVERY: &str = "15m";
/// How many schedules are played: together with those that every request of a usual run gives, thousands of runs.
const SCHEDULES: usize = 2_100;
/// The shortest time between two rounds.
const EVERY_MIN: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists all checks, or the requirements that they belong to
    List(ListArguments),
    /// Puts a pipeline under test on this machine: runs it, injects faults, watches every request
    #[command(after_help = include_str!("help/local.txt").trim_ascii_end())]
    Local(LocalArguments),
    /// Plays thousands of schedules: a fault at each request of a run, two runs with their writes in each order
    #[command(after_help = include_str!("help/explore.txt").trim_ascii_end())]
    Explore(ExploreArguments),
    /// Looks at published images, on any registry: all checks that need no more than that
    #[command(after_help = include_str!("help/live.txt").trim_ascii_end(), group = published(&["references", "image"]).required(true))]
    Live(LiveArguments),
    /// Looks at published images again and again, and serves what it finds
    #[command(after_help = include_str!("help/watch.txt").trim_ascii_end(), group = published(&["references", "image", "probe"]).required(OWN_REPOSITORY.is_none()))]
    Watch(WatchArguments),
    /// Reads GitHub workflows: what starts them, what they may do, where secrets go, how failures are told
    #[command(after_help = include_str!("help/workflow.txt").trim_ascii_end())]
    Workflow(WorkflowArguments),
}

/// The ways in which what is to be looked at is named, one at least where it must be.
fn published(ways: &[&'static str]) -> ArgGroup {
    ArgGroup::new("published").args(ways.iter().copied()).multiple(true)
}

/// The forms of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people: what is wrong, then the requirements
    #[default]
    Text,
    /// One document
    Json,
    /// XML for test reporters
    Junit,
    /// For a job summary
    Markdown,
    /// One page that needs nothing else, with a timeline of what went wrong
    Html,
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Lists requirements in place of checks
    #[arg(long)]
    pub(super) requirements: bool,
    /// Prints them in this form
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) output: ListOutput,
}

/// The forms of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ListOutput {
    /// One line each
    #[default]
    Text,
    /// One array
    Json,
}

#[derive(Debug, Args)]
pub(super) struct LocalArguments {
    /// The executable that is the pipeline
    #[arg(long, value_name = "FILE")]
    pub(super) subject: PathBuf,
    /// Runs only checks whose names contain this: fr-017, latest (may be repeated)
    #[arg(long, value_name = "TEXT")]
    pub(super) only: Vec<String>,
    /// Runs only these scenarios (may be repeated)
    #[arg(long, value_enum, value_name = "NAME")]
    pub(super) scenario: Vec<Scenario>,
    /// What kind of registries the pipeline publishes to
    #[arg(long, value_enum, default_value = "container", value_name = "KIND")]
    pub(super) registry: Backend,
    /// A variable that the pipeline gets besides those of the contract (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(super) env: Vec<(String, String)>,
    /// The folder of the image that is built; it is copied, never changed
    #[arg(long, env = "VERIFY_IMAGE", default_value = "fixtures/image", value_name = "FOLDER")]
    pub(super) image: PathBuf,
    /// From what chances are drawn; a report tells it, and with the same seed they are the same
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
    /// How many scenarios are run at once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16), value_name = "NUMBER")]
    pub(super) jobs: u8,
    /// Keeps the evidence of each scenario as JSON in this folder
    #[arg(long, value_name = "FOLDER")]
    pub(super) keep: Option<PathBuf>,
    /// Prints the report in this form
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) output: Output,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a variable is NAME=VALUE".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(super) struct ExploreArguments {
    /// The executable that is the pipeline
    #[arg(long, value_name = "FILE")]
    pub(super) subject: PathBuf,
    /// A variable that the pipeline gets besides those of the contract (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(super) env: Vec<(String, String)>,
    /// From what schedules are drawn; a report tells it, and with the same seed they are the same
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
    /// How many schedules are played at most, half of them or more with two runs
    #[arg(long, default_value_t = SCHEDULES, value_name = "NUMBER")]
    pub(super) schedules: usize,
    /// When no further schedule is begun
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(super) time: Option<Duration>,
    /// Plays only schedules whose names contain this (may be repeated)
    #[arg(long, value_name = "TEXT")]
    pub(super) only: Vec<String>,
    /// How many schedules are played at once: runs that wait for their turn leave processors idle
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16), value_name = "NUMBER")]
    pub(super) jobs: u8,
    /// The folder that the base images are made from
    #[arg(long, env = "VERIFY_IMAGE", default_value = "fixtures/image", value_name = "FOLDER")]
    pub(super) image: PathBuf,
    /// Prints the report in this form
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) output: ListOutput,
}

/// What is published, and how it is reached.
#[derive(Debug, Args)]
pub(super) struct PublishedArguments {
    /// References with tag or digest: ghcr.io/acme/hello:1.2.0
    #[arg(value_name = "REFERENCE")]
    pub(super) references: Vec<String>,
    /// A repository on a registry, to be looked at under --tag (may be repeated): ghcr.io/acme/hello
    #[arg(long, value_name = "REPOSITORY")]
    pub(super) image: Vec<String>,
    /// A tag that each --image has (may be repeated)
    #[arg(long, default_value = "latest", requires = "image", value_name = "TAG")]
    pub(super) tag: Vec<String>,
    /// Runs only checks whose names contain this (may be repeated)
    #[arg(long, value_name = "TEXT")]
    pub(super) only: Vec<String>,
    /// A certificate authority to trust besides the usual ones
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct LiveArguments {
    #[command(flatten)]
    pub(super) published: PublishedArguments,
    /// The digest that every reference must have
    #[arg(long, value_name = "DIGEST")]
    pub(super) expect_digest: Option<String>,
    /// For how long a registry may not show yet what was published [default: 1m with --expect-digest, else 0s]
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(super) wait: Option<Duration>,
    /// Pulls every image for every platform with podman and runs it
    #[arg(long)]
    pub(super) run: bool,
    /// Says that a claim, or those of a requirement, need not hold, and why (may be repeated): it is reported as WAIVED, which
    /// is no pass and no failure. An example: `FR-010=a job that ends has no health`
    #[arg(long, value_name = "CLAIM=REASON", value_parser = waiver)]
    pub(super) waive: Vec<(String, String)>,
    /// Prints the report in this form
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct WatchArguments {
    #[command(flatten)]
    pub(super) published: PublishedArguments,
    /// How often it looks
    #[arg(long, default_value = EVERY, value_parser = every, value_name = "TIME")]
    pub(super) every: Duration,
    /// Where it listens
    #[arg(long, env = "VERIFY_LISTEN", default_value = LISTEN, value_name = "ADDRESS")]
    pub(super) listen: SocketAddr,
    /// Asks a running service how it is
    #[arg(long)]
    pub(super) probe: bool,
}

fn waiver(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((claim, reason)) if !reason.trim().is_empty() => Ok((claim.trim().to_owned(), reason.trim().to_owned())),
        _ => Err("a waiver is CLAIM=REASON".to_owned()),
    }
}

fn every(text: &str) -> Result<Duration, String> {
    let every = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if every < EVERY_MIN { Err("registries want more rest than that".to_owned()) } else { Ok(every) }
}

#[derive(Debug, Args)]
pub(super) struct WorkflowArguments {
    /// The files that make up the pipeline, below .github/workflows
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Where another repository is on this machine, whose workflows and actions are called (may be repeated)
    #[arg(long, value_name = "OWNER/NAME=FOLDER", value_parser = repository)]
    pub(super) repository: Vec<(String, PathBuf)>,
    /// Runs only checks whose names contain this (may be repeated)
    #[arg(long, value_name = "TEXT")]
    pub(super) only: Vec<String>,
    /// Prints the report in this form
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) output: Output,
}

fn repository(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, folder)) if name.split('/').filter(|part| !part.is_empty()).count() == 2 && !folder.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(folder)))
        }
        _ => Err("a repository is OWNER/NAME=FOLDER".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[rstest::rstest]
    #[case("verify live", false)]
    #[case("verify live ghcr.io/a/b:1", true)]
    #[case("verify live --image ghcr.io/a/b", true)]
    #[case("verify live --image ghcr.io/a/b --image docker.io/a/b --tag latest --expect-digest sha256:1", true)]
    #[case("verify live ghcr.io/a/b:1 --tag latest", false)]
    #[case("verify watch", false)]
    #[case("verify watch --image ghcr.io/a/b --every 1s", true)]
    #[case("verify watch --image ghcr.io/a/b --every 0s", false)]
    #[case("verify watch --probe", true)]
    fn something_must_be_named(#[case] line: &str, #[case] good: bool) {
        assert_eq!(Cli::try_parse_from(line.split(' ')).is_ok(), good);
    }
}
