//! The job summary: what GitHub shows on the page of a run, Markdown appended to the file in `GITHUB_STEP_SUMMARY`.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

use super::{
    markdown::{code, code_block, code_cell, table, text},
    outcome::{Publication, Status},
    text::{CAUSE, change, explanation, pull_commands},
    units,
};
use crate::exit::{Exit, Failure};

/// The summary could not be written.
#[derive(Debug, Error)]
#[error("failed to append to the job summary {}", path.display())]
pub struct AppendError {
    path: PathBuf,
    source: io::Error,
}

/// The summary of a run that succeeded.
pub fn publication(publication: &Publication) -> String {
    let did = match publication.status {
        Status::Published => "Published",
        Status::Staged => "Staged by digest, not tagged:",
        Status::Skipped => "Built, not pushed:",
    };
    let mut sections = vec![format!("## {did} {}\n", code(&publication.tag))];
    if !publication.registries.is_empty() {
        sections.push(registries(publication));
    }
    if !publication.platforms.is_empty() {
        sections.push(platforms(publication));
    }
    if !publication.builds.is_empty() {
        sections.push(builds(publication));
    }
    let pull = pull_commands(publication);
    if !pull.is_empty() {
        sections.push(code_block("console", &pull));
    }
    let undo: Vec<_> = publication.cleanup.iter().flat_map(|report| report.restore.clone()).collect();
    if !publication.cleanup.is_empty() {
        let lines: Vec<_> = publication.cleanup.iter().map(|report| format!("- {}", text(&report.line()))).collect();
        sections.push(format!("### Cleaned up\n\n{}\n", lines.join("\n")));
    }
    if !undo.is_empty() {
        sections.push(format!("To undo the removal, within 30 days:\n\n{}", code_block("console", &undo)));
    }
    if !publication.timings.is_empty() {
        sections.push(timings(publication));
    }
    if !publication.warnings.is_empty() {
        let items: Vec<_> = publication.warnings.iter().map(|warning| format!("- ⚠️ {}", text(warning))).collect();
        sections.push(format!("### Warnings\n\n{}\n", items.join("\n")));
    }
    sections.join("\n")
}

/// The summary of a clean-up, from its trees.
pub fn cleaned(trees: &str) -> String {
    let lines: Vec<_> = trees.lines().map(str::to_owned).collect();
    format!("## Clean-up\n\n{}", code_block("text", &lines))
}

/// The summary of a run that failed.
pub fn failure(failure: &Failure) -> String {
    let title = if failure.exit == Exit::Superseded { "Publishing stopped" } else { "Publishing failed" };
    let mut sections = vec![
        format!(
            "## {title}
"
        ),
        format!(
            "❌ **{}** (exit code {})
",
            text(&failure.message),
            failure.exit as u8
        ),
    ];
    let causes = explanation(failure).into_iter().filter(|(label, _)| *label == CAUSE);
    let causes: Vec<_> = causes.map(|(label, cause)| format!("{label}: {cause}")).collect();
    if !causes.is_empty() {
        sections.push(code_block("text", &causes));
    }
    sections.extend(failure.left.iter().map(|left| format!("**State left:** {}\n", text(left))));
    sections.extend(failure.hint.iter().map(|hint| format!("**Hint:** {}\n", text(hint))));
    sections.join("\n")
}

/// Appends a summary to the file; other steps of the job may have written to it before.
///
/// # Errors
///
/// [`AppendError`] names the file.
pub fn append(path: &Path, summary: &str) -> Result<(), AppendError> {
    let written = OpenOptions::new().create(true).append(true).open(path);
    // The empty line ends whatever paragraph or table was before.
    let written = written.and_then(|mut file| file.write_all(format!("{summary}\n").as_bytes()));
    written.map_err(|source| AppendError { path: path.to_owned(), source })
}

fn registries(publication: &Publication) -> String {
    let rows = publication.registries.iter().map(|registry| {
        [
            text(&registry.name),
            code_cell(&registry.reference),
            code_cell(registry.digest.as_ref()),
            text(&change(publication.status, registry)),
            registry.retries.to_string(),
        ]
    });
    table(["Registry", "Reference", "Digest", "Tag", "Retries"], rows)
}

fn platforms(publication: &Publication) -> String {
    let rows = publication.platforms.iter().map(|platform| {
        [
            code_cell(&platform.platform.to_string()),
            code_cell(platform.digest.as_ref()),
            units::bytes(platform.size),
            format!("{} of {}", platform.layers_known, platform.layers),
            units::bytes(platform.bytes_uploaded),
        ]
    });
    table(["Platform", "Digest", "Size", "Layers reused", "Uploaded"], rows)
}

fn builds(publication: &Publication) -> String {
    let rows = publication.builds.iter().map(|build| [code_cell(&build.platform.to_string()), build.to_string()]);
    table(["Build", "Cache"], rows)
}

fn timings(publication: &Publication) -> String {
    let rows = publication.timings.iter().map(|timing| {
        let platform = timing.platform.as_deref().map(code_cell).unwrap_or_default();
        [text(&timing.phase.replace('_', " ")), platform, units::duration(Duration::from_millis(timing.milliseconds))]
    });
    table(["Phase", "Platform", "Duration"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::outcome::tests::{failure as a_failure, publication as a_publication};

    #[test]
    fn a_publication_is_a_page() {
        insta::assert_snapshot!(publication(&a_publication()), @"
        ## Published `latest`

        | Registry | Reference | Digest | Tag | Retries |
        | --- | --- | --- | --- | --- |
        | ghcr | `ghcr.io/acme/hello:latest` | `sha256:a330395cc0a53ad1207736546afff4735940937564bbf75ce1edad40780d9139` | replaces 6db7d803e74f | 0 |
        | dockerhub | `docker.io/acme/hello:latest` | `sha256:a330395cc0a53ad1207736546afff4735940937564bbf75ce1edad40780d9139` | new | 2 |

        | Platform | Digest | Size | Layers reused | Uploaded |
        | --- | --- | --- | --- | --- |
        | `linux/amd64` | `sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942` | 31.4 MB | 4 of 5 | 2.4 MB |
        | `linux/arm64` | `sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a` | 31.4 MB | 0 of 5 | 62.8 MB |

        | Build | Cache |
        | --- | --- |
        | `linux/amd64` | 6 of 7 steps reused |
        | `linux/arm64` | 0 of 7 steps reused |

        ```console
        podman pull ghcr.io/acme/hello:latest
        podman pull docker.io/acme/hello:latest
        ```

        ### Cleaned up

        - ghcr: 2 removed, 1 kept

        To undo the removal, within 30 days:

        ```console
        gh api --method POST /orgs/acme/packages/container/hello/versions/7/restore
        ```

        | Phase | Platform | Duration |
        | --- | --- | --- |
        | build | `linux/amd64` | 1 m 02 s |
        | stage | `linux/amd64` | 3.2 s |
        | commit |  | 340 ms |

        ### Warnings

        - ⚠️ the old image stays: its list could not be read
        ");
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let mut skipped = a_publication();
        skipped.status = Status::Skipped;
        skipped.registries.clear();
        skipped.platforms.clear();
        skipped.builds.clear();
        skipped.timings.clear();
        skipped.cleanup.clear();
        skipped.warnings.clear();
        assert_eq!(publication(&skipped), "## Built, not pushed: `latest`\n");
    }

    #[test]
    fn a_failure_says_what_was_left() {
        insta::assert_snapshot!(failure(&a_failure()), @"
        ## Publishing failed

        ❌ **failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts** (exit code 4)

        ```text
        caused by: the registry answered 503 Service Unavailable
        caused by: unavailable
        ```

        **State left:** nothing was published

        **Hint:** run it again; what was sent is not sent twice
        ");
    }

    #[test]
    fn a_run_that_made_way_for_a_newer_one_did_not_fail() {
        let stopped = failure(&Failure::new(Exit::Superseded, "a newer build is published"));
        assert_eq!(stopped, "## Publishing stopped\n\n❌ **a newer build is published** (exit code 5)\n");
    }

    #[test]
    fn foreign_text_cannot_leave_its_place() {
        let mut hostile = a_failure();
        hostile.message = "push | to\n\n## <img src=x>".into();
        hostile = hostile.because(io::Error::other("```\n# heading"));
        insta::assert_snapshot!(failure(&hostile), @r"
        ## Publishing failed

        ❌ **push \| to \#\# \<img src=x\>** (exit code 4)

        ````text
        caused by: ```
            # heading
        ````

        **State left:** nothing was published

        **Hint:** run it again; what was sent is not sent twice
        ");
    }

    #[test]
    fn summaries_of_several_steps_stay_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.md");
        append(&path, "one\n").unwrap();
        append(&path, "two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n\ntwo\n\n");
    }

    #[test]
    fn a_summary_that_cannot_be_written_is_named() {
        let error = append(Path::new("/nowhere/summary.md"), "x").unwrap_err();
        assert_eq!(error.to_string(), "failed to append to the job summary /nowhere/summary.md");
        assert!(std::error::Error::source(&error).is_some());
    }
}
