//! What the command line accepts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{harness::registry::Backend, scenario::Scenario};

/// Judges publishing pipelines: what they promise, what they do when things fail, what they leave on the registries.
///
/// Every claim ends as PASS, FAIL, UNKNOWN (the harness broke, nobody can tell) or NOT RUN (the target lacks what the check
/// needs). Only PASS is green.
#[derive(Debug, Parser)]
#[command(name = "verify", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 everything passed · 1 a claim does not hold · 2 nobody can tell · 3 wrong usage";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists all checks, or the requirements that they belong to
    List(ListArguments),
    /// Puts a pipeline under test on this machine: runs it, injects faults, watches every request
    #[command(
        after_help = "A pipeline is an executable that is called with `prepare`, `build` and `merge`; verify/SUBJECTS.md \
                            says with which variables.\n\n  verify local --subject ./my-pipeline\n  verify local --subject \
                            ./my-pipeline --only fr_017 --keep evidence/"
    )]
    Local(LocalArguments),
    /// Looks at published images, on any registry
    #[command(
        after_help = "  verify live ghcr.io/acme/hello:1.2.0 docker.io/acme/hello:1.2.0\n\nRegistries on this machine are \
                            spoken to over plain HTTP unless --ca-file is given. Accounts come from \
                            VERIFY_USER_<HOST> and VERIFY_PASSWORD_<HOST>, as in VERIFY_USER_GHCR_IO."
    )]
    Live(LiveArguments),
    /// Reads GitHub workflows: what starts them, what they may do, where secrets go, how failures are told
    #[command(
        after_help = "  verify workflow .github/workflows/build-images.yml\n\nThe files are judged as one pipeline, with the \
                            workflows that they call and their composite actions. What is called from other repositories \
                            is followed where --repository says where that repository is:\n\n  verify workflow \
                            .github/workflows/publish.yml --repository acme/pipelines=../pipelines"
    )]
    Workflow(WorkflowArguments),
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
    #[arg(long, value_enum, default_value_t, value_name = "KIND")]
    pub(super) registry: Registries,
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

/// The kinds of registries that a pipeline can be given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Registries {
    /// The distribution registry in containers
    #[default]
    Container,
    /// The distribution registry as processes of this machine
    Process,
    /// Registries within this program: the quickest
    Embedded,
}

impl From<Registries> for Backend {
    fn from(registries: Registries) -> Self {
        match registries {
            Registries::Container => Self::Container,
            Registries::Process => Self::Process,
            Registries::Embedded => Self::Embedded,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct LiveArguments {
    /// What is published, one reference a registry: ghcr.io/acme/hello:1.2.0
    #[arg(required = true, value_name = "REFERENCE")]
    pub(super) references: Vec<String>,
    /// The digest that every reference must have
    #[arg(long, value_name = "DIGEST")]
    pub(super) expect_digest: Option<String>,
    /// Runs only checks whose names contain this (may be repeated)
    #[arg(long, value_name = "TEXT")]
    pub(super) only: Vec<String>,
    /// Pulls every image for every platform with podman and runs it
    #[arg(long)]
    pub(super) run: bool,
    /// A certificate authority to trust besides the usual ones
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// Prints the report in this form
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) output: Output,
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
