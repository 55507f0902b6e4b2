//! FR-003: each build covers linux/amd64 and linux/arm64.

use std::collections::BTreeSet;

use super::{
    support::{PLATFORMS, absent, publications},
    workflows::publishing_jobs,
};
use crate::{
    check::{Check, Inconclusive, Judgement},
    client::{Child, Publication},
    evidence::Evidence,
    oracle::Violation,
    workflow::{Job, Matrix, template},
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::reading_matrix("no_platform_is_left_out_of_the_matrix", &["FR-003", "SC-008"], whole_matrix),
    Check::reading_matrix("each_platform_has_a_runner_of_its_kind", &["FR-003"], native_runners),
    Check::looking("every_tag_covers_both_platforms", &["FR-003", "SC-003", "SC-008"], covers_both),
    Check::looking("list_and_image_agree_on_the_platform", &["FR-003", "SC-003"], agree),
    Check::looking("every_program_is_made_for_its_platform", &["FR-003", "SC-003"], right_machine),
];

fn covers_both(evidence: &Evidence) -> Judgement {
    let mut violations = absent(evidence)?;
    for publication in publications(evidence)?.iter().filter(|it| it.is_there()) {
        for platform in PLATFORMS.into_iter().filter(|platform| publication.platform(platform).is_none()) {
            let has: Vec<String> = publication.platforms().map(Child::platform_name).collect();
            let expected = format!("{} has an image for {platform}", publication.name());
            violations.push(Violation::new(expected, format!("it has {}", has.join(", "))));
        }
    }
    Ok(violations)
}

/// The descriptor in the list and the image's own configuration must say the same.
fn agree(evidence: &Evidence) -> Judgement {
    let disagrees = |publication: &Publication, child: &Child| {
        let listed = child.descriptor.as_ref()?.platform.as_ref()?;
        let own = child.config.as_ref()?.facts.platform.as_ref();
        let same = own.is_some_and(|own| own.os == listed.os && own.architecture == listed.architecture);
        let expected = format!("{} {}: the image's configuration says so too", publication.name(), listed.name());
        (!same).then(|| {
            Violation::new(
                expected,
                own.map_or_else(|| "it says nothing".into(), |own| format!("it says {}", own.name())),
            )
        })
    };
    each_image(evidence, disagrees)
}

/// The machine in the header of every executable that the entry point and the health check reach.
fn right_machine(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for publication in publications(evidence)? {
        for child in publication.platforms() {
            let image = format!("{} {}", publication.name(), child.platform_name());
            if child.executables.is_none() {
                violations.push(Violation::new(format!("{image}: its programs can be read"), "they cannot"));
            }
            for executable in child.unusable_executables() {
                let expected = format!("{image}: {} runs there", executable.path);
                violations.push(Violation::new(expected, format!("it is {:?}", executable.kind)));
            }
        }
    }
    Ok(violations)
}

fn each_image(evidence: &Evidence, wrong: impl Fn(&Publication, &Child) -> Option<Violation>) -> Judgement {
    let mut violations = Vec::new();
    let mut seen = false;
    for publication in publications(evidence)? {
        for child in publication.platforms() {
            seen = true;
            violations.extend(wrong(publication, child));
        }
    }
    if seen { Ok(violations) } else { Err(Inconclusive("no image could be read".into())) }
}

/// The architectures that a matrix has jobs for, by the names that its values give them.
fn architecture(value: &str) -> Option<&'static str> {
    match value.rsplit('/').next().unwrap_or(value) {
        "amd64" | "x86_64" => Some("amd64"),
        "arm64" | "aarch64" => Some("arm64"),
        _ => None,
    }
}

/// The jobs that a publishing job becomes, with their architectures: only those whose values name one.
fn variants(job: &Job) -> Vec<(&'static str, &std::collections::BTreeMap<String, String>)> {
    let Some(Matrix::Written(variants)) = job.strategy.as_ref().map(|strategy| &strategy.matrix) else {
        return Vec::new();
    };
    variants.iter().filter_map(|values| Some((values.values().find_map(|it| architecture(it))?, values))).collect()
}

fn matrices(evidence: &Evidence) -> Result<Vec<(String, &Job)>, Inconclusive> {
    let jobs = publishing_jobs(evidence)?
        .into_iter()
        .flat_map(|(workflow, jobs)| jobs.into_iter().map(move |job| (format!("{}: {}", workflow.path, job.id), job)));
    let named: Vec<_> = jobs.filter(|(_, job)| !variants(job).is_empty()).collect();
    if named.is_empty() {
        Err(Inconclusive("no matrix of a job that publishes names a platform".into()))
    } else {
        Ok(named)
    }
}

fn whole_matrix(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (place, job) in matrices(evidence)? {
        let named: BTreeSet<&str> = variants(job).into_iter().map(|(architecture, _)| architecture).collect();
        let missing = PLATFORMS.iter().filter(|platform| !named.iter().any(|it| platform.ends_with(it)));
        violations.extend(missing.map(|platform| {
            let named: Vec<&str> = named.iter().copied().collect();
            Violation::new(format!("{place} is there for {platform}"), format!("only for {}", named.join(", ")))
        }));
    }
    Ok(violations)
}

/// GitHub's labels of machines for arm64 say so, as those of machines of one's own do.
fn native_runners(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (place, job) in matrices(evidence)? {
        for (architecture, values) in variants(job) {
            let known = |name: &str| values.get(name.strip_prefix("matrix.")?).map(|value| format!("'{value}'"));
            let labels: Option<Vec<String>> = job.runs_on.iter().map(|label| template(label, &known)).collect();
            let Some(labels) = labels else {
                return Err(Inconclusive(format!(
                    "{place}: what {} is, is known only when it runs",
                    job.runs_on.join(", ")
                )));
            };
            let is_arm = labels.iter().any(|label| label.to_lowercase().contains("arm"));
            if is_arm != (architecture == "arm64") {
                let expected = format!("{place} for {architecture} runs on such a machine");
                violations.push(Violation::new(expected, format!("it runs on {}", labels.join(", "))));
            }
        }
    }
    Ok(violations)
}
