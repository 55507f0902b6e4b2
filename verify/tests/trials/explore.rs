//! The explorer: a sample of all schedules on our own publisher, and pipelines that it must find wrong.

use libtest_mimic::{Failed, Trial};
use verify::explore::{ExploreReport, Invariant, Options, explore, text};

use crate::world::{SEED, block_on, environment, project, subject};

/// How many schedules of our own publisher are played, and when no more are begun: about a minute of an idle machine.
const SAMPLE: usize = 100;
/// As above, in seconds.
const SAMPLE_MAX_S: u64 = 60;
/// More steps than any run here takes.
const STEPS_MAX: usize = 30;

/// One trial for our publisher; one for each pipeline that is known to be good or bad, with what is wrong with it.
pub(crate) fn trials() -> Vec<Trial> {
    let seeded: [(&str, Vec<String>, &[Invariant]); 4] = [
        (
            "none",
            [manifest_puts("503-from-then-on"), manifest_puts("kill-after"), vec![one_after_the_other()]].concat(),
            &[],
        ),
        ("no-rollback", manifest_puts("503-from-then-on"), &[Invariant::Equal]),
        ("tags-before-all-is-staged", manifest_puts("kill-after"), &[Invariant::Staged]),
        ("older-build-wins", vec![one_after_the_other()], &[Invariant::Newest]),
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
    let report = text(&explored, &format!("just torture --seed {SEED} --schedules {SAMPLE}"));
    if explored.verdict() == "PASS" { Ok(()) } else { Err(report.into()) }
}

/// All promises that are expected to be broken are, and no others.
fn found(explored: &ExploreReport, expected: &[Invariant]) -> Result<(), Failed> {
    let mut broken: Vec<Invariant> =
        explored.violations.iter().flat_map(|failed| &failed.broken).map(|it| it.invariant).collect();
    broken.sort();
    broken.dedup();
    let as_expected =
        if expected.is_empty() { broken.is_empty() } else { expected.iter().all(|it| broken.contains(it)) };
    if as_expected && explored.is_conclusive() && explored.not_reached.is_empty() {
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
    let steps = |run: char| (0..STEPS_MAX).map(move |step| format!("{run}{step}"));
    format!("older-newer/{}", steps('b').chain(steps('a')).collect::<Vec<_>>().join("."))
}

fn explored(subject_name: &str, only: Vec<String>) -> ExploreReport {
    let options = Options {
        subject: subject(subject_name),
        environment: environment(),
        image: project().join("fixtures/image"),
        seed: SEED,
        schedules_max: SAMPLE,
        time_max: Some(std::time::Duration::from_secs(SAMPLE_MAX_S)),
        only,
        jobs: 2,
    };
    block_on(explore(options, |_| {}, |_| {})).unwrap_or_else(|error| panic!("{}", error.with_causes()))
}
