//! The command line: subcommands, their flags, and what is printed at the end.

use std::{fs, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::{
    command::{self, CleanArgs, Gate, Run, RunArgs, SourceArgs},
    config::Settings,
    doctor::doctor,
    environment::Environment,
    event::{Event, Events, Reporter as _},
    exit::{Exit, Failure},
    init::{InitArgs, init},
    oci::Platform,
    plan,
    report::{
        Screen,
        outcome::{Publication, failure_json, timings_json, to_json},
        print, set_color, summary, text,
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

/// In which form the result goes to stdout.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON document, alone on stdout.
    Json,
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
    Doctor(Settings),
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
    args: OutputArgs,
    screen: Arc<Screen>,
}

/// What is printed on stdout, and the failure besides, if the command failed all the same.
type Printed = (String, Option<Failure>);

/// Runs the program with the arguments of this process.
pub async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            // A command line that is not understood must not exit with clap's own 2, which is an invalid tag.
            return ExitCode::from(if error.use_stderr() { Exit::Failed as u8 } else { 0 });
        }
    };
    let environment = Environment::of_process();
    set_color(cli.output.color);
    let screen = Screen::on_stderr(&environment);
    let console = Console { environment, args: cli.output, screen };
    let printed = match cli.command {
        Command::Doctor(settings) => Ok(console.doctor(&settings).await),
        Command::Init(args) => init(&args).await.map(|text| (text, None)),
        Command::Plan(args) => console.plan(&args).await,
        Command::Build { platform, source, hand_over, run } => {
            let build =
                async |run: &Run| command::build(run, &platform, &source, &run.folder.join(&hand_over.digests)).await;
            console.publish(&run, build).await
        }
        Command::Merge { hand_over, run } => {
            console.publish(&run, async |run| command::merge(run, &run.folder.join(&hand_over.digests)).await).await
        }
        Command::Publish { source, run } => {
            console.publish(&run, async |run| command::publish(run, &source).await).await
        }
        Command::Clean(args) => console.clean(&args).await,
    };
    console.finish(printed)
}

impl Console {
    /// Opens a run and does its work, unless a signal ends it.
    async fn run<T>(&self, args: &RunArgs, work: impl AsyncFnOnce(&Run) -> Result<T, Failure>) -> Result<T, Failure> {
        let gate = Gate::default();
        gate.cancellable(async {
            let run = Run::open(args, self.environment.clone(), Arc::clone(&self.screen), gate.clone()).await?;
            work(&run).await
        })
        .await
    }

    /// Publishes, and writes the files that were asked for and the step's outputs, which the steps that follow need.
    async fn publish(
        &self,
        args: &RunArgs,
        work: impl AsyncFnOnce(&Run) -> Result<Publication, Failure>,
    ) -> Result<Printed, Failure> {
        let work = async |run: &Run| work(run).await.map_err(|failure| run.gate.unpublished(failure));
        let publication = self.run(args, work).await?;
        if let Some(file) = &self.args.timings
            && let Err(error) = fs::write(file, timings_json(&publication.timings))
        {
            self.screen.event(Event::Warning(format!("failed to write {}: {error}", file.display())));
        }
        self.summarise(&summary::publication(&publication));
        command::append(&self.environment, "GITHUB_OUTPUT", &command::outputs(&publication))?;
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
        let cleaned = command::clean(&self.environment, args, Arc::clone(&self.screen) as Events).await?;
        self.summarise(&summary::cleaned(&cleaned.text()));
        Ok((self.render(|| cleaned.text(), &cleaned), cleaned.failure()))
    }

    async fn doctor(&self, settings: &Settings) -> Printed {
        let diagnosis = doctor(&self.environment, settings).await;
        let unfit = || Failure::other("this machine lacks something that publishing needs");
        (self.render(|| diagnosis.to_string(), &diagnosis), (!diagnosis.fit).then(unfit))
    }

    /// Appends to the job's summary, if this is a step of a workflow. One that cannot be written is only a warning.
    fn summarise(&self, markdown: &str) {
        // The empty line ends the paragraph or table of an earlier step.
        let written = command::append(&self.environment, "GITHUB_STEP_SUMMARY", &format!("{markdown}\n"));
        if let Err(failure) = written {
            let causes = failure.chain().join(": ");
            self.screen.event(Event::Warning(format!("failed to write the job summary: {causes}")));
        }
    }

    /// A result in the form that was asked for.
    fn render(&self, text: impl FnOnce() -> String, record: &impl Serialize) -> String {
        match self.args.output {
            OutputFormat::Text => text(),
            OutputFormat::Json => to_json(record),
        }
    }

    /// Ends the screen, prints the result or the failure, and appends the failure to the job's summary.
    fn finish(&self, printed: Result<Printed, Failure>) -> ExitCode {
        let (text, failure) = printed.unwrap_or_else(|failure| match self.args.output {
            OutputFormat::Text => (String::new(), Some(failure)),
            OutputFormat::Json => (failure_json(&failure), Some(failure)),
        });
        if let Some(failure) = &failure {
            self.summarise(&summary::failure(failure));
        }
        self.screen.end(failure.as_ref());
        print(&text);
        failure.map_or(ExitCode::SUCCESS, |failure| ExitCode::from(failure.exit as u8))
    }
}
