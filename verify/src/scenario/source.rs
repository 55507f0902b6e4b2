//! The source repository of a scenario, and the changes that scenarios make to it, each a commit.

use std::{collections::BTreeMap, io, path::PathBuf};

use crate::harness::{HarnessError, source::Source};

/// The label that the Containerfile of each commit sets to a value of its own.
pub const SOURCE_LABEL: &str = "dev.tallyman.verify.source";
/// What the slow step prints whenever it is really run.
pub const STEP_RAN: &str = "verify: the slow step runs";
/// Seconds of sleep that stand for what a real image compiles: sleep is as long on a slow machine as on a quick one. A build
/// without the step takes a second, and up to ten where much else runs; half of this is more than that.
const SLOW_STEP_S: u32 = 25;
/// A file in the image that changes.
const MESSAGE: &str = "message.txt";
/// The source of an image that takes no longer to build than it must: most scenarios are about what comes after.
const SMALL: [(&str, &str); 2] = [
    (
        "Containerfile",
        "ARG BASE\nARG TARGETARCH\nFROM ${BASE:-localhost/tallyman/base:${TARGETARCH}}\nCOPY message.txt /message.txt\n\
         HEALTHCHECK CMD [\"/bin/true\"]\n",
    ),
    (MESSAGE, "first\n"),
];

/// The source of a small image, in a new folder.
pub(crate) fn small_source(folder: PathBuf) -> Result<Source, HarnessError> {
    Source::of(&SMALL, folder).map_err(HarnessError::io("cannot make a source"))
}

/// Sets the label to a value at the end of the Containerfile. The commit.
///
/// # Errors
/// Files that cannot be read or written; git that fails.
pub(crate) fn mark(source: &mut Source, value: &str) -> io::Result<String> {
    edit(source, |text| {
        let kept: String = text.split_inclusive('\n').filter(|line| !line.contains(SOURCE_LABEL)).collect();
        Some(format!("{kept}LABEL {SOURCE_LABEL}=\"{value}\"\n"))
    })
}

/// A source with the commit at the head of main, and the label of every commit.
#[derive(Debug)]
pub(super) struct LabelledSource {
    pub(super) source: Source,
    pub(super) head: String,
    /// The label's value at the head.
    label: String,
    /// The label's value in each commit.
    pub(super) labels: BTreeMap<String, String>,
}

impl LabelledSource {
    /// A source whose first commit has the label `first`.
    pub(super) fn new(source: Source) -> Result<Self, HarnessError> {
        let mut new = Self { source, head: String::new(), label: String::new(), labels: BTreeMap::new() };
        new.change("first")?;
        Ok(new)
    }

    /// Commits another message and another label.
    pub(super) fn change(&mut self, to: &str) -> Result<(), HarnessError> {
        to.clone_into(&mut self.label);
        let commit = self.source.write(MESSAGE, &format!("{to}\n")).and_then(|()| mark(&mut self.source, to));
        self.committed(commit)
    }

    /// Commits a step that fails for arm64. It does not name the platform: the pipeline must do that.
    pub(super) fn break_arm64(&mut self) -> Result<(), HarnessError> {
        let step = "RUN if [ \"$(uname -m)\" = aarch64 ]; then echo \"verify: this machine cannot build it\" >&2; exit 9; fi\n";
        let commit = edit(&mut self.source, |text| Some(format!("{text}{step}")));
        self.committed(commit)
    }

    /// Commits a step that takes seconds and says when it is run. It comes before all that changes.
    pub(super) fn add_slow_step(&mut self) -> Result<(), HarnessError> {
        let commit = edit(&mut self.source, |text| {
            let (from, rest) = text.split_once("COPY ")?;
            Some(format!("{from}RUN echo \"{STEP_RAN}\"; sleep {SLOW_STEP_S}\nCOPY {rest}"))
        });
        self.committed(commit)
    }

    fn committed(&mut self, commit: io::Result<String>) -> Result<(), HarnessError> {
        self.head = commit.map_err(HarnessError::io("cannot change the source"))?;
        self.labels.insert(self.head.clone(), self.label.clone());
        Ok(())
    }
}

fn edit(source: &mut Source, change: impl FnOnce(&str) -> Option<String>) -> io::Result<String> {
    let text = std::fs::read_to_string(source.path().join("Containerfile"))?;
    let changed =
        change(&text).ok_or_else(|| io::Error::other("the Containerfile has not the step that is to be changed"))?;
    source.write("Containerfile", &changed)?;
    source.commit()
}
