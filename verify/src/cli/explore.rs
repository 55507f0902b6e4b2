//! `verify explore`

use std::io::{IsTerminal as _, Write as _};

use super::{
    arguments::{ExploreArguments, ListOutput},
    exit, printing,
};
use crate::{
    explore::{Explored, Options, Progress, explore, json, text},
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
        lanes: arguments.jobs.into(),
    };
    let explored = explore(options, printing::progress, progress).await?;
    let command = command(arguments, seed);
    let report = match arguments.output {
        ListOutput::Text => text(&explored, &command),
        ListOutput::Json => json(&explored),
    };
    printing::print(&report)?;
    Ok(code(&explored))
}

const fn code_of(violated: bool, can_tell: bool) -> u8 {
    match (violated, can_tell) {
        (true, _) => exit::FAILED,
        (false, true) => exit::VERIFIED,
        (false, false) => exit::UNKNOWN,
    }
}

fn code(explored: &Explored) -> u8 {
    code_of(!explored.violations.is_empty(), explored.can_tell())
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
    fn what_nobody_can_tell_is_no_success_and_what_was_broken_is_told_first() {
        assert_eq!(code_of(false, true), exit::VERIFIED);
        assert_eq!(code_of(true, true), exit::FAILED);
        assert_eq!(code_of(true, false), exit::FAILED);
        assert_eq!(code_of(false, false), exit::UNKNOWN);
        assert_eq!(code(&Explored::default()), exit::UNKNOWN, "nothing was played");
    }
}
