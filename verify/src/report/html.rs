//! One page that needs nothing else: no script, no image, no font of another place.
//!
//! Everything in it that came from a pipeline or a registry goes through the template, which escapes it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Looked, LookedImage, Outcome, Report,
    looked::wait_text,
    matrix,
    outcome::VERDICTS,
    outcome_text,
    timeline::{MarkKind, Row, Timeline},
};

const STYLE: &str = include_str!("html.css");
/// What a browser may do with the page: show it, with its own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// The width of a timeline, in its own units; the page scales it.
const WIDTH: u64 = 1000;
/// The part of it with the names.
const NAMES: u64 = 110;
/// The height of a row.
const ROW: u64 = 22;
/// The narrowest that something is drawn.
const MARK_MIN: u64 = 2;

/// The report as a page.
pub fn html(report: &Report) -> String {
    let title = if report.is_green() { "verified" } else { "not verified" };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) ": " (report.subject) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (verdict(if report.is_green() { "PASS" } else { "FAIL" }, title)) " " code { (report.subject) } }
                (counts(report))
                (looked(report))
                h2 { "Requirements" }
                (requirements(report))
                (wrong(report))
                (checks(report))
                @for timeline in &report.timelines { (drawn(timeline)) }
                footer { "verify " (report.target) ", Tallyman " (env!("CARGO_PKG_VERSION")) }
            }
        }
    }
    .into_string()
}

/// A text in the colour of a verdict.
fn verdict(word: &str, text: &str) -> Markup {
    let class = word.to_lowercase().replace(' ', "-");
    html! { span class={ "v " (class) } { (text) } }
}

fn counts(report: &Report) -> Markup {
    html! {
        p class="counts" {
            @for (word, text) in VERDICTS {
                (verdict(word, &format!("{} {text}", report.count(word))))
            }
        }
    }
}

fn looked(report: &Report) -> Markup {
    html! {
        @if !report.looked.is_empty() {
            h2 { "Looked at" }
            table {
                tr { th { "reference" } th { "digest" } th { "images" } }
                @for Looked { reference, digest, images } in &report.looked {
                    tr {
                        td { code { (reference) } }
                        td { code { (digest.as_deref().unwrap_or("not there")) } }
                        td class="n" { @for image in images { (image_line(image)) } }
                    }
                }
            }
        }
        @if !report.waits.is_empty() {
            h2 { "Waited for" }
            ul { @for wait in &report.waits { li { (wait_text(wait)) } } }
        }
    }
}

fn image_line(image: &LookedImage) -> Markup {
    html! { code { (image.short()) } br; }
}

fn requirements(report: &Report) -> Markup {
    html! {
        table {
            tr { th { "" } th { "requirement" } th { "checks" } th { "" } }
            @for row in matrix(report) {
                tr {
                    td class="n" { (row.id) }
                    td { (row.text) }
                    td class="n" { (row.passed) " of " (row.run) }
                    td { (verdict(row.verdict, row.verdict)) }
                }
            }
        }
    }
}

fn wrong(report: &Report) -> Markup {
    let wrong: Vec<&Outcome> = report.notable().collect();
    html! {
        @if !wrong.is_empty() {
            h2 { @if report.is_green() { "What was waived" } @else { "What is wrong" } }
            @for outcome in wrong {
                h3 id=(outcome.id) {
                    (verdict(outcome.verdict.word(), outcome.verdict.word())) " " (outcome.requirements[0]) ": " (outcome.claim)
                }
                pre { (outcome_text(outcome, false)) }
            }
        }
    }
}

fn checks(report: &Report) -> Markup {
    html! {
        details {
            summary { "All checks" }
            table {
                @for outcome in &report.outcomes {
                    tr {
                        td { (verdict(outcome.verdict.word(), outcome.verdict.word())) }
                        td class="n" { (outcome.requirements.join(", ")) }
                        td { (outcome.claim) }
                    }
                }
            }
        }
    }
}

fn drawn(timeline: &Timeline) -> Markup {
    let height = ROW * (timeline.rows.len() as u64 + 1);
    html! {
        h2 { "Timeline: " (timeline.name) }
        svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" {
            @for (index, row) in (0..).zip(&timeline.rows) { (drawn_row(row, index * ROW, timeline.end_ms)) }
            text x=(NAMES) y=(height - 6) { "0 s" }
            text x=(WIDTH) y=(height - 6) text-anchor="end" { (timeline.end_ms / 1000) "." (timeline.end_ms % 1000 / 100) " s" }
        }
    }
}

fn drawn_row(row: &Row, top: u64, end_ms: u64) -> Markup {
    let place = |at_ms: u64| NAMES + at_ms * (WIDTH - NAMES) / end_ms.max(1);
    let middle = top + ROW / 2;
    html! {
        text x="0" y=(middle + 4) { (row.name) @if row.more > 0 { ", " (row.more) " more" } }
        line class="rail" x1=(NAMES) x2=(WIDTH) y1=(middle) y2=(middle) {}
        @for mark in &row.marks {
            rect class=(class(mark.kind)) x=(place(mark.began_ms)) y=(top + 4) height=(ROW - 8)
                width=((place(mark.ended_ms) - place(mark.began_ms)).max(MARK_MIN)) {
                title { (mark.began_ms) " ms: " (mark.text) }
            }
        }
    }
}

const fn class(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Good => "good",
        MarkKind::Bad => "bad",
        MarkKind::Fault => "fault",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::Check,
        checks,
        evidence::{Evidence, Run, StageRun},
        history::Exchange,
        oracle::Violation,
        verdict::Verdict,
    };

    const EVIL: &str = "<script>alert(1)</script>\"'&";

    fn report(verdict: Verdict, subject: &str) -> Report {
        let check: &Check = checks::all()[0];
        Report {
            target: "live".into(),
            subject: subject.into(),
            outcomes: vec![Outcome::of(check, verdict, None, format!("verify {subject}"))],
            looked: vec![Looked {
                reference: subject.into(),
                digest: None,
                images: vec![LookedImage { platform: subject.into(), digest: Some(subject.into()) }],
            }],
            waits: Vec::new(),
            timelines: Vec::new(),
        }
    }

    #[test]
    fn what_others_say_stays_text() {
        let fail = Verdict::Fail { violations: vec![Violation::new(EVIL, EVIL)] };
        let exchange = |text: &str| -> Exchange {
            serde_json::from_value(serde_json::json!({
                "server": text, "began_ms": 1, "ended_ms": 2, "method": text, "path": text, "operation": null, "headers": {},
                "sent": 0, "forwarded": false, "status": 200, "answer_headers": {}, "received": 0, "fault": text,
            }))
            .unwrap()
        };
        let evidence = Evidence { history: vec![exchange(EVIL)], ..Evidence::default() };
        let timelines = Timeline::of(EVIL, &evidence).into_iter().collect();
        let page = html(&Report { timelines, ..report(fail, EVIL) });
        assert!(!page.contains("<script") && !page.contains("alert(1)</script>\"'&"), "{page}");
        assert!(page.matches("&lt;script&gt;").count() >= 8, "{page}");
    }

    #[test]
    fn a_page_has_the_matrix_and_names_nothing_elsewhere() {
        let page = html(&report(Verdict::Pass, "ghcr.io/acme/hello:latest"));
        for requirement in crate::requirements::REQUIREMENTS {
            assert!(page.contains(requirement.id), "{}", requirement.id);
        }
        assert!(page.contains("FR-003") && page.contains("1 passed") && !page.contains("What is wrong"));
        for elsewhere in ["src=", "href=", "url(", "@import", "<script", "http://", "https://"] {
            assert!(!page.contains(elsewhere), "{elsewhere}");
        }
    }

    /// The first check passes, the second need not hold.
    #[test]
    fn what_is_waived_is_told_in_every_form_with_its_reason_and_is_no_pass() {
        const REASON: &str = "a job that ends has no health";
        let waived = Verdict::Waived { reason: REASON.into() };
        let mut report = report(waived, "x");
        assert!(!report.is_green(), "nothing passed");
        report.outcomes.push(Outcome::of(checks::all()[1], Verdict::Pass, None, String::new()));
        assert!(report.is_green());
        let forms = [
            outcome_text(report.notable().next().unwrap(), false),
            crate::report::markdown(&report),
            crate::report::junit(&report).unwrap(),
            crate::report::json(&report),
            html(&report),
        ];
        for form in forms {
            assert!(form.contains(REASON) && form.to_lowercase().contains("waived"), "{form}");
        }
        assert_eq!(report.counts(), "1 passed, 0 failed, 0 unknown, 0 not run, 1 waived");
        let row = matrix(&report).into_iter().find(|row| report.outcomes[0].requirements[0] == row.id).unwrap();
        assert_eq!(row.verdict, "WAIVED");
    }

    #[test]
    fn a_timeline_draws_stages_and_requests() {
        let run: Run = serde_json::from_value(serde_json::json!({
            "name": "main", "event": "push", "reference": "refs/heads/main", "commit": "1", "stages": [],
        }))
        .unwrap();
        let stage: StageRun = serde_json::from_value(serde_json::json!({
            "stage": "build", "platform": "linux/arm64", "began_ms": 0, "ended_ms": 2000, "end": {"code": 3}, "stdout": "",
            "stderr": "", "outputs": {}, "summary": "", "handover": {}, "calls": [], "leaks": [], "left_behind": [],
        }))
        .unwrap();
        let evidence = Evidence { runs: vec![Run { stages: vec![stage], ..run }], ..Evidence::default() };
        let timeline = Timeline::of("build-fails", &evidence).unwrap();
        assert_eq!((timeline.end_ms, timeline.rows[0].marks[0].kind), (2000, MarkKind::Bad));
        let page = html(&Report { timelines: vec![timeline], ..report(Verdict::Pass, "x") });
        assert!(page.contains("0 ms: main: build linux/arm64, Code(3)") && page.contains("2.0 s"), "{page}");
        assert_eq!(Timeline::of("nothing", &Evidence::default()), None);
    }
}
