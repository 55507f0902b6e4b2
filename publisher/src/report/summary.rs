//! The job summary: what GitHub shows on the page of a run, Markdown appended to the file in `GITHUB_STEP_SUMMARY`.

use std::time::Duration;

use super::{
    message::{bytes, duration},
    outcome::{Publication, Status},
    sanitize,
    text::{change, pull_commands},
};
use crate::exit::{Exit, Failure};

/// The characters that begin something in the middle of a line of Markdown: emphasis, code, links, HTML, cells, maths,
/// headings (GitHub Flavored Markdown 0.29).
const SPECIAL: &str = "\\`*_{}[]<>#|&~$";

/// The summary of a run that succeeded.
pub fn publication(publication: &Publication) -> String {
    let status = match publication.status {
        Status::Published => "Published",
        Status::Staged => "Staged by digest, not tagged:",
        Status::Skipped => "Built, not pushed:",
    };
    let registries = publication.registries.iter().map(|registry| {
        let (name, change) = (escaped(&registry.name), escaped(&change(publication.status, registry)));
        let (reference, digest) = (&registry.reference, &registry.digest);
        format!("| {name} | `{reference}` | `{digest}` | {change} | {} |\n", registry.retries)
    });
    let platforms = publication.platforms.iter().map(|it| {
        let (size, uploaded) = (bytes(it.size), bytes(it.bytes_uploaded));
        let reused = format!("{} of {}", it.layers_known, it.layers);
        format!("| `{}` | `{}` | {size} | {reused} | {uploaded} |\n", it.platform, it.digest)
    });
    let builds = publication.builds.iter().map(|build| format!("| `{}` | {build} |\n", build.platform));
    let undo: Vec<_> = publication.cleanup.iter().flat_map(|report| report.restore.clone()).collect();
    let timings = publication.timings.iter().map(|timing| {
        let platform = timing.platform.as_ref().map(|platform| format!("`{platform}`")).unwrap_or_default();
        let took = duration(Duration::from_millis(timing.milliseconds));
        format!("| {} | {platform} | {took} |\n", timing.phase.replace('_', " "))
    });
    sections([
        format!("## {status} `{}`\n", publication.tag),
        table("| Registry | Reference | Digest | Tag | Retries |", registries),
        table("| Platform | Digest | Size | Layers reused | Uploaded |", platforms),
        table("| Build | Cache |", builds),
        code_block("console", &pull_commands(publication)),
        titled("### Cleaned up", publication.cleanup.iter().map(|it| format!("- {}\n", escaped(&it.line())))),
        titled("To undo the removal, within 30 days:", [code_block("console", &undo)]),
        table("| Phase | Platform | Duration |", timings),
        titled("### Warnings", publication.warnings.iter().map(|it| format!("- ⚠️ {}\n", escaped(it)))),
    ])
}

/// The summary of a clean-up, from its trees.
pub fn cleaned(trees: &str) -> String {
    let lines: Vec<_> = trees.lines().map(str::to_owned).collect();
    format!("## Clean-up\n\n{}", code_block("text", &lines))
}

/// The summary of a run that failed.
pub fn failure(failure: &Failure) -> String {
    let title = if failure.exit == Exit::Superseded { "Publishing stopped" } else { "Publishing failed" };
    let message = escaped(&failure.message);
    let causes = failure.chain().split_off(1).into_iter();
    let causes: Vec<_> = causes.map(|cause| format!("caused by: {}", sanitize::one_line(&cause))).collect();
    let named = |name: &str, text: &Option<String>| {
        text.as_ref().map(|text| format!("**{name}:** {}\n", escaped(text))).unwrap_or_default()
    };
    sections([
        format!("## {title}\n\n❌ **{message}** (exit code {})\n", failure.exit as u8),
        code_block("text", &causes),
        named("State left", &failure.left),
        named("Hint", &failure.hint),
    ])
}

/// The sections that are not empty.
fn sections<const N: usize>(sections: [String; N]) -> String {
    sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A table; empty without rows. Text from outside must be escaped.
fn table(head: &str, rows: impl IntoIterator<Item = String>) -> String {
    let rows: String = rows.into_iter().collect();
    let line = "| --- ".repeat(head.matches(" | ").count() + 1);
    if rows.is_empty() { rows } else { format!("{head}\n{line}|\n{rows}") }
}

/// Lines under a title; empty without lines.
fn titled(title: &str, lines: impl IntoIterator<Item = String>) -> String {
    let text: String = lines.into_iter().collect();
    if text.is_empty() { text } else { format!("{title}\n\n{text}") }
}

/// Text from outside that shows as it is, on one line, in a cell or outside.
fn escaped(text: &str) -> String {
    let escape = |c: char| if SPECIAL.contains(c) { format!("\\{c}") } else { c.into() };
    sanitize::one_line(text).chars().map(escape).collect()
}

/// A block of code lines in a language; its fence is longer than any run of backticks in it. Empty without lines.
fn code_block(language: &str, lines: &[String]) -> String {
    let runs = lines.iter().flat_map(|line| line.split(|c| c != '`')).map(str::len);
    let Some(longest) = runs.max() else { return String::new() };
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", lines.join("\n"))
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
        | `linux/amd64` | `sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942` | 31.40 MB | 4 of 5 | 2.40 MB |
        | `linux/arm64` | `sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a` | 31.40 MB | 0 of 5 | 62.80 MB |

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
        | build | `linux/amd64` | 1 m 01 s |
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
        hostile = hostile.because(std::io::Error::other("```\n# heading"));
        insta::assert_snapshot!(failure(&hostile), @r"
        ## Publishing failed

        ❌ **push \| to \#\# \<img src=x\>** (exit code 4)

        ````text
        caused by: ``` # heading
        ````

        **State left:** nothing was published

        **Hint:** run it again; what was sent is not sent twice
        ");
    }

    #[rstest::rstest]
    #[case("plain, text. (fine)!", "plain, text. (fine)!")]
    #[case("a|b\n| c |", r"a\|b \| c \|")]
    #[case("<script>&amp;`x`", r"\<script\>\&amp;\`x\`")]
    #[case("[x](y) **b** _i_ ~s~ $m$ # h", r"\[x\](y) \*\*b\*\* \_i\_ \~s\~ \$m\$ \# h")]
    #[case(r"a\|b", r"a\\\|b")]
    fn text_shows_as_it_is(#[case] given: &str, #[case] escaped: &str) {
        assert_eq!(super::escaped(given), escaped);
    }

    #[test]
    fn a_block_cannot_end_itself() {
        assert_eq!(code_block("text", &["a".into(), "```".into()]), "````text\na\n```\n````\n");
    }
}
