//! The trials: every check on our own publisher (`local::fr_017::…`), and every subject that is kept to show that checks can
//! fail (`subjects::…`, `workflows::…`), with the verdicts that are expected of each. `explore::…` plays schedules.
//!
//! nextest runs a process for each trial. What they share is said in `verify::target::Shared`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "trials are tests: what is amiss ends them"
)]

mod broken;
mod expected;
mod explore;
mod gate;
mod live;
mod matrix;
mod shown;
mod watch;
mod workflows;
mod world;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = [
        gate::trials(),
        matrix::trials(),
        shown::trials(),
        workflows::trials(),
        broken::trials(),
        live::trials(),
        watch::trials(),
        explore::trials(),
    ];
    let trials = trials.into_iter().flatten().collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
