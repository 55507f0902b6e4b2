//! The changes that scenarios make to the source, each a commit.

use std::io;

use crate::harness::source::Source;

/// The label that the Containerfile of each commit sets to a value of its own.
pub const SOURCE_LABEL: &str = "dev.tallyman.verify.source";
/// What the slow step prints whenever it is really run.
pub const STEP_RAN: &str = "verify: the slow step runs";
/// Seconds of sleep that stand for what a real image compiles: sleep is as long on a slow machine as on a quick one.
const SLOW_STEP_S: u32 = 10;

/// Adds the label with a value to the end of the Containerfile.
///
/// # Errors
/// Files that cannot be read or written; git that fails.
pub(crate) fn mark(source: &mut Source, value: &str) -> io::Result<String> {
    edit(source, |text| {
        let kept: String = text.split_inclusive('\n').filter(|line| !line.contains(SOURCE_LABEL)).collect();
        Some(format!("{kept}LABEL {SOURCE_LABEL}=\"{value}\"\n"))
    })
}

/// Lets the build fail for arm64.
///
/// # Errors
/// As [`mark`].
pub(super) fn break_arm64(source: &mut Source) -> io::Result<String> {
    append(
        source,
        // It does not name the platform: who fails must do that.
        "RUN if [ \"$(uname -m)\" = aarch64 ]; then echo \"verify: this machine cannot build it\" >&2; exit 9; fi\n",
    )
}

/// Lets one step of the build take seconds, and say when it is run. It comes before all that changes.
///
/// # Errors
/// As [`mark`].
pub(super) fn add_slow_step(source: &mut Source) -> io::Result<String> {
    edit(source, |text| {
        let (from, rest) = text.split_once("COPY ")?;
        Some(format!("{from}RUN echo \"{STEP_RAN}\"; sleep {SLOW_STEP_S}\nCOPY {rest}"))
    })
}

fn append(source: &mut Source, step: &str) -> io::Result<String> {
    edit(source, |text| Some(format!("{text}{step}")))
}

fn edit(source: &mut Source, change: impl FnOnce(&str) -> Option<String>) -> io::Result<String> {
    let text = std::fs::read_to_string(source.path().join("Containerfile"))?;
    let changed =
        change(&text).ok_or_else(|| io::Error::other("the Containerfile has not the step that is to be changed"))?;
    source.write("Containerfile", &changed)?;
    source.commit()
}
