//! The verdicts that are expected of a subject: a file each in `verify/tests/expected`, reviewed like code.
//!
//! ```text
//! # nothing is tried again
//! scenario rate-limits
//! FAIL fr_018::a_rate_limit_is_survived
//! scenario broken-upload
//! FAIL fr_018::an_upload_that_breaks_off_is_made_whole
//! ```
//!
//! All other checks of these scenarios are expected to pass. `CHANCE` in place of `FAIL` stands before what a subject fails
//! only now and then, such as where two of its own builds race; it shows nothing. No file expects UNKNOWN: a judge that
//! cannot tell of a pipeline that it was made for is to be mended, or the scenario is of no use for that subject.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use verify::{check::Check, checks::all, scenario::Scenario, verdict::Verdict};

use crate::world::project;

/// What stands before a check that does not hold.
const FAIL: &str = "FAIL";
/// What stands before a check that may hold or not.
const CHANCE: &str = "CHANCE";

/// What is expected of a subject in a scenario: names of checks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdicts {
    /// Those that fail.
    pub(crate) failing: BTreeSet<String>,
    /// Those that fail now and then.
    pub(crate) by_chance: BTreeSet<String>,
}

/// What is expected of one subject.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    /// The subject, below `fixtures/subjects`: `seeded/one-attempt`.
    pub(crate) subject: String,
    /// The scenarios that it is made to go through.
    pub(crate) scenarios: BTreeMap<Scenario, Verdicts>,
}

/// All files, in order. The subject `seeded/one-attempt` has the file `seeded.one-attempt`.
pub(crate) fn read_all() -> Vec<Expected> {
    let folder = project().join("verify/tests/expected");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| parse(&path.file_name().unwrap().to_string_lossy(), &fs::read_to_string(&path).unwrap()))
        .collect()
}

fn parse(file: &str, text: &str) -> Expected {
    let known = all();
    let mut expected = Expected { subject: file.replacen('.', "/", 1), ..Expected::default() };
    let mut current = None;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        match (line.split_once(' '), current) {
            (Some(("scenario", name)), _) => {
                let scenario = Scenario::all().iter().find(|it| it.name() == name);
                let scenario = *scenario.unwrap_or_else(|| panic!("{file}: there is no scenario {name}"));
                expected.scenarios.insert(scenario, Verdicts::default());
                current = Some(scenario);
            }
            (Some((word @ (FAIL | CHANCE), id)), Some(scenario)) => {
                let belongs = known.iter().any(|check| check.id() == id && check.scenario == Some(scenario));
                assert!(belongs, "{file}: {id} is no check of {}", scenario.name());
                let verdicts = expected.scenarios.entry(scenario).or_default();
                let checks = if word == FAIL { &mut verdicts.failing } else { &mut verdicts.by_chance };
                checks.insert(id.to_owned());
            }
            _ => panic!("{file}: what is `{line}`?"),
        }
    }
    expected
}

impl Expected {
    /// The checks that fail, whatever the scenario.
    pub(crate) fn failing(&self) -> impl Iterator<Item = &String> {
        self.scenarios.values().flat_map(|verdicts| &verdicts.failing)
    }
}

/// A scenario's part of a file, from verdicts. What is neither PASS nor FAIL stands there too, and is never expected.
pub(crate) fn section<'a>(scenario: Scenario, verdicts: impl IntoIterator<Item = (&'a Check, &'a Verdict)>) -> String {
    let wrong = verdicts.into_iter().filter(|(_, verdict)| !verdict.is_green());
    part(scenario, wrong.map(|(check, verdict)| format!("{} {}\n", verdict.word(), check.id())))
}

impl Verdicts {
    /// The same from what is expected, if these verdicts were seen.
    pub(crate) fn section<'a>(
        &self,
        scenario: Scenario,
        verdicts: impl IntoIterator<Item = (&'a Check, &'a Verdict)>,
    ) -> String {
        let failed = verdicts.into_iter().filter(|(_, verdict)| verdict.word() == FAIL).map(|(check, _)| check.id());
        let by_chance: BTreeSet<String> = failed.filter(|id| self.by_chance.contains(id)).collect();
        part(scenario, self.failing.union(&by_chance).map(|id| format!("{FAIL} {id}\n")))
    }
}

fn part(scenario: Scenario, lines: impl Iterator<Item = String>) -> String {
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    format!("scenario {}\n{}", scenario.name(), lines.concat())
}
