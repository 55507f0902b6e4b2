//! What must be true after a schedule. Pure functions over what the registries held.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    environment::VERSION,
    schedule::{Build, Fault, Race, Schedule, Workload},
    snapshot::{RegistrySnapshot, Tag},
};
use crate::evidence::Exit;

/// The tag that moves with every build of main.
pub(super) const LATEST: &str = "latest";
/// The exit code of a run that was overtaken by a newer one.
const SUPERSEDED: i32 = 5;

/// What must always be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// Everything that a tag leads to exists.
    Whole,
    /// A tag exists and is the same on all registries, or on none.
    Equal,
    /// A list that a tag shows on one registry exists on all of them.
    Staged,
    /// A tag never shows an older build than before.
    Backwards,
    /// `latest` shows the newest build that was published.
    Newest,
    /// A run ends with the right exit code.
    End,
    /// A run without a fault repairs what was left.
    Heals,
}

impl Invariant {
    /// The invariant as a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Whole => "everything that a tag leads to is there",
            Self::Equal => "a tag is the same on all registries",
            Self::Staged => "no tag moves before its list is on all registries",
            Self::Backwards => "a tag never shows an older build than before",
            Self::Newest => "latest shows the newest build that was published",
            Self::End => "a run ends as it should",
            Self::Heals => "a run without faults puts right what was left",
        }
    }
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The invariant.
    #[serde(rename = "rule")]
    pub invariant: Invariant,
    /// What was seen.
    pub seen: String,
}

/// What was observed in one schedule.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    /// A snapshot of each registry at the start.
    pub(super) before: Vec<RegistrySnapshot>,
    /// A snapshot of a registry after each change.
    pub(super) meanwhile: Vec<RegistrySnapshot>,
    /// A snapshot of each registry when the runs had ended.
    pub(super) after: Vec<RegistrySnapshot>,
    /// How the runs ended.
    pub(super) exits: Vec<(Build, Exit)>,
    /// How the run without faults ended that repeated one of them.
    pub(super) repeated: Option<(Build, Exit)>,
    /// A snapshot of each registry then.
    pub(super) after_repetition: Vec<RegistrySnapshot>,
}

/// All violations in a schedule.
pub(super) fn judge(schedule: &Schedule, observed: &Observed) -> Vec<Violation> {
    let mut violations = match schedule {
        Schedule::Fault { workload, fault, at, .. } => judge_fault(*workload, *fault, &at.server, observed),
        Schedule::Race { race, .. } => judge_race(*race, observed),
    };
    if let Some((build, exit)) = observed.repeated {
        violations.extend(judge_repetition(build, exit, schedule, observed));
    }
    violations
}

fn judge_fault(workload: Workload, fault: Fault, server: &str, observed: &Observed) -> Vec<Violation> {
    let build = workload.build();
    let mut violations = Vec::new();
    // A single run never has to show an incomplete image, an older one, or none.
    for state in &observed.meanwhile {
        violations.extend(whole(state));
        let Some(before) = observed.before.iter().find(|before| before.server == state.server) else { continue };
        for tag in before.tags.keys().filter(|tag| state.age(tag) < before.age(tag)) {
            let (was, is) = (before.shown(tag), state.shown(tag));
            let seen = format!("{}:{tag} was {was} and is {is} for a moment at least", state.server);
            violations.push(Violation { invariant: Invariant::Backwards, seen });
        }
    }
    violations.extend(observed.after.iter().flat_map(whole));
    violations.extend(staged(&observed.after));
    // Registries may differ in two cases. A killed run cannot make them equal: the next run does. And a registry may take the
    // tag and then answer 503 for good, so that the run cannot roll back there: then all others must be as before.
    let may_differ = fault.kills() || fault == Fault::Down && others_are_unchanged(server, observed);
    if !may_differ {
        violations.extend(equal(&observed.after));
    }
    for (_, exit) in &observed.exits {
        if exit.is_success() {
            violations.extend(shows(&observed.after, tag_of(build), build, Invariant::Newest));
        } else if fault.is_temporary() {
            let seen = format!("{} ended with {exit} although a second attempt would have succeeded", build.name());
            violations.push(Violation { invariant: Invariant::End, seen });
        }
    }
    violations.dedup();
    violations
}

/// Whether the tags of all registries are as before, except the one to which a server belongs.
fn others_are_unchanged(server: &str, observed: &Observed) -> bool {
    let down = match server {
        "github-api" => "ghcr",
        "hub-api" => "dockerhub",
        registry => registry,
    };
    let tags = |states: &[RegistrySnapshot]| -> Vec<BTreeMap<String, Tag>> {
        states.iter().filter(|state| state.server != down).map(|state| state.tags.clone()).collect()
    };
    tags(&observed.before) == tags(&observed.after)
}

fn judge_race(race: Race, observed: &Observed) -> Vec<Violation> {
    let mut violations: Vec<Violation> = observed.after.iter().flat_map(whole).collect();
    violations.extend(equal(&observed.after));
    violations.extend(shows(&observed.after, LATEST, Build::Newer, Invariant::Newest));
    if race == Race::ReleaseMain {
        violations.extend(shows(&observed.after, VERSION, Build::Release, Invariant::Newest));
    }
    for (build, exit) in &observed.exits {
        let may_be_superseded = race == Race::Twins || race == Race::OlderNewer && *build == Build::Older;
        if !(exit.is_success() || may_be_superseded && *exit == Exit::Code(SUPERSEDED)) {
            let seen = format!("{} ended with {exit}", build.name());
            violations.push(Violation { invariant: Invariant::End, seen });
        }
    }
    if race == Race::Twins && !observed.exits.iter().any(|(_, exit)| exit.is_success()) {
        let seen = "neither of two runs of one commit published it".to_owned();
        violations.push(Violation { invariant: Invariant::End, seen });
    }
    violations
}

fn judge_repetition(build: Build, exit: Exit, schedule: &Schedule, observed: &Observed) -> Vec<Violation> {
    let states = &observed.after_repetition;
    let mut violations: Vec<Violation> = states.iter().flat_map(whole).collect();
    violations.extend(equal(states));
    violations.extend(shows(states, tag_of(build), build, Invariant::Heals));
    let released = matches!(schedule, Schedule::Race { race: Race::ReleaseMain, .. });
    if released && states.iter().any(|state| state.tags.contains_key(VERSION)) {
        violations.extend(shows(states, VERSION, Build::Release, Invariant::Heals));
    }
    if !exit.is_success() {
        violations.push(Violation { invariant: Invariant::Heals, seen: format!("it ended with {exit}") });
    }
    let heals = |violation: Violation| Violation {
        invariant: Invariant::Heals,
        seen: format!("after another run of {}: {}", build.name(), violation.seen),
    };
    violations.into_iter().map(heals).collect()
}

fn whole(state: &RegistrySnapshot) -> Vec<Violation> {
    let incomplete = state.tags.iter().filter(|(_, tag)| !tag.missing.is_empty());
    let violation = |(name, tag): (&String, &Tag)| Violation {
        invariant: Invariant::Whole,
        seen: format!("{}:{name} is {} without {}", state.server, state.shown(name), tag.missing.join(", ")),
    };
    incomplete.map(violation).collect()
}

fn staged(states: &[RegistrySnapshot]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for state in states {
        for (name, tag) in &state.tags {
            for other in states.iter().filter(|other| !other.manifests.contains(&tag.digest)) {
                let (here, shown, there) = (&state.server, state.shown(name), &other.server);
                let seen = format!("{here}:{name} is {shown}, which {there} has not got");
                violations.push(Violation { invariant: Invariant::Staged, seen });
            }
        }
    }
    violations
}

fn equal(states: &[RegistrySnapshot]) -> Vec<Violation> {
    let names: BTreeSet<&String> = states.iter().flat_map(|state| state.tags.keys()).collect();
    let digest = |state: &RegistrySnapshot, name: &str| state.tags.get(name).map(|tag| tag.digest.clone());
    let differs = |name: &&String| states.windows(2).any(|pair| digest(&pair[0], name) != digest(&pair[1], name));
    let violation = |name: &String| Violation { invariant: Invariant::Equal, seen: everywhere(states, name) };
    names.into_iter().filter(differs).map(violation).collect()
}

/// A violation unless a tag shows a build, or a newer one, everywhere.
fn shows(states: &[RegistrySnapshot], tag: &str, build: Build, invariant: Invariant) -> Option<Violation> {
    let as_new = |state: &RegistrySnapshot| state.age(tag).is_some_and(|age| age >= build.age());
    (!states.iter().all(as_new)).then(|| Violation { invariant, seen: everywhere(states, tag) })
}

fn everywhere(states: &[RegistrySnapshot], tag: &str) -> String {
    let shown: Vec<String> = states.iter().map(|state| format!("{}: {}", state.server, state.shown(tag))).collect();
    format!("{tag} is {}", shown.join(", "))
}

const fn tag_of(build: Build) -> &'static str {
    match build {
        Build::Release => VERSION,
        _ => LATEST,
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use rstest::rstest;

    use super::*;
    use crate::{
        explore::{request::Request, schedule::Direction},
        history::Kind,
    };

    /// The states of two registries, as words: `latest:newer 1.0.0:base`, with `!` behind what is not whole. Both hold everything
    /// that is not behind a `-`.
    fn states(words: [&str; 2]) -> Vec<RegistrySnapshot> {
        let one = |(server, words): (&str, &str)| {
            let tag = |word: &str| {
                let (tag, name) = word.split_once(':').unwrap();
                let build = Build::value_variants().iter().find(|it| it.name() == name.trim_end_matches('!')).unwrap();
                let missing = if name.ends_with('!') { vec!["a layer".to_owned()] } else { Vec::new() };
                (tag.to_owned(), Tag { digest: build.name(), builds: [*build].into(), missing })
            };
            let (words, lacks) = words.split_once('-').unwrap_or((words, ""));
            let manifests = Build::value_variants().iter().map(|build| build.name()).filter(|it| it != lacks).collect();
            RegistrySnapshot { server: server.to_owned(), tags: words.split_whitespace().map(tag).collect(), manifests }
        };
        ["ghcr", "dockerhub"].into_iter().zip(words).map(one).collect()
    }

    fn race(race: Race, after: [&str; 2], codes: [i32; 2]) -> Vec<Invariant> {
        let before = states(["latest:base", "latest:base"]);
        let exits = race.builds().into_iter().zip(codes.map(Exit::Code)).collect();
        let observed = Observed { before, after: states(after), exits, ..Observed::default() };
        judge(&Schedule::Race { race, order: Vec::new() }, &observed).into_iter().map(|it| it.invariant).collect()
    }

    #[rstest]
    #[case::both_end_well(["latest:newer", "latest:newer"], [0, 0], &[])]
    #[case::the_older_is_overtaken(["latest:newer", "latest:newer"], [5, 0], &[])]
    #[case::the_older_wins(["latest:older", "latest:older"], [0, 0], &[Invariant::Newest])]
    #[case::each_wins_somewhere(["latest:newer", "latest:older"], [0, 0], &[Invariant::Equal, Invariant::Newest])]
    #[case::the_older_fails(["latest:newer", "latest:newer"], [4, 0], &[Invariant::End])]
    #[case::the_newer_gives_way(["latest:newer", "latest:newer"], [0, 5], &[Invariant::End])]
    #[case::in_part(["latest:newer!", "latest:newer"], [0, 0], &[Invariant::Whole])]
    #[case::gone(["", "latest:newer"], [0, 0], &[Invariant::Equal, Invariant::Newest])]
    fn two_commits(#[case] after: [&str; 2], #[case] codes: [i32; 2], #[case] expected: &[Invariant]) {
        assert_eq!(race(Race::OlderNewer, after, codes), expected);
    }

    #[test]
    fn a_release_outlives_a_newer_commit() {
        let both = "latest:newer 1.0.0:release";
        assert_eq!(race(Race::ReleaseMain, [both, both], [0, 0]), []);
        assert_eq!(
            race(Race::ReleaseMain, ["latest:newer", "latest:newer"], [4, 0]),
            [Invariant::Newest, Invariant::End]
        );
    }

    #[test]
    fn one_of_two_runs_of_a_commit_may_give_way_and_not_both() {
        let latest = ["latest:twin", "latest:twin"];
        assert_eq!(race(Race::Twins, latest, [0, 5]), []);
        assert_eq!(race(Race::Twins, latest, [5, 5]), [Invariant::End]);
    }

    fn fault(fault: Fault, code: i32, meanwhile: &[[&str; 2]], after: [&str; 2]) -> Vec<Invariant> {
        let at = Request { server: "ghcr".into(), kind: Kind::ManifestPut, reference: LATEST.into(), number: 1 };
        let schedule = Schedule::Fault { workload: Workload::Main, fault, at, direction: Direction::Forward };
        let exit = if fault.kills() { Exit::Signal(9) } else { Exit::Code(code) };
        let observed = Observed {
            before: states(["latest:base", "latest:base"]),
            meanwhile: meanwhile.iter().flat_map(|words| states(*words)).collect(),
            after: states(after),
            exits: vec![(Build::Newer, exit)],
            ..Observed::default()
        };
        judge(&schedule, &observed).into_iter().map(|it| it.invariant).collect()
    }

    #[rstest]
    #[case::published(Fault::Refused, 0, ["latest:newer", "latest:newer"], &[])]
    #[case::put_back(Fault::Down, 4, ["latest:base", "latest:base"], &[])]
    #[case::not_put_back(Fault::Down, 4, ["latest:base", "latest:newer"], &[Invariant::Equal])]
    #[case::cannot_be_put_back(Fault::Down, 4, ["latest:newer", "latest:base"], &[])]
    #[case::only_said(Fault::Down, 0, ["latest:base", "latest:base"], &[Invariant::Newest])]
    #[case::gives_up_too_soon(Fault::Refused, 4, ["latest:base", "latest:base"], &[Invariant::End])]
    #[case::killed_between(Fault::KillBefore, 9, ["latest:newer", "latest:base"], &[])]
    #[case::tag_before_list(Fault::KillAfter, 9, ["latest:newer", "latest:base-newer"], &[Invariant::Staged])]
    #[case::killed_and_in_part(Fault::KillAfter, 9, ["latest:newer!", "latest:newer"], &[Invariant::Whole])]
    fn one_fault(#[case] it: Fault, #[case] code: i32, #[case] after: [&str; 2], #[case] expected: &[Invariant]) {
        assert_eq!(fault(it, code, &[], after), expected);
    }

    #[test]
    fn one_run_alone_never_takes_a_tag_away_for_a_moment() {
        let good = ["latest:newer", "latest:newer"];
        assert_eq!(fault(Fault::Refused, 0, &[["latest:newer", "latest:base"], good], good), []);
        assert_eq!(fault(Fault::Refused, 0, &[["", "latest:base"], good], good), [Invariant::Backwards]);
        assert_eq!(fault(Fault::Refused, 0, &[["latest:newer!", "latest:base"], good], good), [Invariant::Whole]);
    }

    #[rstest]
    #[case(0, ["latest:newer", "latest:newer"], true)]
    #[case(4, ["latest:newer", "latest:newer"], false)]
    #[case(0, ["latest:newer", "latest:base"], false)]
    #[case(0, ["latest:base", "latest:base"], false)]
    fn a_repetition_heals(#[case] code: i32, #[case] healed: [&str; 2], #[case] heals: bool) {
        let order = Vec::new();
        let good = states(["latest:newer", "latest:newer"]);
        let exits = Race::OlderNewer.builds().map(|build| (build, Exit::Code(0))).to_vec();
        let repeated = Some((Build::Newer, Exit::Code(code)));
        let observed =
            Observed { after: good, exits, repeated, after_repetition: states(healed), ..Observed::default() };
        let broken = judge(&Schedule::Race { race: Race::OlderNewer, order }, &observed);
        assert_eq!(broken.is_empty(), heals, "{broken:?}");
        assert!(broken.iter().all(|it| it.invariant == Invariant::Heals));
    }
}
