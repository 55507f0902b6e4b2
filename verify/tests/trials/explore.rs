//! The explorer: a sample of all schedules on our own publisher, and pipelines that it must find wrong.

use libtest_mimic::{Failed, Trial};
use verify::explore::{Explored, Options, Rule, explore, text};

use crate::world::{SEED, block_on, environment, project, subject};

/// How many schedules of our own publisher are played, and when no more are begun: about a minute of an idle machine.
const SAMPLE: usize = 100;
/// As above, in seconds.
const SAMPLE_MAX_S: u64 = 60;
/// More turns than any run here takes.
const TURNS_MAX: usize = 30;

/// One trial for our publisher; one for each pipeline that is known to be good or bad, with what is wrong with it.
pub(crate) fn trials() -> Vec<Trial> {
    let seeded: [(&str, Vec<String>, &[Rule]); 4] = [
        (
            "none",
            [manifest_puts("503-from-then-on"), manifest_puts("kill-after"), vec![one_after_the_other()]].concat(),
            &[],
        ),
        ("no-rollback", manifest_puts("503-from-then-on"), &[Rule::Equal]),
        ("tags-before-all-is-staged", manifest_puts("kill-after"), &[Rule::Staged]),
        ("older-build-wins", vec![one_after_the_other()], &[Rule::Newest]),
    ];
    let seeded = seeded.into_iter().map(|(name, only, expected)| {
        let trial = format!("subjects::seeded::{}::explored", name.replace('-', "_"));
        Trial::test(trial, move || found(&explored(&format!("seeded/{name}"), only), expected))
    });
    // The seed is part of the name, so that it is told whatever comes of it.
    let ours = Trial::test(format!("explore::our_publisher_with_seed_{SEED}"), ours);
    std::iter::once(ours).chain(seeded).collect()
}

fn ours() -> Result<(), Failed> {
    let explored = explored("ours", Vec::new());
    let told = text(&explored, &format!("just torture --seed {SEED} --schedules {SAMPLE}"));
    if explored.is_green() { Ok(()) } else { Err(told.into()) }
}

/// All promises that are expected to be broken are, and no others.
fn found(explored: &Explored, expected: &[Rule]) -> Result<(), Failed> {
    let mut broken: Vec<Rule> =
        explored.violations.iter().flat_map(|violation| &violation.broken).map(|it| it.rule).collect();
    broken.sort();
    broken.dedup();
    let as_expected =
        if expected.is_empty() { broken.is_empty() } else { expected.iter().all(|it| broken.contains(it)) };
    if as_expected && explored.can_tell() && explored.not_reached.is_empty() {
        return Ok(());
    }
    Err(format!("expected {expected:?}\n{}", text(explored, "verify explore")).into())
}

/// A fault when manifests are put, wherever and under whatever name.
fn manifest_puts(fault: &str) -> Vec<String> {
    ["ghcr", "dockerhub"].map(|server| format!("main/{fault}/{server}/manifest-put/")).to_vec()
}

/// The newer run, and then the older one.
fn one_after_the_other() -> String {
    let turns = |run: char| (0..TURNS_MAX).map(move |step| format!("{run}{step}"));
    format!("older-newer/{}", turns('b').chain(turns('a')).collect::<Vec<_>>().join("."))
}

fn explored(subject_name: &str, only: Vec<String>) -> Explored {
    let options = Options {
        subject: subject(subject_name),
        environment: environment(),
        image: project().join("fixtures/image"),
        seed: SEED,
        schedules_max: SAMPLE,
        time_max: Some(std::time::Duration::from_secs(SAMPLE_MAX_S)),
        only,
        lanes: 2,
    };
    block_on(explore(options, |_| {}, |_| {})).unwrap_or_else(|error| panic!("{}", error.with_causes()))
}
