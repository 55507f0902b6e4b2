//! The verdicts that are expected of a subject: a file each in `verify/tests/expected`, reviewed like code.
//!
//! ```text
//! # retries once and gives up
//! scenario transients
//! FAIL fr_018::trouble_that_passes_is_survived
//! ```
//!
//! All other checks of these scenarios are expected to pass.

use std::{collections::BTreeMap, fs, path::PathBuf};

use verify::{check::Check, checks::all, scenario::Scenario, verdict::Verdict};

use crate::world::project;

/// What is expected of one subject.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    /// The subject, below `fixtures/subjects`: `seeded/one-attempt`.
    pub(crate) subject: String,
    /// What is wrong with it.
    pub(crate) comment: Vec<String>,
    /// The scenarios that it is made to go through.
    pub(crate) scenarios: Vec<Scenario>,
    /// The verdicts that are not PASS: the check's name and the verdict's word.
    pub(crate) verdicts: BTreeMap<String, String>,
}

/// Where the files are.
pub(crate) fn folder() -> PathBuf {
    project().join("verify/tests/expected")
}

/// All files, in order. The subject `seeded/one-attempt` has the file `seeded.one-attempt`.
pub(crate) fn read_all() -> Vec<Expected> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| parse(&path.file_name().unwrap().to_string_lossy(), &fs::read_to_string(&path).unwrap()))
        .collect()
}

fn parse(file: &str, text: &str) -> Expected {
    let mut expected = Expected { subject: file.replacen('.', "/", 1), ..Expected::default() };
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match line.split_once(' ') {
            Some(("#", comment)) => expected.comment.push(comment.to_owned()),
            Some(("scenario", name)) => {
                let scenario = Scenario::ALL.iter().find(|it| it.name() == name);
                expected.scenarios.push(*scenario.unwrap_or_else(|| panic!("{file}: there is no scenario {name}")));
            }
            Some((word, id)) if all().iter().any(|check| check.id() == id) => {
                expected.verdicts.insert(id.to_owned(), word.to_owned());
            }
            _ => panic!("{file}: what is `{line}`?"),
        }
    }
    expected
}

impl Expected {
    /// The same with other verdicts.
    pub(crate) fn with(&self, verdicts: &[(&Check, Verdict)]) -> Self {
        let wrong = verdicts.iter().filter(|(_, verdict)| !verdict.is_green());
        let verdicts = wrong.map(|(check, verdict)| (check.id(), verdict.word().to_owned())).collect();
        Self { verdicts, ..self.clone() }
    }

    /// As it stands in its file.
    pub(crate) fn text(&self) -> String {
        let comment = self.comment.iter().map(|line| format!("# {line}\n"));
        let scenarios = self.scenarios.iter().map(|scenario| format!("scenario {}\n", scenario.name()));
        let verdicts = self.verdicts.iter().map(|(id, word)| format!("{word} {id}\n"));
        comment.chain(scenarios).chain(verdicts).collect()
    }
}
