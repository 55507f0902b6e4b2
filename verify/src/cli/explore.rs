//! `verify explore`

use std::io::{IsTerminal as _, Write as _};

use super::{
    arguments::{ExploreArguments, ListOutput},
    exit, printing,
};
use crate::{
    explore::{ExploreReport, Options, Progress, explore, json, text},
    harness::{HarnessError, subject::Subject},
};

/// How many schedules go by between two lines where there is no terminal.
const BETWEEN_LINES: usize = 100;

/// Plays the schedules and prints what came of them.
pub(super) async fn run(arguments: &ExploreArguments) -> Result<u8, HarnessError> {
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    let subject = match Subject::new(&arguments.subject) {
        Ok(subject) => subject,
        Err(error) => return Ok(printing::usage(&error, "--subject names an executable; see docs/subjects.md")),
    };
    let options = Options {
        subject,
        environment: arguments.env.iter().cloned().collect(),
        image: arguments.image.clone(),
        seed,
        schedules_max: arguments.schedules,
        time_max: arguments.time,
        only: arguments.only.clone(),
        jobs: arguments.jobs.into(),
    };
    let report = explore(options, printing::progress, progress).await?;
    let command = command(arguments, seed);
    let printed = match arguments.output {
        ListOutput::Text => text(&report, &command),
        ListOutput::Json => json(&report),
    };
    printing::print(&printed)?;
    Ok(code(&report))
}

fn code(report: &ExploreReport) -> u8 {
    match report.verdict() {
        "PASS" => exit::VERIFIED,
        "FAIL" => exit::FAILED,
        _ => exit::UNKNOWN,
    }
}

/// The command that plays the same schedules again, without those that `--only` chose.
fn command(arguments: &ExploreArguments, seed: u64) -> String {
    let mut command = format!("verify explore --subject {}", arguments.subject.display());
    for (name, value) in &arguments.env {
        command = format!("{command} --env {name}={value}");
    }
    format!("{command} --seed {seed} --schedules {}", arguments.schedules)
}

/// One line that changes on a terminal, a line now and then elsewhere.
fn progress(so_far: Progress) {
    let Progress { played, schedules, runs, violations } = so_far;
    let line = format!("{played} of {schedules} schedules, {runs} runs, {violations} violations");
    let mut stderr = std::io::stderr().lock();
    // Nobody reads it if it cannot be written.
    let _ = if stderr.is_terminal() {
        write!(stderr, "\r{line}{}", if played == schedules { "\n" } else { "" })
    } else if played % BETWEEN_LINES == 0 || played == schedules {
        writeln!(stderr, "{line}")
    } else {
        Ok(())
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exploration_without_a_schedule_is_unknown() {
        assert_eq!(code(&ExploreReport::default()), exit::UNKNOWN);
    }
}
