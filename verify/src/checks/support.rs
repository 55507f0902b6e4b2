//! What many judges ask of evidence.

use std::collections::BTreeMap;

use crate::{
    check::Inconclusive,
    client::Publication,
    evidence::{Evidence, Run, Stage, StageRun},
    harness::podman::ContainerRun,
    history::{Exchange, Kind, Operation},
    oracle::{Snapshot, Violation},
};

/// A run by its name, which the scenario must have.
pub(super) fn run<'a>(evidence: &'a Evidence, name: &str) -> Result<&'a Run, Inconclusive> {
    evidence.run(name).ok_or_else(|| Inconclusive(format!("the run `{name}` was not made")))
}

/// What the registries held after a run.
pub(super) fn after<'a>(evidence: &'a Evidence, name: &str) -> Result<&'a [Snapshot], Inconclusive> {
    evidence.after(name).ok_or_else(|| Inconclusive(format!("nobody looked at the registries after `{name}`")))
}

/// Leaves the question open unless a run succeeded with which a failure is compared: of a pipeline that never publishes
/// anything, it proves nothing that it publishes nothing when something fails.
pub(super) fn works(evidence: &Evidence, name: &str) -> Result<(), Inconclusive> {
    let run = run(evidence, name)?;
    match run.stages.iter().find(|stage| !stage.end.is_success()) {
        None if !run.stages.is_empty() => Ok(()),
        None => Err(Inconclusive(format!("`{name}` did nothing"))),
        Some(stage) => Err(Inconclusive(format!("already `{name}` fails: {}", failure(stage)))),
    }
}

/// A violation if a run did not succeed.
pub(super) fn success(run: &Run) -> Vec<Violation> {
    match run.stages.iter().find(|stage| !stage.end.is_success()) {
        None => Vec::new(),
        Some(stage) => vec![Violation::new(format!("`{}` succeeds", run.name), failure(stage))],
    }
}

/// Violations if a build of main did not succeed, or has not left its whole image under `latest` on all registries.
pub(super) fn published(evidence: &Evidence, name: &str) -> Result<Vec<Violation>, Inconclusive> {
    let ended = success(run(evidence, name)?);
    if ended.is_empty() { super::published::whole(evidence, name, "latest", &PLATFORMS) } else { Ok(ended) }
}

/// A violation if a run did not fail.
pub(super) fn failed(run: &Run) -> Vec<Violation> {
    if run.succeeded() {
        vec![Violation::new(format!("`{}` fails", run.name), "every stage ended with 0")]
    } else {
        Vec::new()
    }
}

/// How many lines of a failed stage's output are told.
const LINES_TOLD: usize = 8;

/// How a stage ended, with the last lines that it printed.
pub(super) fn failure(stage: &StageRun) -> String {
    let printed = stage.printed();
    let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES_TOLD)..];
    format!("{} ended with {:?}\n{}", shown(stage), stage.end, last.join("\n"))
}

/// `build linux/arm64`
pub(super) fn shown(stage: &StageRun) -> String {
    match &stage.platform {
        Some(platform) => format!("{} {platform}", stage.stage.name()),
        None => stage.stage.name().to_owned(),
    }
}

/// What each registry shows under a tag.
pub(super) fn tag<'a>(snapshots: &'a [Snapshot], tag: &str) -> BTreeMap<&'a str, Option<&'a str>> {
    snapshots.iter().map(|it| (it.server.as_str(), it.tags.get(tag).map(String::as_str))).collect()
}

/// The requests of some kinds, with their places in the history.
pub(super) fn requests<'a>(
    evidence: &'a Evidence,
    kinds: &'a [Kind],
) -> impl Iterator<Item = (usize, &'a Exchange)> + use<'a> {
    let meant = |exchange: &Exchange| exchange.operation.as_ref().is_some_and(|it| kinds.contains(&it.kind));
    evidence.history.iter().enumerate().filter(move |(_, exchange)| meant(exchange))
}

/// The places of the requests that fall into a run.
pub(super) fn during<'a>(evidence: &'a Evidence, run: &Run) -> impl Iterator<Item = (usize, &'a Exchange)> + use<'a> {
    let (began, ended) = run.span_ms();
    evidence.history.iter().enumerate().filter(move |(_, it)| (began..=ended).contains(&it.began_ms))
}

/// The calls of a stage of a run, which must have come to it.
pub(super) fn stages(run: &Run, stage: Stage) -> Result<Vec<&StageRun>, Inconclusive> {
    let stages: Vec<&StageRun> = run.of(stage).collect();
    if stages.is_empty() {
        return Err(Inconclusive(format!("`{}` never came to {}", run.name, stage.name())));
    }
    Ok(stages)
}

/// Violations for all tags that a run writes on any registry, but for those that it may.
pub(super) fn tag_writes(evidence: &Evidence, run: &Run, may: &[&str]) -> Vec<Violation> {
    let mut written: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (index, exchange) in during(evidence, run) {
        let Some(operation) = exchange.operation.as_ref().filter(|it| it.kind == Kind::ManifestPut) else { continue };
        let ours = operation.repository.as_deref() == Some(crate::scenario::REPOSITORY);
        if let Some(tag) = operation.tag().filter(|tag| ours && !may.contains(tag)) {
            written.entry((&exchange.server, tag)).or_default().push(index);
        }
    }
    let but = if may.is_empty() { String::new() } else { format!(" but {}", may.join(", ")) };
    let expected = format!("`{}` writes no tag{but}", run.name);
    let violation = |((server, tag), indexes): ((&str, &str), Vec<usize>)| {
        Violation::new(expected.clone(), format!("{server}:{tag} is written")).shown_by(indexes)
    };
    written.into_iter().map(violation).collect()
}

/// A violation if whoever asked for `latest` all the while never saw one although main was built. If it was not built, the
/// question is open.
pub(super) fn never_seen(evidence: &Evidence) -> Result<Vec<Violation>, Inconclusive> {
    if evidence.samples_of("latest").iter().any(|sample| sample.digest.is_some()) {
        return Ok(Vec::new());
    }
    match evidence.runs.iter().find(|run| run.reference == "refs/heads/main" && run.succeeded()) {
        Some(run) => Ok(vec![Violation::new(format!("latest is there after `{}`", run.name), "nobody ever saw one")]),
        None => Err(Inconclusive("main was never built".into())),
    }
}

/// Shows with each violation what was done to tags and manifests, from one millisecond to another, on the registry with
/// whose name its expectation begins.
pub(super) fn explained(evidence: &Evidence, (from, to): (u64, u64), violations: Vec<Violation>) -> Vec<Violation> {
    let changes = |exchange: &Exchange| {
        let tagged = |it: &Operation| it.kind == Kind::ManifestPut && it.tag().is_some();
        exchange.operation.as_ref().is_some_and(|it| it.kind.deletes() || tagged(it))
    };
    let did = |server: &str| -> Vec<usize> {
        let here = |it: &Exchange| side(&it.server) == server && (from..=to).contains(&it.began_ms) && changes(it);
        (0..evidence.history.len()).filter(|index| here(&evidence.history[*index])).collect()
    };
    let explain = |violation: Violation| {
        let server = evidence.registries.iter().find(|server| violation.expected.starts_with(server.as_str()));
        let shown = server.map(|server| did(server)).unwrap_or_default();
        violation.shown_by(shown)
    };
    violations.into_iter().map(explain).collect()
}

/// The registry that a management interface belongs to; a registry belongs to itself.
fn side(server: &str) -> &str {
    match server {
        "github-api" => "ghcr",
        "hub-api" => "dockerhub",
        registry => registry,
    }
}

/// Leaves the question open if a fault that the scenario injects never met a request. What is injected by one name before
/// several servers is one fault.
pub(super) fn faults_fired(evidence: &Evidence) -> Result<(), Inconclusive> {
    let fired = |rule: &str| evidence.faults.iter().any(|it| it.rule == rule && it.times > 0);
    match evidence.faults.iter().find(|it| !fired(&it.rule)) {
        None => Ok(()),
        Some(it) => Err(Inconclusive(format!("the fault `{}` never met a request", it.rule))),
    }
}

/// Violations for the builds of main that trouble ended which passes, or that say that they succeeded and have not left their
/// whole image on all registries. A run that it ended cannot meet what was to come after it.
pub(super) fn survived(evidence: &Evidence, names: &[&str]) -> Result<Vec<Violation>, Inconclusive> {
    let mut violations = Vec::new();
    for name in names {
        violations.extend(published(evidence, name)?);
    }
    if violations.is_empty() || evidence.faults.iter().all(|fired| fired.times == 0) {
        faults_fired(evidence)?;
    }
    Ok(violations)
}

/// A violation unless a server was asked for a token by somebody with credentials, with no others than its own, and every
/// write had one.
pub(super) fn authenticated(evidence: &Evidence, server: &str) -> Vec<Violation> {
    let here = |exchange: &Exchange| exchange.server == server;
    let logged_in = requests(evidence, &[Kind::Token]).any(|(_, it)| {
        here(it) && it.status == Some(200) && (it.headers.contains_key("authorization") || it.method == "POST")
    });
    if !logged_in {
        return vec![Violation::new(format!("a token for {server} is fetched with credentials"), "no such request")];
    }
    let refused = requests(evidence, &[Kind::Token]);
    let refused =
        refused.filter(|(_, it)| here(it) && it.status == Some(401) && it.headers.contains_key("authorization"));
    let refused: Vec<usize> = refused.map(|(index, _)| index).collect();
    if !refused.is_empty() {
        let seen = format!("it refused {} logins", refused.len());
        return vec![
            Violation::new(format!("{server} is shown its own credentials and no others"), seen).shown_by(refused),
        ];
    }
    let writing = |exchange: &Exchange| exchange.operation.as_ref().is_some_and(|it| it.kind.writes());
    let accepted =
        evidence.history.iter().any(|it| here(it) && writing(it) && it.status.is_some_and(|code| code < 300));
    if accepted {
        Vec::new()
    } else {
        vec![Violation::new(format!("{server} accepts what is written"), "it accepted nothing")]
    }
}

/// A violation unless a run without a secret fails in its first stage and names the secret.
pub(super) fn told_missing(evidence: &Evidence, secret: &str) -> Result<Vec<Violation>, Inconclusive> {
    let run = run(evidence, secret)?;
    let mut violations = failed(run);
    let prepare = stages(run, Stage::Prepare)?[0];
    if prepare.end.is_success() {
        violations =
            vec![Violation::new(format!("without {secret} the run fails before any build"), "prepare ended with 0")];
    } else if !prepare.printed().contains(secret) {
        violations.push(Violation::new(format!("the failure names {secret}"), failure(prepare)));
    }
    Ok(violations)
}

/// The platforms that every build covers.
pub(super) const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// What was read of published images; if nothing was, the question is open.
pub(super) fn publications(evidence: &Evidence) -> Result<&[Publication], Inconclusive> {
    if evidence.publications.is_empty() {
        return Err(Inconclusive("no published image was looked at".into()));
    }
    Ok(&evidence.publications)
}

/// A violation for each published reference that is not there.
pub(super) fn absent(evidence: &Evidence) -> Result<Vec<Violation>, Inconclusive> {
    let absent = publications(evidence)?.iter().filter(|publication| !publication.is_there());
    Ok(absent.map(|it| Violation::new(format!("{} is there", it.name()), "it is not")).collect())
}

/// What podman made of published images; if nothing was pulled, the question is open.
pub(super) fn containers(evidence: &Evidence) -> Result<&[ContainerRun], Inconclusive> {
    if evidence.containers.is_empty() {
        return Err(Inconclusive("no published image was run".into()));
    }
    Ok(&evidence.containers)
}

/// From when to when each stage went, in milliseconds since the scenario began: what stages do, they are judged for one by
/// one. The scenarios that are judged so build one platform after the other.
pub(super) fn spans(evidence: &Evidence) -> impl Iterator<Item = (u64, u64)> + use<'_> {
    evidence.runs.iter().flat_map(|run| &run.stages).map(|stage| (stage.began_ms, stage.ended_ms))
}
