//! FR-019: cleaning up a `latest` that is not there is a warning, not an error.

use super::prelude::*;

/// Words of which one must stand in what is printed when clean-up is denied.
const DENIAL: &[&str] = &["403", "denied", "forbidden", "permission", "not allowed"];

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("the_first_build_of_all_succeeds", &["FR-019"], Scenario::FirstEver, first),
    Check::pipeline("a_latest_that_is_not_there_is_a_warning", &["FR-019"], Scenario::FirstEver, warned),
    Check::pipeline("a_clean_up_that_is_denied_is_told", &["FR-019", "FR-015"], Scenario::CleanupDenied, denied),
];

fn first(evidence: &Evidence) -> Judgement {
    Ok(success(run(evidence, "first")?))
}

/// A user who expected a clean-up is told why there was none.
fn warned(evidence: &Evidence) -> Judgement {
    let warns = |line: &str| line.trim_start().starts_with("::warning") && line.to_lowercase().contains("latest");
    let warned = run(evidence, "first")?.stages.iter().any(|stage| stage.printed().lines().any(warns));
    Ok(unless(warned, "an annotation warns that there was no latest to clean up", "no `::warning…` names latest"))
}

/// Whether the run then fails is the pipeline's choice; that it says nothing is not.
fn denied(evidence: &Evidence) -> Judgement {
    works(evidence, "first")?;
    any_fault_fired(evidence, "nothing was to be deleted")?;
    let tells = |line: &str| {
        let line = line.to_lowercase();
        (line.contains("warning") || line.contains("error")) && DENIAL.iter().any(|word| line.contains(word))
    };
    let mut stages = run(evidence, "second")?.stages.iter();
    let told = stages.any(|stage| stage.printed().lines().chain(stage.summary.lines()).any(tells));
    Ok(unless(told, "a warning or an error says that the clean-up is not allowed", "no line says so"))
}
