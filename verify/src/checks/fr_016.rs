//! FR-016: a build can be started by hand, and never deletes anything.

use super::{
    images::{of_this_build, whole},
    prelude::*,
    workflows::{each_job, is_secret, publishes, starts, workflows},
};
use crate::{
    scenario::{ARM64, RESERVED},
    workflow::{Dispatch, Event, Job, Matrix, Workflow, contexts},
};

/// How many digits of a commit's id the tag of a manual build has, at least (git's own short form).
const SHORT_COMMIT_MIN: usize = 7;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("it_can_be_started_by_hand", &["FR-016"], |evidence| starts(evidence, &[Event::ByHand])),
    Check::workflow("the_form_asks_for_tag_platforms_and_push", &["FR-016"], form_asks),
    Check::workflow("the_form_can_be_sent_as_it_is", &["FR-016"], form_can_be_sent),
    Check::workflow("a_start_by_hand_publishes", &["FR-016"], |evidence| publishes(evidence, Event::ByHand)),
    Check::workflow("what_is_typed_in_is_never_run", &["FR-016", "FR-013"], never_run),
    Check::pipeline("a_build_by_hand_is_tagged_manual_and_its_commit", &["FR-016"], Scenario::Manual, default_tag),
    Check::pipeline("a_build_by_hand_takes_the_tag_it_is_given", &["FR-016"], Scenario::Manual, given_tag),
    Check::pipeline("a_build_by_hand_builds_the_platforms_it_is_given", &["FR-016"], Scenario::Manual, |evidence| {
        whole(evidence, "named", "try-1", &[ARM64])
    }),
    Check::pipeline("without_push_nothing_is_pushed", &["FR-016"], Scenario::Manual, without_push),
    Check::pipeline("a_build_by_hand_deletes_nothing", &["FR-016"], Scenario::Manual, deletes_nothing),
    Check::pipeline("a_build_by_hand_takes_no_name_of_other_builds", &["FR-016", "SC-007"], Scenario::Manual, reserved),
    Check::pipeline("a_build_by_hand_moves_no_other_tag", &["FR-016", "SC-007"], Scenario::Manual, moves_nothing),
];

fn default_tag(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "by hand")?;
    let mut violations = success(run);
    if let Some(tag) = run.tag() {
        violations.extend(of_this_build(evidence, "by hand", tag)?);
    }
    let expected = format!("manual-{}", &run.commit[..SHORT_COMMIT_MIN]);
    let is_meant = |tag: &str| {
        tag.strip_prefix("manual-").is_some_and(|it| it.len() >= SHORT_COMMIT_MIN && run.commit.starts_with(it))
    };
    let tagged = after(evidence, "by hand")?.iter().flat_map(|snapshot| has_tag(snapshot, &expected, is_meant));
    Ok(violations.into_iter().chain(tagged).collect())
}

fn given_tag(evidence: &Evidence) -> Judgement {
    let ended = success(run(evidence, "named")?);
    let tagged = after(evidence, "named")?.iter().flat_map(|snapshot| has_tag(snapshot, "try-1", |tag| tag == "try-1"));
    Ok(ended.into_iter().chain(tagged).collect())
}

fn without_push(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "without push")?;
    let moved = untouched(after(evidence, "named")?, after(evidence, "without push")?, &[]);
    let ours = |it: &Exchange| it.operation.as_ref().and_then(|it| it.repository.as_deref()) == Some(REPOSITORY);
    let writes = requests(evidence, run.span_ms()).filter(|(_, it)| ours(it) && it.is(Kind::writes));
    let written = none_of(writes, "with skip_push nothing is written to the image's repository", "writing requests");
    Ok([success(run), moved, written].concat())
}

fn deletes_nothing(evidence: &Evidence) -> Judgement {
    works(evidence, "by hand")?;
    let mut violations = Vec::new();
    for (before, name) in [("main", "by hand"), ("by hand", "named"), ("named", "without push")] {
        let deletes = requests(evidence, run(evidence, name)?.span_ms()).filter(|(_, it)| it.is(Kind::deletes));
        violations.extend(none_of(deletes, format!("`{name}` deletes nothing"), "deletions"));
        violations.extend(manifests_stay(evidence, before, name)?);
    }
    Ok(violations)
}

fn moves_nothing(evidence: &Evidence) -> Judgement {
    works(evidence, "by hand")?;
    let short = format!("manual-{}", &run(evidence, "by hand")?.commit[..SHORT_COMMIT_MIN]);
    let tags = after(evidence, "by hand")?.iter().flat_map(|it| it.tags.keys()).map(String::as_str);
    let manual: Vec<&str> = tags.filter(|tag| tag.starts_with(&short)).collect();
    Ok([unmoved(evidence, "main", "by hand", &manual)?, unmoved(evidence, "by hand", "named", &["try-1"])?].concat())
}

/// `latest` is main's, and versions are releases': who may start a build by hand may not replace those.
fn reserved(evidence: &Evidence) -> Judgement {
    works(evidence, "by hand")?;
    let mut violations = Vec::new();
    let mut before = "without push";
    for (name, tag) in RESERVED {
        violations.extend(failed(run(evidence, name)?));
        for it in unmoved(evidence, before, name, &[])? {
            let seen = format!("{} after a build by hand with `tag_name` {tag}", it.seen);
            violations.push(Violation { seen, ..it });
        }
        before = name;
    }
    Ok(violations)
}

/// The fields of the form, and the kinds that each may be.
const FIELDS: [(&str, &[&str]); 3] =
    [("tag_name", &["string"]), ("platforms", &["string", "choice"]), ("skip_push", &["boolean"])];

fn form_asks(evidence: &Evidence) -> Judgement {
    forms(evidence, |workflow, form| {
        let judge = |(name, kinds): (&str, &[&str])| {
            let field = form.inputs.iter().find(|input| input.name == name);
            let right = field.is_some_and(|field| kinds.contains(&field.kind.as_str()));
            let seen = field.map_or_else(|| "there is none".to_owned(), |field| format!("it is a {}", field.kind));
            unless(right, format!("{}: the form has {name}, a {}", workflow.path, kinds.join(" or ")), seen)
        };
        FIELDS.into_iter().flat_map(judge).collect()
    })
}

fn form_can_be_sent(evidence: &Evidence) -> Judgement {
    forms(evidence, |workflow, form| {
        let demanded = form.inputs.iter().filter(|input| input.required && input.default.is_none());
        let expected = |name: &str| format!("{}: {name} may be left empty, or has a default", workflow.path);
        demanded.map(|input| Violation::new(expected(&input.name), "it is required")).collect()
    })
}

/// Violations of the forms. If there is no form, the claim is unknown.
fn forms(evidence: &Evidence, wrong: impl Fn(&Workflow, &Dispatch) -> Vec<Violation>) -> Judgement {
    let forms: Vec<_> = workflows(evidence)?.iter().filter_map(|it| Some((it, it.dispatch.as_ref()?))).collect();
    require(!forms.is_empty(), "no workflow can be started by hand")?;
    Ok(forms.into_iter().flat_map(|(workflow, form)| wrong(workflow, form)).collect())
}

/// Contexts that no user can choose: GitHub or the workflow's own text sets them.
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
            let harmless_variable = |name: &String| {
                let mut variables = step.env.iter();
                let found = variables.find(|(it, _)| name.strip_prefix("env.") == Some(&it.to_lowercase()));
                found.is_some_and(|(_, value)| contexts(value).iter().all(harmless))
            };
            let mut chosen = contexts(step.script().unwrap_or_default());
            chosen.retain(|name| !harmless(name) && !harmless_variable(name));
            let seen = |name| format!("${{{{ {name} }}}} stands in its script");
            violations.extend(chosen.into_iter().map(|name| Violation::new(&*expected, seen(name))));
        }
        violations
    })
}

fn has_written_matrix(job: &Job) -> bool {
    job.strategy.as_ref().is_some_and(|strategy| matches!(strategy.matrix, Matrix::Written(_)))
}
