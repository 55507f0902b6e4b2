//! FR-003: each build covers linux/amd64 and linux/arm64.

use std::collections::BTreeMap;

use super::{
    images::{absent, images, publications, unusable},
    prelude::*,
    workflows::publishing_jobs,
};
use crate::{
    client::Child,
    workflow::{Job, Matrix, template},
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::matrix("no_platform_is_left_out_of_the_matrix", &["FR-003", "SC-008"], whole_matrix),
    Check::matrix("each_platform_has_a_runner_of_its_kind", &["FR-003"], native_runners),
    Check::image("every_tag_covers_both_platforms", &["FR-003", "SC-003", "SC-008"], covers_both),
    Check::image("list_and_image_agree_on_the_platform", &["FR-003", "SC-003"], agree),
    Check::image("every_program_is_made_for_its_platform", &["FR-003", "SC-003"], right_machine),
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
    let disagreement = |(name, child): (String, &Child)| {
        let listed = child.descriptor.as_ref()?.platform.as_ref()?;
        let own = child.config.as_ref()?.facts.platform.as_ref();
        let same = own.is_some_and(|own| own.os == listed.os && own.architecture == listed.architecture);
        let seen = own.map_or_else(|| "it says nothing".to_owned(), |own| format!("it says {}", own.name()));
        (!same).then(|| Violation::new(format!("{name}: the image's configuration says so too"), seen))
    };
    Ok(images(evidence)?.into_iter().filter_map(disagreement).collect())
}

/// The machine in the header of every executable that the entry point and the health check reach.
fn right_machine(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for publication in publications(evidence)? {
        for child in publication.platforms().filter(|child| child.executables.is_none()) {
            let expected = format!("{} {}: its programs can be read", publication.name(), child.platform_name());
            violations.push(Violation::new(expected, "they cannot"));
        }
        violations.extend(unusable(publication));
    }
    if let Some(unread) = publications(evidence)?.iter().find(|it| it.platforms().next().is_none()) {
        require(!violations.is_empty(), format!("{} has no image that can be read", unread.name()))?;
    }
    Ok(violations)
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
fn variants(job: &Job) -> Vec<(&'static str, &BTreeMap<String, String>)> {
    let Some(Matrix::Written(variants)) = job.strategy.as_ref().map(|strategy| &strategy.matrix) else {
        return Vec::new();
    };
    variants.iter().filter_map(|values| Some((values.values().find_map(|it| architecture(it))?, values))).collect()
}

/// The publishing jobs whose matrix names platforms, each with its place.
fn matrices(evidence: &Evidence) -> Result<Vec<(String, &Job)>, Inconclusive> {
    let mut named = Vec::new();
    for (workflow, jobs) in publishing_jobs(evidence)? {
        let jobs = jobs.into_iter().filter(|job| !variants(job).is_empty());
        named.extend(jobs.map(|job| (format!("{}: {}", workflow.path, job.id), job)));
    }
    require(!named.is_empty(), "no matrix of a job that publishes names a platform")?;
    Ok(named)
}

fn whole_matrix(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (place, job) in matrices(evidence)? {
        let mut named: Vec<&str> = variants(job).into_iter().map(|(architecture, _)| architecture).collect();
        named.sort_unstable();
        named.dedup();
        let seen = format!("only for {}", named.join(", "));
        let missing = PLATFORMS.iter().filter(|platform| !named.iter().any(|it| platform.ends_with(it)));
        violations.extend(missing.map(|platform| Violation::new(format!("{place} is there for {platform}"), &*seen)));
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
            let unknown = || Inconclusive(format!("{place}: {} is known only when it runs", job.runs_on.join(", ")));
            let labels = labels.ok_or_else(unknown)?;
            let is_arm = labels.iter().any(|label| label.to_lowercase().contains("arm"));
            violations.extend(unless(
                is_arm == (architecture == "arm64"),
                format!("{place} for {architecture} runs on such a machine"),
                format!("it runs on {}", labels.join(", ")),
            ));
        }
    }
    Ok(violations)
}
