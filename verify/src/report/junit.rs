//! `JUnit`'s XML, as test reporters of CI systems read it: FAIL is a failure, UNKNOWN an error, NOT RUN and WAIVED are skipped.

use quick_junit::{NonSuccessKind, Report as JunitReport, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::{Report, looked::looked_text, outcome_text};
use crate::verdict::Verdict;

/// The report as XML.
///
/// # Errors
/// A report that XML cannot express, which cannot happen: what cannot stand in XML is left out.
pub fn junit(report: &Report) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new(report.target.clone());
    for outcome in &report.outcomes {
        let mut status = match &outcome.verdict {
            Verdict::Pass => TestCaseStatus::success(),
            Verdict::Fail { .. } => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Verdict::Unknown { .. } => TestCaseStatus::non_success(NonSuccessKind::Error),
            Verdict::NotRun { .. } | Verdict::Waived { .. } => TestCaseStatus::skipped(),
        };
        if !outcome.verdict.is_green() {
            status.set_message(format!("{}: {}", outcome.requirements.join(", "), outcome.claim));
            status.set_description(outcome_text(outcome, false));
        }
        let mut case = TestCase::new(outcome.id.clone(), status);
        case.set_classname(format!("{}::{}", report.target, outcome.requirements[0]));
        suite.add_test_case(case);
    }
    let looked = looked_text(report);
    if !looked.is_empty() {
        suite.set_system_out(looked);
    }
    let mut document = JunitReport::new(format!("verify {} {}", report.target, report.subject));
    document.add_test_suite(suite);
    document.to_string()
}
