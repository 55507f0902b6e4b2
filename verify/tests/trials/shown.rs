//! What all expected verdicts together must show: that every check can fail, and that every seeded defect is told from a
//! correct pipeline by what it breaks. Nothing is run for that; `subjects::…` run what stands in the files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use libtest_mimic::{Failed, Trial};
use verify::{check::Check, checks::all, requirements::REQUIREMENTS};

use crate::{
    expected::{self, Expected},
    world::project,
};

/// The subject of the seeded family that has no defect.
const CORRECT: &str = "none";

/// The trials.
pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("shown::every_check_fails_on_at_least_one_subject", every_check_fails),
        Trial::test("shown::every_seeded_defect_has_its_verdicts", every_defect_is_judged),
        Trial::test("shown::every_seeded_defect_fails_what_it_is_listed_for", every_defect_fails),
        Trial::test("shown::the_correct_pipeline_fails_nothing", nothing_fails),
    ]
}

/// A check that no subject fails might be one that cannot fail. Checks of workflows have subjects of their own
/// (`workflows::…`).
fn every_check_fails() -> Result<(), Failed> {
    let expected = expected::read_all();
    let failing: BTreeSet<&String> = expected.iter().flat_map(Expected::failing).collect();
    let run = all().into_iter().filter(|check| check.scenario.is_some());
    none(run.map(Check::id).filter(|id| !failing.contains(id)), "no subject fails these")
}

fn every_defect_is_judged() -> Result<(), Failed> {
    let (listed, judged) = (listed(), seeded());
    none(listed.keys().filter(|name| !judged.contains_key(*name)), "these defects have no verdicts")?;
    let known = |name: &&String| **name == CORRECT || listed.contains_key(*name);
    none(judged.keys().filter(|name| !known(name)), "these verdicts are of no defect that is listed")
}

fn every_defect_fails() -> Result<(), Failed> {
    let checks: BTreeMap<String, &Check> = all().into_iter().map(|check| (check.id(), check)).collect();
    let judged = seeded();
    let mut missing = Vec::new();
    for (name, requirements) in listed() {
        let Some(expected) = judged.get(&name) else { continue };
        let failed: BTreeSet<&str> = expected.failing().flat_map(|id| checks[id].requirements).copied().collect();
        let lacking = requirements.iter().filter(|id| !failed.contains(id.as_str()));
        missing.extend(lacking.map(|id| format!("{name}: {id}")));
    }
    none(missing, "these requirements do not fail where they are broken")
}

fn nothing_fails() -> Result<(), Failed> {
    none(seeded()[CORRECT].failing(), "the correct pipeline fails these")
}

/// The defects that the table lists, each with the requirements that it must fail.
fn listed() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(project().join("fixtures/subjects/seeded/README.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let defects: BTreeMap<String, Vec<String>> = rows
        .map(|(name, rest)| {
            let (_, requirements) = rest.trim_end_matches(" |").rsplit_once(" | ").unwrap();
            let requirements: Vec<String> = requirements.split(", ").map(str::to_owned).collect();
            let known = |id: &String| REQUIREMENTS.iter().any(|requirement| requirement.id == id);
            assert!(requirements.iter().all(known), "{name}: {requirements:?}");
            (name.to_owned(), requirements)
        })
        .collect();
    assert!(!defects.is_empty(), "the table of defects cannot be read");
    defects
}

/// The expected verdicts of the seeded subjects, by defect.
fn seeded() -> BTreeMap<String, Expected> {
    let all = expected::read_all().into_iter();
    all.filter_map(|it| Some((it.subject.strip_prefix("seeded/")?.to_owned(), it))).collect()
}

/// An error that lists what there should be none of.
fn none<T: ToString>(items: impl IntoIterator<Item = T>, what: &str) -> Result<(), Failed> {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { Ok(()) } else { Err(format!("{what}:\n{}", items.join("\n")).into()) }
}
