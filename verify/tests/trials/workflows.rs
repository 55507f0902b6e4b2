//! Workflows that are known to be good or broken, and what the checks that read workflows must say of each.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use libtest_mimic::{Failed, Trial};
use verify::{
    check::{Check, Need},
    checks::all,
    report::{Outcome, outcome_text},
    target::{judge_workflows, read_workflows},
    verdict::Verdict,
    workflow::{Event, Repositories, template, workflow},
};

use crate::{broken::run as verify, world::project};

/// The exit codes that say that everything passed, and that nobody can tell.
const VERIFIED: i32 = 0;
const UNKNOWN: i32 = 2;

/// Workflows without a defect, of quite different shapes.
const GOOD: &[&str] =
    &["single.yml", "jobs.yml", "called/.github/workflows/build-images.yml", "remote.yml", "usual-group.yml"];

/// Each broken workflow, with the verdicts that are expected of it: all others pass. What one defect makes impossible to
/// tell is UNKNOWN.
const BROKEN: &[(&str, &[&str])] = &[
    ("action-by-tag", &["FAIL fr_013::every_action_is_pinned_by_its_commit"]),
    ("another-secret", &["FAIL fr_013::docker_hubs_credentials_are_the_two_secrets"]),
    ("arm64-on-amd64", &["FAIL fr_003::each_platform_has_a_runner_of_its_kind"]),
    ("builds-as-root", &["FAIL fr_004::no_step_builds_as_root"]),
    ("by-hand-publishes-nothing", &["FAIL fr_016::a_start_by_hand_publishes"]),
    ("cancels-one-job", &["FAIL fr_020::a_newer_run_cancels_the_one_in_progress"]),
    ("cancels-only-main", &["FAIL fr_020::a_newer_run_cancels_the_one_in_progress"]),
    ("does-not-cancel", &["FAIL fr_020::a_newer_run_cancels_the_one_in_progress"]),
    ("doctor-tells-nothing", &["FAIL fr_015::a_failed_or_cancelled_run_is_told"]),
    ("docker-builds", &["FAIL fr_004::no_step_builds_as_root"]),
    ("event-is-run", &["FAIL fr_016::what_is_typed_in_is_never_run"]),
    ("fails-fast", &["FAIL fr_015::a_platform_that_fails_does_not_end_the_others"]),
    ("failure-continues", &["FAIL fr_015::no_failure_is_overlooked"]),
    ("failure-in-a-pipe", &["FAIL fr_015::no_failure_is_overlooked"]),
    ("failure-is-forgiven", &["FAIL fr_015::no_failure_is_overlooked"]),
    ("form-demands-a-tag", &["FAIL fr_016::the_form_can_be_sent_as_it_is"]),
    ("group-of-a-commit", &["FAIL fr_020::runs_of_one_ref_are_one_group"]),
    ("input-is-run", &["FAIL fr_016::what_is_typed_in_is_never_run"]),
    ("leaves-files-out", &["FAIL fr_001::no_change_to_main_is_left_out"]),
    ("matrix-in-one-group", &["FAIL fr_020::nothing_within_a_run_is_in_the_runs_own_group"]),
    ("may-not-write-packages", &["FAIL fr_014::what_publishes_may_write_packages"]),
    ("may-write-contents", &["FAIL fr_014::no_job_may_write_more_than_it_needs"]),
    ("merge-does-not-wait", &["FAIL fr_017::what_makes_an_image_visible_waits_for_every_build"]),
    ("merges-always", &["FAIL fr_017::nothing_becomes_visible_after_a_failure"]),
    ("merges-if-cancelled", &["FAIL fr_017::nothing_becomes_visible_after_a_failure"]),
    ("merges-only-main", &["FAIL fr_002::a_pushed_version_tag_publishes"]),
    ("merges-only-tags", &["FAIL fr_001::a_push_to_main_publishes", "FAIL fr_016::a_start_by_hand_publishes"]),
    ("merges-unless-cancelled", &["FAIL fr_017::nothing_becomes_visible_after_a_failure"]),
    ("no-limit-of-time", &["FAIL sc_009::every_job_has_a_limit_of_time"]),
    ("no-merge", &["FAIL fr_017::what_makes_an_image_visible_waits_for_every_build"]),
    (
        "not-by-hand",
        &[
            "FAIL fr_016::it_can_be_started_by_hand",
            "UNKNOWN fr_016::the_form_asks_for_tag_platforms_and_push",
            "UNKNOWN fr_016::the_form_can_be_sent_as_it_is",
            "UNKNOWN fr_016::a_start_by_hand_publishes",
        ],
    ),
    ("oci-format", &["FAIL fr_010::no_step_makes_ocis_format"]),
    ("oci-list", &["FAIL fr_010::no_step_makes_ocis_format"]),
    ("one-group-for-all", &["FAIL fr_020::runs_of_one_ref_are_one_group"]),
    ("one-group-for-all-tags", &["FAIL fr_020::runs_of_one_ref_are_one_group"]),
    ("only-amd64", &["FAIL fr_003::no_platform_is_left_out_of_the_matrix"]),
    ("permissions-unstated", &["FAIL fr_014::permissions_are_written_down"]),
    ("pushes-always", &["FAIL fr_017::nothing_becomes_visible_after_a_failure"]),
    ("pushes-each-platform", &["FAIL fr_017::what_makes_an_image_visible_waits_for_every_build"]),
    ("reports-without-a-word", &["FAIL fr_015::a_failed_or_cancelled_run_is_told"]),
    ("secret-as-argument", &["FAIL fr_013::no_secret_becomes_an_argument"]),
    ("secret-in-script", &["FAIL fr_013::no_secret_is_written_into_a_script"]),
    ("secret-printed", &["FAIL fr_013::no_secret_is_printed"]),
    ("shuts-mistakes-out", &["FAIL fr_021::a_tag_that_is_no_version_starts_it_too"]),
    ("shuts-versions-out", &["FAIL fr_002::every_pushed_version_tag_starts_it"]),
    ("skip-push-is-text", &["FAIL fr_016::the_form_asks_for_tag_platforms_and_push"]),
    ("starts-nothing-on-main", &["FAIL fr_001::a_push_to_main_starts_it", "UNKNOWN fr_001::a_push_to_main_publishes"]),
    ("strangers-start-it", &["FAIL fr_013::no_event_of_strangers_starts_it"]),
    ("tells-of-no-failure", &["FAIL fr_015::a_failed_or_cancelled_run_is_told"]),
    ("tells-nothing", &["FAIL fr_015::a_failed_or_cancelled_run_is_told"]),
    ("token-in-checkout", &["FAIL fr_014::the_checkout_leaves_no_token"]),
    (
        "token-in-file",
        &[
            "UNKNOWN fr_003::no_platform_is_left_out_of_the_matrix",
            "UNKNOWN fr_003::each_platform_has_a_runner_of_its_kind",
            "FAIL fr_013::docker_hubs_credentials_are_the_two_secrets",
        ],
    ),
    ("token-of-a-person", &["FAIL fr_014::ghcr_gets_the_workflows_token"]),
    ("usual-action", &["FAIL fr_004::no_step_builds_as_root", "FAIL fr_010::no_step_makes_ocis_format"]),
    ("variables-printed", &["FAIL fr_013::no_secret_is_printed"]),
    ("waits-for-approval", &["FAIL sc_001::nobody_has_to_agree"]),
    ("waits-for-itself", &["FAIL fr_020::nothing_within_a_run_is_in_the_runs_own_group"]),
    ("write-all", &["FAIL fr_014::no_job_may_write_more_than_it_needs"]),
];

/// Workflows that call this project's own, as `publisher init` writes them for repositories that publish `main` to both
/// registries.
const CALLING: &[&str] = &["init/root", "init/own-workflow"];

/// The checks that must hold for every workflow of a repository, whatever it is for.
const ANY: &[&str] = &[
    "fr_004::no_step_builds_as_root",
    "fr_013::every_action_is_pinned_by_its_commit",
    "fr_013::no_event_of_strangers_starts_it",
    "fr_013::no_secret_becomes_an_argument",
    "fr_013::no_secret_is_printed",
    "fr_013::no_secret_is_written_into_a_script",
    "fr_014::permissions_are_written_down",
    "fr_014::the_checkout_leaves_no_token",
    "fr_016::what_is_typed_in_is_never_run",
];

/// One trial a workflow, and some for what all of them together must show.
pub(crate) fn trials() -> Vec<Trial> {
    let name = |kind: &str, file: &str| {
        format!("workflows::{kind}::{}", file.trim_end_matches(".yml").replace(['-', '/', '.'], "_"))
    };
    let good = GOOD.iter().map(|file| Trial::test(name("good", file), move || expect(&fixture(file), &[])));
    let broken = BROKEN.iter().map(|(file, expected)| {
        Trial::test(name("broken", file), move || expect(&fixture(&format!("broken/{file}.yml")), expected))
    });
    let others = [
        Trial::test("workflows::project::what_publishes_is_right", || expect(&own("build-images.yml"), &[])),
        Trial::test("workflows::project::what_calls_it_is_right", calling),
        Trial::test("workflows::project::nothing_interrupts_what_moves_tags", uninterrupted),
        Trial::test("workflows::project::a_start_by_hand_cancels_nothing", alone),
        Trial::test("workflows::project::every_workflow_is_careful", careful),
        Trial::test("workflows::every_broken_workflow_is_in_the_table", all_in_table),
        Trial::test("workflows::every_check_fails_on_a_broken_workflow", every_check_fails),
        Trial::test("workflows::what_is_called_elsewhere_is_not_green", elsewhere),
        Trial::test("workflows::what_cannot_be_read_is_no_verdict", unreadable),
    ];
    good.chain(broken).chain(others).collect()
}

fn fixture(file: &str) -> PathBuf {
    project().join("fixtures/workflows").join(file)
}

/// A workflow of this project.
fn own(file: &str) -> PathBuf {
    project().join(".github/workflows").join(file)
}

/// The checks that read workflows.
fn reading() -> Vec<&'static Check> {
    all().into_iter().filter(|check| check.needs.contains(&Need::Workflow)).collect()
}

fn verdicts(path: &Path, checks: &[&'static Check]) -> Vec<(&'static Check, Verdict)> {
    let elsewhere = [("acme/pipelines", fixture("called")), ("example/tallyman", project())];
    let repositories = Repositories::new(elsewhere.map(|(name, folder)| (name.to_owned(), folder)));
    let evidence = read_workflows(&[path.to_owned()], &repositories);
    judge_workflows(checks, &evidence)
}

/// All checks pass but for those of which another verdict is expected. A matrix that is not there cannot be judged.
fn expect(path: &Path, expected: &[&str]) -> Result<(), Failed> {
    let verdicts = verdicts(path, &reading());
    let wrong = || verdicts.iter().filter(|(_, verdict)| !matches!(verdict, Verdict::Pass | Verdict::NotRun { .. }));
    let seen: Vec<String> = wrong().map(|(check, verdict)| format!("{} {}", verdict.word(), check.id())).collect();
    let left_out: Vec<String> = verdicts
        .iter()
        .filter(|(check, verdict)| matches!(verdict, Verdict::NotRun { .. }) && !check.needs.contains(&Need::Matrix))
        .map(|(check, _)| check.id())
        .collect();
    if seen == expected && left_out.is_empty() {
        return Ok(());
    }
    let told =
        wrong().map(|(check, verdict)| outcome_text(&Outcome::of(check, verdict.clone(), None, String::new()), false));
    Err(format!("{}: expected {expected:?}\nnot run: {left_out:?}\n{}", path.display(), told.collect::<String>())
        .into())
}

fn calling() -> Result<(), Failed> {
    let path = |folder: &&str| project().join("fixtures").join(folder).join(".github/workflows/build-images.yml");
    CALLING.iter().map(path).try_for_each(|path| expect(&path, &[]))
}

/// The run as a whole is in no group, and what moves tags waits in one that cancels nothing.
fn uninterrupted() -> Result<(), Failed> {
    let workflow = workflow(&own("build-images.yml"), &Repositories::default()).map_err(|error| error.with_causes())?;
    let merge = workflow.jobs.iter().find(|job| job.id == "publish/tag/merge").ok_or("there is no merge")?;
    let cancelling: Vec<_> = workflow.concurrency.iter().chain(&merge.concurrency).collect();
    if !cancelling.is_empty() && cancelling.iter().all(|it| it.cancel_in_progress == "false") {
        return Ok(());
    }
    Err(format!("{cancelling:?}").into())
}

/// Two runs that were started by hand on one branch are in no common group, nor in one with a push to it.
fn alone() -> Result<(), Failed> {
    let workflow = workflow(&own("build-images.yml"), &Repositories::default()).map_err(|error| error.with_causes())?;
    let group = |event: Event, run: &str, text: &str| {
        template(text, &|name| match name {
            "github.run_id" => Some(run.to_owned()),
            "github.workflow" | "matrix.name" => Some("'x'".to_owned()),
            _ => event.known(&workflow, name),
        })
    };
    let groups: Vec<_> =
        workflow.concurrency.iter().chain(workflow.jobs.iter().flat_map(|job| &job.concurrency)).collect();
    assert!(!groups.is_empty());
    for it in groups {
        let of = [(Event::ByHand, "1"), (Event::ByHand, "2"), (Event::MAIN, "3")];
        let of: BTreeSet<_> = of.into_iter().filter_map(|(event, run)| group(event, run, &it.group)).collect();
        if of.len() != 3 {
            return Err(format!("{}: {of:?}", it.place).into());
        }
    }
    Ok(())
}

/// Every workflow of this project keeps the rules that every workflow must keep.
fn careful() -> Result<(), Failed> {
    let checks: Vec<&Check> = reading().into_iter().filter(|check| ANY.contains(&check.id().as_str())).collect();
    assert_eq!(checks.len(), ANY.len());
    let mut told = String::new();
    for entry in fs::read_dir(own(""))? {
        let path = entry?.path();
        for (check, verdict) in verdicts(&path, &checks).into_iter().filter(|(_, verdict)| !verdict.is_green()) {
            let outcome = Outcome::of(check, verdict, None, String::new());
            told.extend([path.display().to_string(), "\n".to_owned(), outcome_text(&outcome, false)]);
        }
    }
    if told.is_empty() { Ok(()) } else { Err(told.into()) }
}

fn all_in_table() -> Result<(), Failed> {
    let entries = fs::read_dir(fixture("broken"))?;
    let files = entries.map(|entry| Ok(entry?.path().file_stem().unwrap().to_string_lossy().into_owned()));
    let files: BTreeSet<String> = files.collect::<Result<_, std::io::Error>>()?;
    let table: BTreeSet<String> = BROKEN.iter().map(|(file, _)| (*file).to_owned()).collect();
    if files == table { Ok(()) } else { Err(format!("{:?}", files.symmetric_difference(&table)).into()) }
}

/// A check that no workflow fails might be one that cannot fail.
fn every_check_fails() -> Result<(), Failed> {
    let failing: BTreeSet<&str> =
        BROKEN.iter().flat_map(|(_, expected)| *expected).filter_map(|verdict| verdict.strip_prefix("FAIL ")).collect();
    let missing: Vec<String> =
        reading().into_iter().map(Check::id).filter(|id| !failing.contains(id.as_str())).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("no broken workflow fails these:\n{}", missing.join("\n")).into())
    }
}

/// The program ends with UNKNOWN where a called workflow is not on this machine, and with success where it is told where.
fn elsewhere() -> Result<(), Failed> {
    let path = fixture("remote.yml").to_string_lossy().into_owned();
    let folder = format!("acme/pipelines={}", fixture("called").display());
    let without = verify(&["workflow", &path], None);
    let with = verify(&["workflow", &path, "--repository", &folder], None);
    let told = String::from_utf8_lossy(&without.stdout);
    let named = told.contains("acme/pipelines/.github/workflows/publish.yml@") && told.contains("--repository");
    if without.status.code() == Some(UNKNOWN) && named && with.status.code() == Some(VERIFIED) {
        return Ok(());
    }
    Err(format!("{} {}\n{told}", without.status, with.status).into())
}

/// No file, no workflow, and an action that is not there: nobody can tell anything.
fn unreadable() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.yml");
    let lost = "on: push\njobs: { a: { runs-on: x, steps: [{ uses: ./lost }] } }";
    for text in [None, Some("on: push"), Some("on: ["), Some(lost)] {
        if let Some(text) = text {
            fs::write(&path, text)?;
        }
        let output = verify(&["workflow", &path.to_string_lossy()], None);
        let told = String::from_utf8_lossy(&output.stdout);
        if output.status.code() != Some(UNKNOWN) || told.contains("PASS ") || !told.contains("UNKNOWN") {
            return Err(format!("{text:?}: {}\n{told}", output.status).into());
        }
    }
    Ok(())
}
