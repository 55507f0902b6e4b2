//! The command line: subcommands, their flags, and what is printed at the end.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, ColorChoice, Parser, Subcommand};
use serde::Serialize;

use crate::{
    command::{self, CleanArgs, Gate, Run, RunArgs, SourceArgs, cancellable},
    config::Settings,
    doctor::doctor,
    environment::Environment,
    event::{Event, Events},
    exit::{Exit, Failure},
    init::{InitArgs, init},
    oci::Platform,
    plan,
    report::{
        OutputFormat, Screen,
        outcome::{Publication, failure_json, to_json},
        print, summary, text,
    },
};

const EXIT_CODES: &str = "\
Exit codes:
  0  published (or, for init, plan, build, clean and doctor: done)
  1  any other failure
  2  the tag or version is not acceptable
  3  an architecture failed to build
  4  a registry push failed after its attempts
  5  cancelled, or a newer build is already published

A registry's credentials are taken from the environment (GITHUB_TOKEN for ghcr.io; DOCKERHUB_USERNAME and DOCKERHUB_TOKEN
for docker.io), else from where podman and docker keep theirs (`podman login`).";

/// Publishes a multi-architecture container image to several registries, all or nothing.
#[derive(Debug, Parser)]
#[command(name = "publisher", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Prints the result in this form on stdout; progress and log go to stderr
    #[arg(long, value_enum, default_value_t, global = true, value_name = "FORMAT")]
    output: OutputFormat,
    /// Uses colour
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN")]
    color: ColorChoice,
    /// Writes how long each phase took to this file, as JSON
    #[arg(long, global = true, value_name = "FILE", env = "TALLYMAN_TIMINGS", hide_env_values = true)]
    timings: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says what a run will publish, and fails now if it must not: bad version, bad tag, missing secret
    Plan(RunArgs),
    /// Builds one platform and puts it on all registries by digest; no tag moves
    Build {
        /// Builds for this platform, for example linux/arm64
        #[arg(long, value_name = "OS/ARCH")]
        platform: Platform,
        #[command(flatten)]
        source: SourceArgs,
        #[command(flatten)]
        hand_over: HandOverArgs,
        #[command(flatten)]
        run: RunArgs,
    },
    /// Joins the builds of all platforms in one list and moves the tag to it on all registries
    Merge {
        #[command(flatten)]
        hand_over: HandOverArgs,
        #[command(flatten)]
        run: RunArgs,
    },
    /// Does all of it on this machine: builds every platform, in parallel, and publishes
    Publish {
        #[command(flatten)]
        source: SourceArgs,
        #[command(flatten)]
        run: RunArgs,
    },
    /// Removes what earlier runs left behind and no tag references: nothing that can still be pulled
    Clean(CleanArgs),
    /// Writes a GitHub workflow that publishes this repository's image, and a publish.toml
    Init(InitArgs),
    /// Says what this machine lacks for building and publishing, and how to fix it
    Doctor {
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Args)]
struct HandOverArgs {
    /// The folder through which builds hand their digests to the merge
    #[arg(long, value_name = "FOLDER", env = "TALLYMAN_DIGESTS", default_value = "digests", hide_env_values = true)]
    digests: PathBuf,
}

/// Where a run's progress, result and failure go.
struct Console {
    environment: Environment,
    output: OutputFormat,
    color: ColorChoice,
    screen: Arc<Screen>,
    timings: Option<PathBuf>,
}

/// What is printed on stdout, and the failure besides, if the command failed all the same.
type Printed = (String, Option<Failure>);

/// Runs the program with the arguments of this process.
pub async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let console = Console::new(Environment::of_process(), cli.output);
    let printed = match cli.command {
        Command::Doctor { settings } => Ok(console.doctor(&settings).await),
        Command::Init(args) => init(&args).await.map(|text| (text, None)),
        Command::Plan(args) => console.plan(&args).await,
        Command::Build { platform, source, hand_over, run } => {
            let build = async |run: &Run| command::build(run, &platform, &source, &run.path(&hand_over.digests)).await;
            console.publish(&run, build).await
        }
        Command::Merge { hand_over, run } => {
            console.publish(&run, async |run| command::merge(run, &run.path(&hand_over.digests)).await).await
        }
        Command::Publish { source, run } => {
            console.publish(&run, async |run| command::publish(run, &source).await).await
        }
        Command::Clean(args) => console.clean(&args).await,
    };
    console.finish(printed)
}

impl Console {
    fn new(environment: Environment, output: OutputArgs) -> Self {
        let OutputArgs { output, color, timings } = output;
        let screen = Screen::on_stderr(&environment, color);
        Self { environment, output, color, screen, timings }
    }

    fn events(&self) -> Events {
        Arc::clone(&self.screen) as Events
    }

    /// Opens a run and does its work, unless a signal ends it.
    async fn run<T>(&self, args: &RunArgs, work: impl AsyncFnOnce(&Run) -> Result<T, Failure>) -> Result<T, Failure> {
        let gate = Gate::default();
        cancellable(&gate, async {
            let run = Run::open(args, self.environment.clone(), Arc::clone(&self.screen), gate.clone()).await?;
            work(&run).await
        })
        .await
    }

    async fn publish(
        &self,
        args: &RunArgs,
        work: impl AsyncFnOnce(&Run) -> Result<Publication, Failure>,
    ) -> Result<Printed, Failure> {
        let publication = self.run(args, work).await?;
        command::write_files(&self.environment, &publication, self.timings.as_deref(), &self.events())?;
        Ok((self.render(|| text::publication(&publication), &publication), None))
    }

    async fn plan(&self, args: &RunArgs) -> Result<Printed, Failure> {
        let plan = async |run: &Run| {
            command::plan(run)?;
            let Run { plan, config, .. } = run;
            Ok((self.render(|| plan::text(plan, config), &plan::json(plan, config)), None))
        };
        self.run(args, plan).await
    }

    async fn clean(&self, args: &CleanArgs) -> Result<Printed, Failure> {
        let cleaned = command::clean(&self.environment, args, self.events()).await?;
        if let Err(failure) = command::write_summary(&self.environment, &summary::cleaned(&cleaned.text())) {
            self.events().event(Event::Warning(failure.chain().join(": ")));
        }
        Ok((self.render(|| cleaned.text(), &cleaned), cleaned.failure()))
    }

    async fn doctor(&self, settings: &Settings) -> Printed {
        let diagnosis = doctor(&self.environment, settings).await;
        let unfit = || Failure::other("this machine lacks something that publishing needs");
        (self.render(|| diagnosis.to_string(), &diagnosis), (!diagnosis.fit).then(unfit))
    }

    /// A result in the form that was asked for.
    fn render(&self, text: impl FnOnce() -> String, record: &impl Serialize) -> String {
        match self.output {
            OutputFormat::Text => text(),
            OutputFormat::Json => to_json(record),
        }
    }

    /// Ends the screen, prints the result or the failure, and appends the failure to the job's summary.
    fn finish(&self, printed: Result<Printed, Failure>) -> ExitCode {
        let (text, failure) = printed.unwrap_or_else(|failure| match self.output {
            OutputFormat::Text => (String::new(), Some(failure)),
            OutputFormat::Json => (failure_json(&failure), Some(failure)),
        });
        self.screen.end(failure.as_ref());
        print(&text, self.color);
        let Some(failure) = failure else { return ExitCode::SUCCESS };
        // The run has failed already; a summary that cannot be written does not change its exit code.
        let _ = command::write_summary(&self.environment, &summary::failure(&failure));
        failure.exit.into()
    }
}

/// Prints clap's message. A command line that is not understood must not exit with clap's own 2, which is an invalid tag.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { Exit::Failed.into() } else { ExitCode::SUCCESS }
}
