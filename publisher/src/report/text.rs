//! The result of a run as a person at a terminal reads it, and what ended it where it failed.

use std::fmt::Write as _;

use super::{
    clean,
    outcome::{PlatformOutcome, Publication, RegistryOutcome, Status},
    terminal::Style,
    units,
};
use crate::{clean::Report, exit::Failure, oci::short};

/// The labels of what a failure says.
pub(super) const ERROR: &str = "error";
pub(super) const CAUSE: &str = "caused by";
const LEFT: &str = "left";
const HINT: &str = "hint";

/// What was published: for stdout, ends with a line end.
pub fn publication(publication: &Publication, style: Style) -> String {
    let mut blocks = vec![headline(publication, style)];
    let mut block = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            blocks.push(format!("{}\n  {}\n", style.bold(title), lines.join("\n  ")));
        }
    };
    let rows: Vec<_> = publication.platforms.iter().map(platform_row).collect();
    block("platforms", aligned(&rows));
    let rows: Vec<_> = publication.builds.iter().map(|build| [build.platform.to_string(), build.to_string()]).collect();
    block("cache", aligned(&rows));
    let rows: Vec<_> =
        publication.registries.iter().map(|registry| registry_row(publication.status, registry)).collect();
    block("registries", aligned(&rows));
    block("cleaned up", publication.cleanup.iter().map(Report::line).collect());
    block("undo", publication.cleanup.iter().flat_map(|report| report.restore.clone()).collect());
    block("pull", pull_commands(publication));
    block("warnings", publication.warnings.iter().map(|w| style.yellow(&clean::lines(w).join(" "))).collect());
    blocks.join("\n")
}

/// What failed, its causes, what was left and what helps: for stderr, ends with a line end.
pub fn failure(failure: &Failure, style: Style) -> String {
    let line = |(label, text): (&str, String)| match label {
        ERROR => format!("{}: {text}\n", style.red(label)),
        LEFT => format!("{}: {text}\n", style.bold(label)),
        HINT => format!("{}: {text}\n", style.cyan(label)),
        _ => format!("  {label}: {text}\n"),
    };
    explanation(failure).into_iter().map(line).collect()
}

/// The parts of a failure, each with its label: message, causes, what was left, hint; further lines are indented.
pub(super) fn explanation(failure: &Failure) -> Vec<(&'static str, String)> {
    let chain = failure.chain().into_iter().enumerate();
    let mut parts: Vec<_> = chain.map(|(n, text)| (if n == 0 { ERROR } else { CAUSE }, text)).collect();
    parts.extend(failure.left.clone().map(|left| (LEFT, left)));
    parts.extend(failure.hint.clone().map(|hint| (HINT, hint)));
    parts.into_iter().map(|(label, text)| (label, clean::lines(&text).join("\n    "))).collect()
}

/// The commands that pull what was published; none where no tag moved.
pub(super) fn pull_commands(publication: &Publication) -> Vec<String> {
    let references = publication.registries.iter().filter(|_| publication.status == Status::Published);
    references.map(|registry| format!("podman pull {}", registry.reference)).collect()
}

fn headline(publication: &Publication, style: Style) -> String {
    let did = match publication.status {
        Status::Published => "published",
        Status::Staged => "staged by digest, not tagged:",
        Status::Skipped => "built, not pushed:",
    };
    let mut line = format!("{} {}", style.green(did), style.bold(&publication.tag));
    if let Some(digest) = &publication.digest {
        // Writing to a string cannot fail.
        let _ = write!(line, "  {digest}");
    }
    line + "\n"
}

fn platform_row(platform: &PlatformOutcome) -> [String; 4] {
    let layers = units::count(platform.layers as u64, "layer");
    let known = match platform.layers_known {
        0 => String::new(),
        known => format!(", {known} reused"),
    };
    [
        platform.platform.to_string(),
        short(&platform.digest).to_owned(),
        units::bytes(platform.size),
        format!("{layers}{known}, {} uploaded", units::bytes(platform.bytes_uploaded)),
    ]
}

fn registry_row(status: Status, registry: &RegistryOutcome) -> [String; 3] {
    let mut work =
        format!("{}, {} sent", units::count(registry.requests, "request"), units::bytes(registry.bytes_sent));
    match registry.retries {
        0 => {}
        1 => work.push_str(", 1 retry"),
        // Writing to a string cannot fail.
        retries => drop(write!(work, ", {retries} retries")),
    }
    [registry.name.clone(), change(status, registry), work]
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
        report::outcome::tests::{failure as a_failure, publication as a_publication},
    };

    #[test]
    fn a_publication_fits_a_screen() {
        insta::assert_snapshot!(publication(&a_publication(), Style::Plain), @"
        published latest  sha256:a330395cc0a53ad1207736546afff4735940937564bbf75ce1edad40780d9139

        platforms
          linux/amd64  baf0239e48ff  31.4 MB  5 layers, 4 reused, 2.4 MB uploaded
          linux/arm64  b3e3ab55f887  31.4 MB  5 layers, 62.8 MB uploaded

        cache
          linux/amd64  6 of 7 steps reused
          linux/arm64  0 of 7 steps reused

        registries
          ghcr       replaces 6db7d803e74f  23 requests, 31.4 MB sent
          dockerhub  new                    23 requests, 31.4 MB sent, 2 retries

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
        insta::assert_snapshot!(publication(&staged, Style::Plain), @"
        staged by digest, not tagged: latest  sha256:a330395cc0a53ad1207736546afff4735940937564bbf75ce1edad40780d9139

        platforms
          linux/amd64  baf0239e48ff  31.4 MB  5 layers, 4 reused, 2.4 MB uploaded
          linux/arm64  b3e3ab55f887  31.4 MB  5 layers, 62.8 MB uploaded

        cache
          linux/amd64  6 of 7 steps reused
          linux/arm64  0 of 7 steps reused

        registries
          ghcr  tag not moved  23 requests, 31.4 MB sent
        ");
    }

    #[test]
    fn what_was_not_pushed_has_no_digest_to_show() {
        let mut skipped = a_publication();
        skipped.status = Status::Skipped;
        skipped.digest = None;
        assert!(publication(&skipped, Style::Plain).starts_with("built, not pushed: latest\n\nplatforms\n"));
    }

    #[test]
    fn a_tag_that_pointed_there_already_is_unchanged() {
        let mut registry = a_publication().registries.remove(0);
        registry.previous = Some(registry.digest.clone());
        registry.retries = 1;
        assert_eq!(
            registry_row(Status::Published, &registry)[1..],
            ["unchanged", "23 requests, 31.4 MB sent, 1 retry"]
        );
    }

    #[test]
    fn a_failure_says_what_why_what_was_left_and_what_helps() {
        insta::assert_snapshot!(failure(&a_failure(), Style::Plain), @"
        error: failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts
          caused by: the registry answered 503 Service Unavailable
          caused by: unavailable
        left: nothing was published
        hint: run it again; what was sent is not sent twice
        ");
    }

    #[test]
    fn colour_marks_the_first_words_only() {
        insta::assert_snapshot!(failure(&a_failure(), Style::Coloured).replace('\u{1b}', "^"), @"
        ^[31;1merror^[0m: failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts
          caused by: the registry answered 503 Service Unavailable
          caused by: unavailable
        ^[1mleft^[0m: nothing was published
        ^[36mhint^[0m: run it again; what was sent is not sent twice
        ");
    }

    #[test]
    fn a_cause_of_several_lines_stays_indented_and_gives_no_orders() {
        let cause = std::io::Error::other("one\n\u{1b}[2Jtwo\r\nhint: three");
        insta::assert_snapshot!(failure(&Failure::new(Exit::Failed, "failed to x").because(cause), Style::Plain), @"
        error: failed to x
          caused by: one
            two
            hint: three
        ");
    }
}
