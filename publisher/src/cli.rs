//! The command line: subcommands, their flags, and what is printed at the end.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, ColorChoice, Parser, Subcommand};

use crate::{
    command::{self, CleanArgs, Gate, InitArgs, RunArgs, Session, SourceArgs, cancellable},
    config::Overrides,
    environment::Environment,
    event::{Event, Events},
    exit::{Exit, Failure},
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
struct OutputArgs {
    /// Prints the result in this form on stdout; progress and log go to stderr
    #[arg(long, value_enum, default_value_t, global = true, value_name = "FORMAT", help_heading = "Output")]
    output: OutputFormat,
    /// Uses colour
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN", help_heading = "Output")]
    color: ColorChoice,
    /// Writes how long each phase took to this file, as JSON
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "TALLYMAN_TIMINGS",
        hide_env_values = true,
        help_heading = "Output"
    )]
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
    /// Removes what earlier runs left behind and no tag holds: nothing that anybody can still reach
    Clean(CleanArgs),
    /// Writes a GitHub workflow that publishes this repository's image, and a publish.toml
    Init(InitArgs),
    /// Says what this machine lacks for building and publishing, and how to mend it
    Doctor {
        /// Also looks for what working on Tallyman itself needs
        #[arg(long)]
        dev: bool,
        #[command(flatten)]
        config: Overrides,
    },
}

#[derive(Debug, Args)]
struct HandOverArgs {
    /// The folder through which builds hand their digests to the merge
    #[arg(long, value_name = "FOLDER", env = "TALLYMAN_DIGESTS", default_value = "digests", hide_env_values = true)]
    digests: PathBuf,
}

/// Everything a run prints to.
struct Console {
    environment: Environment,
    output: OutputFormat,
    color: ColorChoice,
    screen: Arc<Screen>,
    timings: Option<PathBuf>,
}

/// Runs the program with the arguments of this process.
pub async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let console = Console::new(Environment::of_process(), cli.output);
    match cli.command {
        Command::Doctor { dev, config } => console.diagnosed(&config, dev).await,
        Command::Init(args) => console.finish(command::init(&args).await),
        Command::Plan(args) => console.planned(&args).await,
        Command::Build { platform, source, hand_over, run } => {
            let build = async |session: &Session| {
                command::build(session, &platform, &source, &session.path(&hand_over.digests)).await
            };
            console.run(&run, build).await
        }
        Command::Merge { hand_over, run } => {
            console.run(&run, async |session| command::merge(session, &session.path(&hand_over.digests)).await).await
        }
        Command::Publish { source, run } => {
            console.run(&run, async |session| command::publish(session, &source).await).await
        }
        Command::Clean(args) => console.cleaned(&args).await,
    }
}

impl Console {
    fn new(environment: Environment, output: OutputArgs) -> Self {
        let OutputArgs { output, color, timings } = output;
        let screen = Screen::on_stderr(&environment, color);
        Self { environment, output, color, screen, timings }
    }

    /// Opens a session, does its work, and tells how it ended.
    async fn run(&self, args: &RunArgs, work: impl AsyncFnOnce(&Session) -> Result<Publication, Failure>) -> ExitCode {
        let outcome = self.within_session(args, work).await;
        let outcome = match outcome {
            Ok(publication) => {
                let events = Arc::clone(&self.screen) as Events;
                let written = command::write_files(&self.environment, &publication, self.timings.as_deref(), &events);
                written.map(|()| publication)
            }
            Err(failure) => Err(failure),
        };
        self.finish(outcome.map(|publication| match self.output {
            OutputFormat::Text => text::publication(&publication),
            OutputFormat::Json => to_json(&publication),
        }))
    }

    async fn planned(&self, args: &RunArgs) -> ExitCode {
        let planned = self.within_session(args, async |session| {
            command::plan(session)?;
            Ok(match self.output {
                OutputFormat::Text => plan::text(&session.plan, &session.config),
                OutputFormat::Json => format!("{:#}\n", plan::json(&session.plan, &session.config)),
            })
        });
        let planned = planned.await;
        self.finish(planned)
    }

    async fn cleaned(&self, args: &CleanArgs) -> ExitCode {
        let events = Arc::clone(&self.screen) as Events;
        let cleaned = match command::clean(&self.environment, args, Arc::clone(&events)).await {
            Ok(cleaned) => cleaned,
            Err(failure) => return self.finish(Err(failure)),
        };
        if let Err(unwritten) = command::write_summary(&self.environment, &summary::cleaned(&cleaned.text())) {
            events.event(Event::Warning(unwritten.chain().join(": ")));
        }
        let failure = cleaned.failure();
        self.screen.end(failure.as_ref());
        self.print(&match self.output {
            OutputFormat::Text => cleaned.text(),
            OutputFormat::Json => to_json(&cleaned),
        });
        failure.map_or(ExitCode::SUCCESS, |failure| failure.exit.into())
    }

    async fn diagnosed(&self, config: &Overrides, development: bool) -> ExitCode {
        let diagnosis = command::doctor(&self.environment, config, development).await;
        self.print(&match self.output {
            OutputFormat::Text => diagnosis.to_string(),
            OutputFormat::Json => to_json(&diagnosis),
        });
        if diagnosis.fit { ExitCode::SUCCESS } else { Exit::Failed.into() }
    }

    async fn within_session<T>(
        &self,
        args: &RunArgs,
        work: impl AsyncFnOnce(&Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let gate = Gate::default();
        cancellable(&gate, async {
            let session = Session::open(args, self.environment.clone(), Arc::clone(&self.screen), gate.clone()).await?;
            work(&session).await
        })
        .await
    }

    /// Ends the screen, prints the result or the failure, and leaves the failure where the workflow's readers look.
    fn finish(&self, outcome: Result<String, Failure>) -> ExitCode {
        let failure = match outcome {
            Ok(text) => {
                self.screen.end(None);
                self.print(&text);
                return ExitCode::SUCCESS;
            }
            Err(failure) => failure,
        };
        self.screen.end(Some(&failure));
        if self.output == OutputFormat::Json {
            self.print(&failure_json(&failure));
        }
        // The run has failed already; that its summary cannot be written changes nothing about how.
        let _ = command::write_summary(&self.environment, &summary::failure(&failure));
        failure.exit.into()
    }

    fn print(&self, text: &str) {
        print(text, self.color);
    }
}

/// A command line that is not understood is no invalid tag: it must not exit with clap's own 2.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { Exit::Failed.into() } else { ExitCode::SUCCESS }
}
