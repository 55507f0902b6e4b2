//! What every check uses: the types, and questions to the evidence of a pipeline's runs.

use std::{collections::BTreeMap, ops::RangeInclusive};

pub(super) use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::{Evidence, Run, Stage, StageRun},
    history::{Exchange, Kind},
    oracle::{Snapshot, Violation, untouched, within},
    scenario::{REPOSITORY, Scenario},
};
use crate::{evidence::at_most, history::Operation, oracle::is_referrers_tag};

/// The platforms that every build covers.
pub(super) const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// The runs of the scenario `releases`, each with the tag that it publishes.
pub(super) const RELEASES: [(&str, &str); 3] =
    [("first main", "latest"), ("release v1.2.0", "1.2.0"), ("second main", "latest")];

/// A violation unless something holds.
pub(super) fn unless(holds: bool, expected: impl Into<String>, seen: impl Into<String>) -> Vec<Violation> {
    if holds { Vec::new() } else { vec![Violation::new(expected, seen)] }
}

/// Makes the claim unknown unless something holds that it needs.
pub(super) fn require(holds: bool, cause: impl Into<String>) -> Result<(), Inconclusive> {
    if holds { Ok(()) } else { Err(Inconclusive(cause.into())) }
}

/// A run by its name, which the scenario must have.
pub(super) fn run<'a>(evidence: &'a Evidence, name: &str) -> Result<&'a Run, Inconclusive> {
    evidence
        .runs
        .iter()
        .find(|run| run.name == name)
        .ok_or_else(|| Inconclusive(format!("the run `{name}` was not made")))
}

/// What the registries held after a run.
pub(super) fn after<'a>(evidence: &'a Evidence, name: &str) -> Result<&'a [Snapshot], Inconclusive> {
    let moment = evidence.moments.iter().find(|moment| moment.after == name);
    let unread = || Inconclusive(format!("the registries were not read after `{name}`"));
    moment.map(|moment| moment.snapshots.as_slice()).ok_or_else(unread)
}

/// The calls of a stage of a run, of which there must be one.
pub(super) fn stages(run: &Run, stage: Stage) -> Result<Vec<&StageRun>, Inconclusive> {
    let stages: Vec<&StageRun> = run.of(stage).collect();
    require(!stages.is_empty(), format!("`{}` never came to {}", run.name, stage.name()))?;
    Ok(stages)
}

/// Makes the claim unknown unless the run succeeded that a failure is compared with: if a pipeline never publishes anything, it
/// proves nothing that it publishes nothing when something fails.
pub(super) fn works(evidence: &Evidence, name: &str) -> Result<(), Inconclusive> {
    let run = run(evidence, name)?;
    require(!run.stages.is_empty(), format!("`{name}` did nothing"))?;
    match run.failed_stages().next() {
        None => Ok(()),
        Some(stage) => Err(Inconclusive(format!("already `{name}` fails: {}", failure(stage)))),
    }
}

/// A violation if a run did not succeed.
pub(super) fn success(run: &Run) -> Vec<Violation> {
    let failed = run.failed_stages().take(1);
    failed.map(|stage| Violation::new(format!("`{}` succeeds", run.name), failure(stage))).collect()
}

/// A violation if a run did not fail.
pub(super) fn failed(run: &Run) -> Vec<Violation> {
    unless(!run.succeeded(), format!("`{}` fails", run.name), "every stage ended with 0")
}

/// How many lines of a failed stage's output are shown.
const LINES_SHOWN: usize = 8;

/// How a stage ended, with the last lines that it printed.
pub(super) fn failure(stage: &StageRun) -> String {
    let printed = stage.printed();
    let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
    format!("{stage} ended with {:?}\n{}", stage.end, last.join("\n"))
}

/// Violations if a build of main did not succeed, or has not left its whole image under `latest` on all registries.
pub(super) fn published(evidence: &Evidence, name: &str) -> Judgement {
    let ended = success(run(evidence, name)?);
    if ended.is_empty() { super::images::whole(evidence, name, "latest", &PLATFORMS) } else { Ok(ended) }
}

/// Violations for builds of main that did not publish although the injected faults pass. After a run that failed, the faults
/// that were to follow need not have met a request.
pub(super) fn survived(evidence: &Evidence, names: &[&str]) -> Judgement {
    let mut violations = Vec::new();
    for name in names {
        violations.extend(published(evidence, name)?);
    }
    if violations.is_empty() || evidence.faults.iter().all(|fault| fault.times == 0) {
        faults_fired(evidence)?;
    }
    Ok(violations)
}

/// Violations for tags that moved in a run, since the run `before`, but for those that may. Each shows the requests that did it.
pub(super) fn unmoved(evidence: &Evidence, before: &str, name: &str, may: &[&str]) -> Judgement {
    let moved = untouched(after(evidence, before)?, after(evidence, name)?, may);
    Ok(explained(evidence, &run(evidence, name)?.span_ms(), moved))
}

/// Violations if a run does not fail, or moves a tag since the run `good`.
pub(super) fn fails_and_moves_nothing(evidence: &Evidence, name: &str) -> Judgement {
    works(evidence, "good")?;
    Ok([failed(run(evidence, name)?), unmoved(evidence, "good", name, &[])?].concat())
}

/// Violations if a run does not fail, moves a tag since the run `good`, or writes one.
pub(super) fn publishes_nothing(evidence: &Evidence, name: &str) -> Judgement {
    Ok([fails_and_moves_nothing(evidence, name)?, tag_writes(evidence, run(evidence, name)?, &[])].concat())
}

/// Violations for manifests that were there after one run and are gone after another.
pub(super) fn manifests_stay(evidence: &Evidence, before: &str, name: &str) -> Judgement {
    let mut violations = Vec::new();
    for (old, new) in after(evidence, before)?.iter().zip(after(evidence, name)?) {
        for gone in old.manifests.keys().filter(|digest| !new.manifests.contains_key(*digest)) {
            violations
                .push(Violation::new(format!("{}@{gone} stays", new.server), format!("it is gone after `{name}`")));
        }
    }
    Ok(violations)
}

/// A violation unless a registry has a tag that is meant.
pub(super) fn has_tag(snapshot: &Snapshot, expected: &str, is_meant: impl Fn(&str) -> bool) -> Vec<Violation> {
    let tags: Vec<&String> = snapshot.tags.keys().collect();
    let found = tags.iter().any(|tag| is_meant(tag));
    unless(found, format!("{} has the tag {expected}", snapshot.server), format!("its tags: {tags:?}"))
}

/// The requests in some time, with their places in the history.
pub(super) fn requests(evidence: &Evidence, span_ms: RangeInclusive<u64>) -> impl Iterator<Item = (usize, &Exchange)> {
    evidence.history.iter().enumerate().filter(move |(_, exchange)| span_ms.contains(&exchange.began_ms))
}

/// All the time.
pub(super) const ALWAYS: RangeInclusive<u64> = 0..=u64::MAX;

/// A violation if any of some requests was sent. `what` names them: `deletions`.
pub(super) fn none_of<'a>(
    requests: impl Iterator<Item = (usize, &'a Exchange)>,
    expected: impl Into<String>,
    what: &str,
) -> Vec<Violation> {
    let found: Vec<usize> = requests.map(|(index, _)| index).collect();
    let violations = unless(found.is_empty(), expected, format!("{} {what}", found.len()));
    violations.into_iter().map(|violation| violation.shown_by(found.clone())).collect()
}

/// Violations for all tags that a run writes on any registry, but for those that it may.
pub(super) fn tag_writes(evidence: &Evidence, run: &Run, may: &[&str]) -> Vec<Violation> {
    let mut written: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (index, exchange) in requests(evidence, run.span_ms()) {
        let Some(operation) = exchange.operation.as_ref().filter(|it| it.kind == Kind::ManifestPut) else { continue };
        let ours = operation.repository.as_deref() == Some(REPOSITORY);
        if let Some(tag) = operation.tag().filter(|tag| ours && !may.contains(tag) && !is_referrers_tag(tag)) {
            written.entry((&exchange.server, tag)).or_default().push(index);
        }
    }
    let but = if may.is_empty() { String::new() } else { format!(" but {}", may.join(", ")) };
    let violation = |((server, tag), indexes): ((&str, &str), Vec<usize>)| {
        let expected = format!("`{}` writes no tag{but}", run.name);
        Violation::new(expected, format!("{server}:{tag} is written")).shown_by(indexes)
    };
    written.into_iter().map(violation).collect()
}

/// A violation if `latest` was never seen although main was built. If it was not built, the claim is unknown.
pub(super) fn never_seen(evidence: &Evidence) -> Judgement {
    if evidence.samples_of("latest").iter().any(|sample| sample.digest.is_some()) {
        return Ok(Vec::new());
    }
    match evidence.runs.iter().find(|run| run.reference == "refs/heads/main" && run.succeeded()) {
        Some(run) => Ok(vec![Violation::new(format!("latest is there after `{}`", run.name), "it was never seen")]),
        None => Err(Inconclusive("main was never built".into())),
    }
}

/// Shows with each violation what was done to tags and manifests, in some time, on the registry with whose name its
/// expectation begins.
pub(super) fn explained(
    evidence: &Evidence,
    span_ms: &RangeInclusive<u64>,
    violations: Vec<Violation>,
) -> Vec<Violation> {
    let tags = |it: &Operation| it.kind == Kind::ManifestPut && it.tag().is_some();
    let changes = |it: &Operation| it.kind.deletes() || tags(it);
    let explain = |violation: Violation| {
        let server = evidence.registries.iter().find(|server| violation.expected.starts_with(server.as_str()));
        let changing = requests(evidence, span_ms.clone()).filter(|(_, exchange)| {
            server.is_some_and(|server| registry(&exchange.server) == server)
                && exchange.operation.as_ref().is_some_and(changes)
        });
        violation.shown_by(changing.map(|(index, _)| index))
    };
    violations.into_iter().map(explain).collect()
}

/// The registry that a management interface belongs to; a registry belongs to itself.
fn registry(server: &str) -> &str {
    match server {
        "github-api" => "ghcr",
        "hub-api" => "dockerhub",
        registry => registry,
    }
}

/// Makes the claim unknown if a fault that the scenario injects never met a request. What is injected by one name before
/// several servers is one fault.
pub(super) fn faults_fired(evidence: &Evidence) -> Result<(), Inconclusive> {
    let fired = |rule: &str| evidence.faults.iter().any(|it| it.rule == rule && it.times > 0);
    match evidence.faults.iter().find(|it| !fired(&it.rule)) {
        None => Ok(()),
        Some(it) => Err(Inconclusive(format!("the fault `{}` never met a request", it.rule))),
    }
}

/// Makes the claim unknown if none of the faults met a request.
pub(super) fn any_fault_fired(evidence: &Evidence, otherwise: &str) -> Result<(), Inconclusive> {
    require(evidence.faults.iter().any(|fault| fault.times > 0), otherwise)
}

/// A violation unless a token was fetched from a server with credentials, with no others than its own, and the server accepted
/// what was written.
pub(super) fn authenticated(evidence: &Evidence, server: &str) -> Vec<Violation> {
    let here = || requests(evidence, ALWAYS).filter(|(_, it)| it.server == server);
    let tokens = || here().filter(|(_, it)| it.is(|kind| kind == Kind::Token));
    let has_login = |it: &Exchange| it.headers.contains_key("authorization");
    if !tokens().any(|(_, it)| it.status == Some(200) && (has_login(it) || it.method == "POST")) {
        return vec![Violation::new(format!("a token for {server} is fetched with credentials"), "no such request")];
    }
    let refused = tokens().filter(|(_, it)| it.status == Some(401) && has_login(it));
    let violations =
        none_of(refused, format!("{server} is sent its own credentials and no others"), "logins are refused");
    if !violations.is_empty() {
        return violations;
    }
    let accepted = here().any(|(_, it)| it.is(Kind::writes) && it.status.is_some_and(|code| code < 300));
    unless(accepted, format!("{server} accepts what is written"), "it accepted nothing")
}

/// A violation unless a run without a secret fails in its first stage and names the secret.
pub(super) fn missing_secret(evidence: &Evidence, secret: &str) -> Judgement {
    let run = run(evidence, secret)?;
    let prepare = stages(run, Stage::Prepare)?[0];
    if prepare.end.is_success() {
        return Ok(unless(false, format!("without {secret} the run fails before any build"), "prepare ended with 0"));
    }
    let named = prepare.printed().contains(secret);
    Ok([failed(run), unless(named, format!("the failure names {secret}"), failure(prepare))].concat())
}

/// A violation if a time is longer than allowed; unknown if that depends on how busy the machine was.
pub(super) fn at_most_ms(expected: String, time_ms: &RangeInclusive<u64>, limit_ms: u64) -> Judgement {
    Ok(unless(at_most(time_ms, &(limit_ms..=limit_ms))?, expected, format!("{} ms", time_ms.end())))
}
