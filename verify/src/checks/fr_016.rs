//! FR-016: a build can be started by hand, and never deletes anything.

use super::{
    published,
    support::{after, explained, failed, requests, run, success, works},
    workflows::{each_job, is_secret, one, publishes, started, workflows},
};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::Evidence,
    history::Kind,
    oracle::{Violation, untouched},
    scenario::{ARM64, RESERVED, Scenario},
    workflow::{Dispatch, Event, Job, Matrix, Workflow, contexts},
};

/// How many digits of a commit's id the tag of a manual build has, at least (git's own short form).
const SHORT_COMMIT_MIN: usize = 7;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("it_can_be_started_by_hand", &["FR-016"], by_hand),
    Check::workflow("the_form_asks_for_tag_platforms_and_push", &["FR-016"], form_asks),
    Check::workflow("the_form_can_be_sent_as_it_is", &["FR-016"], form_can_be_sent),
    Check::workflow("a_start_by_hand_publishes", &["FR-016"], by_hand_publishes),
    Check::workflow("what_is_typed_in_is_never_run", &["FR-016", "FR-013"], never_run),
    Check::pipeline("a_build_by_hand_is_tagged_manual_and_its_commit", &["FR-016"], Scenario::Manual, default_tag),
    Check::pipeline("a_build_by_hand_takes_the_tag_it_is_given", &["FR-016"], Scenario::Manual, given_tag),
    Check::pipeline("a_build_by_hand_builds_the_platforms_it_is_given", &["FR-016"], Scenario::Manual, given_platforms),
    Check::pipeline("without_push_nothing_is_pushed", &["FR-016"], Scenario::Manual, without_push),
    Check::pipeline("a_build_by_hand_deletes_nothing", &["FR-016"], Scenario::Manual, deletes_nothing),
    Check::pipeline("a_build_by_hand_takes_no_name_of_other_builds", &["FR-016", "SC-007"], Scenario::Manual, reserved),
    Check::pipeline("a_build_by_hand_moves_no_other_tag", &["FR-016", "SC-007"], Scenario::Manual, moves_nothing),
];

fn default_tag(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "by hand")?;
    let mut violations = success(run);
    if let Some(tag) = run.tag() {
        violations.extend(published::of_this_build(evidence, "by hand", tag)?);
    }
    for snapshot in after(evidence, "by hand")? {
        let short = |tag: &&String| {
            tag.strip_prefix("manual-")
                .is_some_and(|short| short.len() >= SHORT_COMMIT_MIN && run.commit.starts_with(short))
        };
        if snapshot.tags.keys().find(short).is_none() {
            let tags: Vec<&String> = snapshot.tags.keys().collect();
            let expected = format!("{} has the tag manual-{}", snapshot.server, &run.commit[..SHORT_COMMIT_MIN]);
            violations.push(Violation::new(expected, format!("its tags: {tags:?}")));
        }
    }
    Ok(violations)
}

fn given_tag(evidence: &Evidence) -> Judgement {
    let mut violations = success(run(evidence, "named")?);
    for snapshot in after(evidence, "named")? {
        if !snapshot.tags.contains_key("try-1") {
            let tags: Vec<&String> = snapshot.tags.keys().collect();
            violations
                .push(Violation::new(format!("{} has the tag try-1", snapshot.server), format!("its tags: {tags:?}")));
        }
    }
    Ok(violations)
}

fn given_platforms(evidence: &Evidence) -> Judgement {
    published::whole(evidence, "named", "try-1", &[ARM64])
}

fn without_push(evidence: &Evidence) -> Judgement {
    let mut violations = success(run(evidence, "without push")?);
    violations.extend(untouched(after(evidence, "named")?, after(evidence, "without push")?, &[]));
    let run = run(evidence, "without push")?;
    let writes = super::support::during(evidence, run)
        .filter(|(_, exchange)| {
            let ours =
                exchange.operation.as_ref().filter(|it| it.repository.as_deref() == Some(crate::scenario::REPOSITORY));
            ours.is_some_and(|operation| operation.kind.writes())
        })
        .map(|(index, _)| index)
        .collect::<Vec<_>>();
    if !writes.is_empty() {
        let seen = format!("{} writing requests", writes.len());
        violations
            .push(Violation::new("with skip_push nothing is written to the image's repository", seen).shown_by(writes));
    }
    Ok(violations)
}

fn deletes_nothing(evidence: &Evidence) -> Judgement {
    works(evidence, "by hand")?;
    let mut violations = Vec::new();
    for name in ["by hand", "named", "without push"] {
        let (began, ended) = run(evidence, name)?.span_ms();
        let deleting = [
            Kind::ManifestDelete,
            Kind::BlobDelete,
            Kind::HubTagDelete,
            Kind::PackageDelete,
            Kind::PackageVersionDelete,
        ];
        let deletes: Vec<usize> = requests(evidence, &deleting)
            .filter(|(_, it)| (began..=ended).contains(&it.began_ms))
            .map(|(index, _)| index)
            .collect();
        if !deletes.is_empty() {
            let seen = format!("{} deletions", deletes.len());
            violations.push(Violation::new(format!("`{name}` deletes nothing"), seen).shown_by(deletes));
        }
    }
    for (before, name) in [("main", "by hand"), ("by hand", "named"), ("named", "without push")] {
        for (old, new) in after(evidence, before)?.iter().zip(after(evidence, name)?) {
            for gone in old.manifests.keys().filter(|digest| !new.manifests.contains_key(*digest)) {
                let expected = format!("{}@{gone} stays", new.server);
                violations.push(Violation::new(expected, format!("it is gone after `{name}`")));
            }
        }
    }
    Ok(violations)
}

fn moves_nothing(evidence: &Evidence) -> Judgement {
    works(evidence, "by hand")?;
    let short = format!("manual-{}", &run(evidence, "by hand")?.commit[..SHORT_COMMIT_MIN]);
    let longer = |tag: &str| tag.starts_with(&short);
    let by_hand = after(evidence, "by hand")?;
    let manual: Vec<&str> =
        by_hand.iter().flat_map(|it| it.tags.keys()).map(String::as_str).filter(|tag| longer(tag)).collect();
    let first = untouched(after(evidence, "main")?, by_hand, &manual);
    let second = untouched(by_hand, after(evidence, "named")?, &["try-1"]);
    let first = explained(evidence, run(evidence, "by hand")?.span_ms(), first);
    let second = explained(evidence, run(evidence, "named")?.span_ms(), second);
    Ok([first, second].concat())
}

/// `latest` is main's, and versions are releases': who may start a build by hand may not replace those.
fn reserved(evidence: &Evidence) -> Judgement {
    works(evidence, "by hand")?;
    let mut violations = Vec::new();
    let mut before = after(evidence, "without push")?;
    for (name, tag) in RESERVED {
        let now = after(evidence, name)?;
        let run = run(evidence, name)?;
        violations.extend(failed(run));
        let taken = explained(evidence, run.span_ms(), untouched(before, now, &[]));
        violations.extend(
            taken
                .into_iter()
                .map(|it| Violation { seen: format!("{} after a build by hand with `tag_name` {tag}", it.seen), ..it }),
        );
        before = now;
    }
    Ok(violations)
}

fn by_hand(evidence: &Evidence) -> Judgement {
    one(evidence, |workflow| started(workflow, Event::ByHand))
}

/// The fields of the form, and the kinds that each may be.
const FIELDS: [(&str, &[&str]); 3] =
    [("tag_name", &["string"]), ("platforms", &["string", "choice"]), ("skip_push", &["boolean"])];

fn form_asks(evidence: &Evidence) -> Judgement {
    forms(evidence, |workflow, form| {
        let wrong = FIELDS.iter().filter_map(|(name, kinds)| {
            let field = form.inputs.iter().find(|input| input.name == *name);
            let seen = match field {
                None => "there is none".to_owned(),
                Some(field) if !kinds.contains(&field.kind.as_str()) => format!("it is a {}", field.kind),
                Some(_) => return None,
            };
            Some(Violation::new(format!("{}: the form has {name}, a {}", workflow.path, kinds.join(" or ")), seen))
        });
        wrong.collect()
    })
}

fn form_can_be_sent(evidence: &Evidence) -> Judgement {
    forms(evidence, |workflow, form| {
        let demanded = form.inputs.iter().filter(|input| input.required && input.default.is_none());
        let expected = |name: &str| format!("{}: {name} may be left empty, or has a default", workflow.path);
        demanded.map(|input| Violation::new(expected(&input.name), "it is required")).collect()
    })
}

/// Violations of the forms; if there is no form, the question is open.
fn forms(evidence: &Evidence, wrong: impl Fn(&Workflow, &Dispatch) -> Vec<Violation>) -> Judgement {
    let forms: Vec<_> = workflows(evidence)?.iter().filter_map(|it| Some((it, it.dispatch.as_ref()?))).collect();
    if forms.is_empty() {
        return Err(Inconclusive("no workflow can be started by hand".into()));
    }
    Ok(forms.into_iter().flat_map(|(workflow, form)| wrong(workflow, form)).collect())
}

fn by_hand_publishes(evidence: &Evidence) -> Judgement {
    publishes(evidence, Event::ByHand)
}

/// Contexts that hold nothing that somebody chose: GitHub or the workflow's own text sets them.
const HARMLESS: &[&str] = &[
    "github.action_path",
    "github.api_url",
    "github.event_name",
    "github.graphql_url",
    "github.job",
    "github.ref_type",
    "github.repository",
    "github.repository_id",
    "github.repository_owner",
    "github.repository_owner_id",
    "github.run_attempt",
    "github.run_id",
    "github.run_number",
    "github.server_url",
    "github.sha",
    "github.workspace",
    "job.status",
    "runner.arch",
    "runner.name",
    "runner.os",
    "runner.temp",
    "runner.tool_cache",
    "strategy.job-index",
    "strategy.job-total",
];

/// What stands in a script's text is run: names of branches and tags, inputs, events, and what other steps made of them
/// come in variables.
fn never_run(evidence: &Evidence) -> Judgement {
    each_job(evidence, |workflow, job| {
        let written_matrix = |name: &str| name.starts_with("matrix.") && has_written_matrix(job);
        let harmless = |name: &String| HARMLESS.contains(&name.as_str()) || is_secret(name) || written_matrix(name);
        let mut violations = Vec::new();
        for step in &job.steps {
            let expected = format!("{}: {} gets in variables what others choose", workflow.path, step.place);
            // A variable whose value stands in the file is as harmless as what it is made of.
            let known = |name: &String| {
                let (_, value) =
                    step.env.iter().find(|(it, _)| name.strip_prefix("env.") == Some(&it.to_lowercase()))?;
                Some(contexts(value).iter().all(harmless))
            };
            let chosen = |name: &String| !harmless(name) && known(name) != Some(true);
            for name in contexts(step.script().unwrap_or_default()).into_iter().filter(chosen) {
                violations.push(Violation::new(expected.clone(), format!("${{{{ {name} }}}} stands in its script")));
            }
        }
        violations
    })
}

fn has_written_matrix(job: &Job) -> bool {
    job.strategy.as_ref().is_some_and(|strategy| matches!(strategy.matrix, Matrix::Written(_)))
}
