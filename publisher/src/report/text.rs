//! The result of a run, or its failure, for a person at a terminal.

use std::fmt::Write as _;

use super::{
    message::{bytes, count},
    outcome::{Publication, RegistryOutcome, Status},
    sanitize,
    style::{BOLD, CYAN, GREEN, RED, YELLOW},
};
use crate::{clean::Report, exit::Failure, oci::short, stage::StagedImage};

/// What was published, with colours: for stdout, ends with a line end.
pub fn publication(publication: &Publication) -> String {
    let mut blocks = vec![headline(publication)];
    let mut block = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            blocks.push(format!("{BOLD}{title}{BOLD:#}\n  {}\n", lines.join("\n  ")));
        }
    };
    block("platforms", aligned(&publication.platforms.iter().map(platform_row).collect::<Vec<_>>()));
    let builds = publication.builds.iter().map(|build| [build.platform.to_string(), build.to_string()]);
    block("cache", aligned(&builds.collect::<Vec<_>>()));
    let registries = publication.registries.iter().map(|registry| registry_row(publication.status, registry));
    block("registries", aligned(&registries.collect::<Vec<_>>()));
    block("cleaned up", publication.cleanup.iter().map(Report::line).collect());
    block("undo", publication.cleanup.iter().flat_map(|report| report.restore.clone()).collect());
    block("pull", pull_commands(publication));
    let warnings = publication.warnings.iter().map(|text| format!("{YELLOW}{}{YELLOW:#}", sanitize::one_line(text)));
    block("warnings", warnings.collect());
    blocks.join("\n")
}

/// What failed, its causes, what was left and the hint, with colours: for stderr, ends with a line end. Further lines of a
/// text are indented.
pub fn failure(failure: &Failure) -> String {
    let indented = |text: &str| sanitize::lines(text).join("\n    ");
    let mut text = format!("{RED}error{RED:#}: {}\n", indented(&failure.message));
    for cause in &failure.chain()[1..] {
        let _ = writeln!(text, "  caused by: {}", indented(cause));
    }
    if let Some(left) = &failure.left {
        let _ = writeln!(text, "{BOLD}left{BOLD:#}: {}", indented(left));
    }
    if let Some(hint) = &failure.hint {
        let _ = writeln!(text, "{CYAN}hint{CYAN:#}: {}", indented(hint));
    }
    text
}

/// The commands that pull what was published; none where no tag moved.
pub(super) fn pull_commands(publication: &Publication) -> Vec<String> {
    let references = publication.registries.iter().filter(|_| publication.status == Status::Published);
    references.map(|registry| format!("podman pull {}", registry.reference)).collect()
}

fn headline(publication: &Publication) -> String {
    let status = match publication.status {
        Status::Published => "published",
        Status::Staged => "staged by digest, not tagged:",
        Status::Skipped => "built, not pushed:",
    };
    let digest = publication.digest.as_ref().map(|digest| format!("  {digest}")).unwrap_or_default();
    format!("{GREEN}{status}{GREEN:#} {BOLD}{}{BOLD:#}{digest}\n", publication.tag)
}

fn platform_row(platform: &StagedImage) -> [String; 4] {
    let layers = count(platform.layers as u64, "layer");
    let known = platform.layers_known;
    let known = if known == 0 { String::new() } else { format!(", {known} reused") };
    [
        platform.platform.to_string(),
        short(&platform.digest).to_owned(),
        bytes(platform.size),
        format!("{layers}{known}, {} uploaded", bytes(platform.bytes_uploaded)),
    ]
}

fn registry_row(status: Status, registry: &RegistryOutcome) -> [String; 3] {
    let retries = registry.retries;
    let retries = if retries == 0 { String::new() } else { format!(", {retries} retried") };
    let traffic = format!("{}, {} sent{retries}", count(registry.requests, "request"), bytes(registry.bytes_sent));
    [registry.name.clone(), change(status, registry), traffic]
}

/// What the run changed about the tag.
pub(super) fn change(status: Status, registry: &RegistryOutcome) -> String {
    match &registry.previous {
        _ if status != Status::Published => "tag not moved".into(),
        None => "new".into(),
        Some(previous) if *previous == registry.digest => "unchanged".into(),
        Some(previous) => format!("replaces {}", short(previous)),
    }
}

/// The rows with their cells under each other.
fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let padded = |row: &[String; N]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(padded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exit::Exit,
        report::{
            outcome::tests::{failure as a_failure, publication as a_publication},
            sanitize::without_escapes,
        },
    };

    #[test]
    fn a_publication_fits_a_screen() {
        insta::assert_snapshot!(without_escapes(&publication(&a_publication())), @"
        published latest  sha256:a330395cc0a53ad1207736546afff4735940937564bbf75ce1edad40780d9139

        platforms
          linux/amd64  baf0239e48ff  31.40 MB  5 layers, 4 reused, 2.40 MB uploaded
          linux/arm64  b3e3ab55f887  31.40 MB  5 layers, 62.80 MB uploaded

        cache
          linux/amd64  6 of 7 steps reused
          linux/arm64  0 of 7 steps reused

        registries
          ghcr       replaces 6db7d803e74f  23 requests, 31.40 MB sent
          dockerhub  new                    23 requests, 31.40 MB sent, 2 retried

        cleaned up
          ghcr: 2 removed, 1 kept

        undo
          gh api --method POST /orgs/acme/packages/container/hello/versions/7/restore

        pull
          podman pull ghcr.io/acme/hello:latest
          podman pull docker.io/acme/hello:latest

        warnings
          the old image stays: its list could not be read
        ");
    }

    #[test]
    fn what_was_only_staged_offers_no_pull() {
        let mut staged = a_publication();
        staged.status = Status::Staged;
        staged.registries.truncate(1);
        staged.warnings.clear();
        staged.cleanup.clear();
        insta::assert_snapshot!(without_escapes(&publication(&staged)), @"
        staged by digest, not tagged: latest  sha256:a330395cc0a53ad1207736546afff4735940937564bbf75ce1edad40780d9139

        platforms
          linux/amd64  baf0239e48ff  31.40 MB  5 layers, 4 reused, 2.40 MB uploaded
          linux/arm64  b3e3ab55f887  31.40 MB  5 layers, 62.80 MB uploaded

        cache
          linux/amd64  6 of 7 steps reused
          linux/arm64  0 of 7 steps reused

        registries
          ghcr  tag not moved  23 requests, 31.40 MB sent
        ");
    }

    #[test]
    fn what_was_not_pushed_has_no_digest_to_show() {
        let mut skipped = a_publication();
        skipped.status = Status::Skipped;
        skipped.digest = None;
        assert!(without_escapes(&publication(&skipped)).starts_with("built, not pushed: latest\n\nplatforms\n"));
    }

    #[test]
    fn a_tag_that_pointed_there_already_is_unchanged() {
        let mut registry = a_publication().registries.remove(0);
        registry.previous = Some(registry.digest.clone());
        registry.retries = 1;
        assert_eq!(
            registry_row(Status::Published, &registry)[1..],
            ["unchanged", "23 requests, 31.40 MB sent, 1 retried"]
        );
    }

    #[test]
    fn a_failure_says_what_why_what_was_left_and_what_helps() {
        insta::assert_snapshot!(without_escapes(&failure(&a_failure())), @"
        error: failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts
          caused by: the registry answered 503 Service Unavailable
          caused by: unavailable
        left: nothing was published
        hint: run it again; what was sent is not sent twice
        ");
    }

    #[test]
    fn colour_marks_the_first_words_only() {
        insta::assert_snapshot!(failure(&a_failure()).replace('\u{1b}', "^"), @"
        ^[1m^[31merror^[0m: failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts
          caused by: the registry answered 503 Service Unavailable
          caused by: unavailable
        ^[1mleft^[0m: nothing was published
        ^[36mhint^[0m: run it again; what was sent is not sent twice
        ");
    }

    #[test]
    fn a_cause_of_several_lines_stays_indented_and_gives_no_orders() {
        let cause = std::io::Error::other("one\n\u{1b}[2Jtwo\r\nhint: three");
        insta::assert_snapshot!(without_escapes(&failure(&Failure::new(Exit::Failed, "failed to x").because(cause))), @"
        error: failed to x
          caused by: one
            two
            hint: three
        ");
    }
}
