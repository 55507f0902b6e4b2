//! What must be true after a schedule. Pure functions over what the registries held.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    names::{Names, document},
    schedule::{Build, Fault, Race, Schedule, Story},
};
use crate::{evidence::End, harness::registry::RepositoryState};

/// The tag that moves with every build of main.
pub(super) const LATEST: &str = "latest";
/// The tag of the release.
pub(super) const VERSION: &str = "1.0.0";
/// The exit code of a run that was overtaken by a newer one.
const SUPERSEDED: i32 = 5;

/// What a tag of one registry shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// What it points at.
    pub(super) digest: String,
    /// The builds whose list that is.
    pub(super) builds: BTreeSet<Build>,
    /// What it leads to and is not there: lists, images, configurations, layers.
    pub(super) missing: Vec<String>,
}

/// What the tags of one registry show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) server: String,
    pub(super) tags: BTreeMap<String, Shown>,
    /// The digests of all manifests, tagged or not.
    pub(super) holds: BTreeSet<String>,
}

impl Look {
    /// Looks at a repository.
    pub(super) fn of(server: &str, held: &RepositoryState, names: &Names) -> Self {
        let shown = |(tag, digest): (&String, &String)| {
            let builds = names.builds(server, held, digest);
            let missing = missing(held, digest).into_iter().map(|it| names.role(&it).to_owned()).collect();
            (tag.clone(), Shown { digest: digest.clone(), builds, missing })
        };
        let tags = held.tags.iter().map(shown).collect();
        Self { server: server.to_owned(), tags, holds: held.manifests.keys().cloned().collect() }
    }

    /// The age of what a tag shows; none if it is not there or nobody's.
    fn age(&self, tag: &str) -> Option<usize> {
        self.tags.get(tag)?.builds.iter().map(|build| build.age()).max()
    }

    /// `newer`, `absent`, or a digest that is nobody's.
    fn told(&self, tag: &str) -> String {
        match self.tags.get(tag) {
            None => "absent".to_owned(),
            Some(shown) if shown.builds.is_empty() => shown.digest.clone(),
            Some(shown) => shown.builds.iter().map(|build| build.name()).collect::<Vec<_>>().join("="),
        }
    }
}

/// Everything that a manifest leads to, itself included, and that the repository does not hold.
fn missing(held: &RepositoryState, digest: &str) -> Vec<String> {
    let mut missing = Vec::new();
    let mut ahead = vec![digest.to_owned()];
    while let Some(digest) = ahead.pop() {
        if !held.manifests.contains_key(&digest) {
            missing.push(digest);
            continue;
        }
        let document = document(held, &digest);
        let named = |list: &serde_json::Value| -> Vec<String> {
            let entries = list.as_array().into_iter().flatten();
            entries.filter_map(|entry| entry["digest"].as_str().map(str::to_owned)).collect()
        };
        ahead.extend(named(&document["manifests"]));
        let blobs =
            document["config"]["digest"].as_str().map(str::to_owned).into_iter().chain(named(&document["layers"]));
        missing.extend(blobs.filter(|blob| !held.blobs.contains(blob)));
    }
    missing
}

/// Which promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Everything that a tag leads to is there.
    Whole,
    /// A tag is there and the same on all registries, or on none.
    Equal,
    /// What a tag shows on one registry is on all of them.
    Staged,
    /// A tag never shows an older build than before.
    Backwards,
    /// The newest build that was published is what `latest` shows.
    Newest,
    /// A run ends as it should.
    End,
    /// A run without a fault puts right what was left.
    Heals,
}

impl Rule {
    /// In words.
    pub const fn words(self) -> &'static str {
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

/// One promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Which promise.
    pub rule: Rule,
    /// What was seen.
    pub seen: String,
}

/// What a schedule has shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Shot {
    /// One a registry, before anything began.
    pub(super) before: Vec<Look>,
    /// The same after each change.
    pub(super) moments: Vec<Look>,
    /// The same when the runs had ended.
    pub(super) after: Vec<Look>,
    /// How the runs ended.
    pub(super) ends: Vec<(Build, End)>,
    /// How the run without faults ended.
    pub(super) healing: Option<(Build, End)>,
    /// What the registries held then.
    pub(super) healed: Vec<Look>,
}

/// Judges a schedule.
pub(super) fn judge(schedule: &Schedule, shot: &Shot) -> Vec<Broken> {
    let mut broken = match schedule {
        Schedule::Fault { story, fault, at, .. } => of_fault(*story, *fault, &at.server, shot),
        Schedule::Race { race, .. } => of_race(*race, shot),
    };
    if let Some((build, end)) = shot.healing {
        broken.extend(healed(build, end, schedule, shot));
    }
    broken
}

fn of_fault(story: Story, fault: Fault, at: &str, shot: &Shot) -> Vec<Broken> {
    let build = story.build();
    let tag = tag_of(build);
    let mut broken = Vec::new();
    // One run alone never has to show half an image, an older one, or none.
    for look in &shot.moments {
        let Some(before) = shot.before.iter().find(|before| before.server == look.server) else { continue };
        broken.extend(whole(look));
        for name in before.tags.keys() {
            let (was, is) = (before.age(name), look.age(name));
            if is < was {
                let (was, is) = (before.told(name), look.told(name));
                broken.push(Broken {
                    rule: Rule::Backwards,
                    seen: format!("{}:{name} was {was} and is {is} for a moment at least", look.server),
                });
            }
        }
    }
    broken.extend(shot.after.iter().flat_map(whole));
    broken.extend(staged(&shot.after));
    // Nobody is there to make registries alike again when the run is killed: the next one does. Nor can anybody put back a tag on
    // a registry that is down: then all others must be as before.
    let may_differ = fault.kills() || fault == Fault::Down && others_are_as_before(at, shot);
    if !may_differ {
        broken.extend(equal(&shot.after));
    }
    for (_, end) in &shot.ends {
        if end.is_success() {
            broken.extend(shows(&shot.after, tag, build, Rule::Newest));
        } else if fault.passes() {
            let seen =
                format!("{} ended with {} although a second attempt would have succeeded", build.name(), ended(*end));
            broken.push(Broken { rule: Rule::End, seen });
        }
    }
    broken.dedup();
    broken
}

/// Whether the tags of all registries are as before, but for the one to which a server belongs.
fn others_are_as_before(server: &str, shot: &Shot) -> bool {
    let down = match server {
        "github-api" => "ghcr",
        "hub-api" => "dockerhub",
        registry => registry,
    };
    let tags = |looks: &[Look]| -> Vec<BTreeMap<String, Shown>> {
        looks.iter().filter(|look| look.server != down).map(|look| look.tags.clone()).collect()
    };
    tags(&shot.before) == tags(&shot.after)
}

fn of_race(race: Race, shot: &Shot) -> Vec<Broken> {
    let mut broken: Vec<Broken> = shot.after.iter().flat_map(whole).collect();
    broken.extend(equal(&shot.after));
    broken.extend(shows(&shot.after, LATEST, Build::Newer, Rule::Newest));
    if race == Race::ReleaseMain {
        broken.extend(shows(&shot.after, VERSION, Build::Release, Rule::Newest));
    }
    for (build, end) in &shot.ends {
        let overtaken = *end == End::Code(SUPERSEDED);
        let may_be_overtaken = match race {
            Race::OlderNewer => *build == Build::Older,
            Race::ReleaseMain => false,
            Race::Twins => true,
        };
        if !(end.is_success() || overtaken && may_be_overtaken) {
            broken.push(Broken { rule: Rule::End, seen: format!("{} ended with {}", build.name(), ended(*end)) });
        }
    }
    if race == Race::Twins && !shot.ends.iter().any(|(_, end)| end.is_success()) {
        broken.push(Broken { rule: Rule::End, seen: "neither of two runs of one commit published it".to_owned() });
    }
    broken
}

fn healed(build: Build, end: End, schedule: &Schedule, shot: &Shot) -> Vec<Broken> {
    let mut wrong: Vec<Broken> = shot.healed.iter().flat_map(whole).collect();
    wrong.extend(equal(&shot.healed));
    wrong.extend(shows(&shot.healed, tag_of(build), build, Rule::Heals));
    if matches!(schedule, Schedule::Race { race: Race::ReleaseMain, .. })
        && shot.healed.iter().any(|it| it.tags.contains_key(VERSION))
    {
        wrong.extend(shows(&shot.healed, VERSION, Build::Release, Rule::Heals));
    }
    if !end.is_success() {
        wrong.push(Broken { rule: Rule::Heals, seen: format!("it ended with {}", ended(end)) });
    }
    let told =
        |it: Broken| Broken { rule: Rule::Heals, seen: format!("after another run of {}: {}", build.name(), it.seen) };
    wrong.into_iter().map(told).collect()
}

fn whole(look: &Look) -> Vec<Broken> {
    let missing = look.tags.iter().filter(|(_, shown)| !shown.missing.is_empty());
    missing
        .map(|(tag, shown)| Broken {
            rule: Rule::Whole,
            seen: format!("{}:{tag} is {} without {}", look.server, look.told(tag), shown.missing.join(", ")),
        })
        .collect()
}

fn staged(looks: &[Look]) -> Vec<Broken> {
    let mut broken = Vec::new();
    for look in looks {
        for (tag, shown) in &look.tags {
            for other in looks.iter().filter(|other| !other.holds.contains(&shown.digest)) {
                let (here, what, there) = (&look.server, look.told(tag), &other.server);
                broken.push(Broken {
                    rule: Rule::Staged,
                    seen: format!("{here}:{tag} is {what}, which {there} has not got"),
                });
            }
        }
    }
    broken
}

fn equal(looks: &[Look]) -> Vec<Broken> {
    let tags: BTreeSet<&String> = looks.iter().flat_map(|look| look.tags.keys()).collect();
    let differs = |tag: &&String| {
        let shown: BTreeSet<Option<&String>> =
            looks.iter().map(|look| look.tags.get(*tag).map(|shown| &shown.digest)).collect();
        shown.len() > 1
    };
    tags.into_iter().filter(differs).map(|tag| Broken { rule: Rule::Equal, seen: everywhere(looks, tag) }).collect()
}

/// Whether a tag shows a build, or another one with the same images or of the same commit.
fn shows(looks: &[Look], tag: &str, build: Build, rule: Rule) -> Option<Broken> {
    let as_new = |look: &Look| look.age(tag).is_some_and(|age| age >= build.age());
    if looks.iter().all(as_new) { None } else { Some(Broken { rule, seen: everywhere(looks, tag) }) }
}

fn everywhere(looks: &[Look], tag: &str) -> String {
    let shown: Vec<String> = looks.iter().map(|look| format!("{}: {}", look.server, look.told(tag))).collect();
    format!("{tag} is {}", shown.join(", "))
}

const fn tag_of(build: Build) -> &'static str {
    match build {
        Build::Release => VERSION,
        _ => LATEST,
    }
}

/// `0`, `signal 9`, `a timeout`.
pub(super) fn ended(end: End) -> String {
    match end {
        End::Code(code) => code.to_string(),
        End::Signal(signal) => format!("signal {signal}"),
        End::TimedOut => "a timeout".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{
        explore::{request::Request, schedule::First},
        history::Kind,
    };

    /// What two registries show, as words: `latest:newer 1.0.0:base`, with `!` behind what is not whole. Both hold everything
    /// that is not behind a `-`.
    fn looks(words: [&str; 2]) -> Vec<Look> {
        let one = |(server, words): (&str, &str)| {
            let tag = |word: &str| {
                let (tag, name) = word.split_once(':').unwrap();
                let build = Build::ALL.into_iter().find(|it| it.name() == name.trim_end_matches('!')).unwrap();
                let missing = if name.ends_with('!') { vec!["a layer".to_owned()] } else { Vec::new() };
                (tag.to_owned(), Shown { digest: build.name().to_owned(), builds: [build].into(), missing })
            };
            let (words, lacks) = words.split_once('-').unwrap_or((words, ""));
            let holds = Build::ALL.into_iter().map(|build| build.name().to_owned()).filter(|it| it != lacks).collect();
            Look { server: server.to_owned(), tags: words.split_whitespace().map(tag).collect(), holds }
        };
        ["ghcr", "dockerhub"].into_iter().zip(words).map(one).collect()
    }

    fn race(race: Race, after: [&str; 2], codes: [i32; 2]) -> Vec<Rule> {
        let before = looks(["latest:base", "latest:base"]);
        let ends = race.builds().into_iter().zip(codes.map(End::Code)).collect();
        let shot = Shot { before, after: looks(after), ends, ..Shot::default() };
        judge(&Schedule::Race { race, order: Vec::new() }, &shot).into_iter().map(|it| it.rule).collect()
    }

    #[rstest]
    #[case::both_end_well(["latest:newer", "latest:newer"], [0, 0], &[])]
    #[case::the_older_is_overtaken(["latest:newer", "latest:newer"], [5, 0], &[])]
    #[case::the_older_wins(["latest:older", "latest:older"], [0, 0], &[Rule::Newest])]
    #[case::each_wins_somewhere(["latest:newer", "latest:older"], [0, 0], &[Rule::Equal, Rule::Newest])]
    #[case::the_older_fails(["latest:newer", "latest:newer"], [4, 0], &[Rule::End])]
    #[case::the_newer_gives_way(["latest:newer", "latest:newer"], [0, 5], &[Rule::End])]
    #[case::in_part(["latest:newer!", "latest:newer"], [0, 0], &[Rule::Whole])]
    #[case::gone(["", "latest:newer"], [0, 0], &[Rule::Equal, Rule::Newest])]
    fn two_commits(#[case] after: [&str; 2], #[case] codes: [i32; 2], #[case] expected: &[Rule]) {
        assert_eq!(race(Race::OlderNewer, after, codes), expected);
    }

    #[test]
    fn a_release_outlives_a_newer_commit() {
        let both = "latest:newer 1.0.0:release";
        assert_eq!(race(Race::ReleaseMain, [both, both], [0, 0]), []);
        assert_eq!(race(Race::ReleaseMain, ["latest:newer", "latest:newer"], [4, 0]), [Rule::Newest, Rule::End]);
    }

    #[test]
    fn one_of_two_runs_of_a_commit_may_give_way_and_not_both() {
        let latest = ["latest:twin", "latest:twin"];
        assert_eq!(race(Race::Twins, latest, [0, 5]), []);
        assert_eq!(race(Race::Twins, latest, [5, 5]), [Rule::End]);
    }

    fn fault(fault: Fault, code: i32, moments: &[[&str; 2]], after: [&str; 2]) -> Vec<Rule> {
        let at = Request { server: "ghcr".into(), kind: Kind::ManifestPut, about: LATEST.into(), number: 1 };
        let schedule = Schedule::Fault { story: Story::Main, fault, at, first: First::Forward };
        let end = if fault.kills() { End::Signal(9) } else { End::Code(code) };
        let shot = Shot {
            before: looks(["latest:base", "latest:base"]),
            moments: moments.iter().flat_map(|words| looks(*words)).collect(),
            after: looks(after),
            ends: vec![(Build::Newer, end)],
            ..Shot::default()
        };
        judge(&schedule, &shot).into_iter().map(|it| it.rule).collect()
    }

    #[rstest]
    #[case::published(Fault::Refused, 0, ["latest:newer", "latest:newer"], &[])]
    #[case::put_back(Fault::Down, 4, ["latest:base", "latest:base"], &[])]
    #[case::not_put_back(Fault::Down, 4, ["latest:base", "latest:newer"], &[Rule::Equal])]
    #[case::cannot_be_put_back(Fault::Down, 4, ["latest:newer", "latest:base"], &[])]
    #[case::only_said(Fault::Down, 0, ["latest:base", "latest:base"], &[Rule::Newest])]
    #[case::gives_up_too_soon(Fault::Refused, 4, ["latest:base", "latest:base"], &[Rule::End])]
    #[case::killed_between(Fault::KillBefore, 9, ["latest:newer", "latest:base"], &[])]
    #[case::tag_before_list(Fault::KillAfter, 9, ["latest:newer", "latest:base-newer"], &[Rule::Staged])]
    #[case::killed_and_in_part(Fault::KillAfter, 9, ["latest:newer!", "latest:newer"], &[Rule::Whole])]
    fn one_fault(#[case] it: Fault, #[case] code: i32, #[case] after: [&str; 2], #[case] expected: &[Rule]) {
        assert_eq!(fault(it, code, &[], after), expected);
    }

    #[test]
    fn one_run_alone_never_takes_a_tag_away_for_a_moment() {
        let good = ["latest:newer", "latest:newer"];
        assert_eq!(fault(Fault::Refused, 0, &[["latest:newer", "latest:base"], good], good), []);
        assert_eq!(fault(Fault::Refused, 0, &[["", "latest:base"], good], good), [Rule::Backwards]);
        assert_eq!(fault(Fault::Refused, 0, &[["latest:newer!", "latest:base"], good], good), [Rule::Whole]);
    }

    #[rstest]
    #[case(0, ["latest:newer", "latest:newer"], true)]
    #[case(4, ["latest:newer", "latest:newer"], false)]
    #[case(0, ["latest:newer", "latest:base"], false)]
    #[case(0, ["latest:base", "latest:base"], false)]
    fn another_run_heals(#[case] code: i32, #[case] healed: [&str; 2], #[case] heals: bool) {
        let order = Vec::new();
        let good = looks(["latest:newer", "latest:newer"]);
        let ends = Race::OlderNewer.builds().map(|build| (build, End::Code(0))).to_vec();
        let healing = Some((Build::Newer, End::Code(code)));
        let shot = Shot { after: good, ends, healing, healed: looks(healed), ..Shot::default() };
        let broken = judge(&Schedule::Race { race: Race::OlderNewer, order }, &shot);
        assert_eq!(broken.is_empty(), heals, "{broken:?}");
        assert!(broken.iter().all(|it| it.rule == Rule::Heals));
    }

    #[test]
    fn what_a_list_leads_to_must_all_be_there() {
        let manifest =
            |text: &str| crate::harness::registry::StoredManifest { media_type: "any".into(), bytes: text.into() };
        let mut held = RepositoryState::default();
        held.manifests.insert("list".into(), manifest(r#"{"manifests":[{"digest":"a"},{"digest":"b"}]}"#));
        held.manifests.insert("a".into(), manifest(r#"{"config":{"digest":"c"},"layers":[{"digest":"l"}]}"#));
        held.blobs.insert("c".into());
        let mut missing = missing(&held, "list");
        missing.sort();
        assert_eq!(missing, ["b", "l"]);
    }
}
