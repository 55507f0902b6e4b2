//! The requirement matrix: of each promise, what its checks came to.

use serde::Serialize;

use super::Report;
use crate::requirements::REQUIREMENTS;

/// One promise and its checks.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its number.
    pub id: &'static str,
    /// What it says.
    pub text: &'static str,
    /// The worst verdict of its checks; `NOT RUN` if none could be run here.
    pub verdict: &'static str,
    /// How many of its checks passed.
    pub passed: usize,
    /// How many of its checks were run.
    pub run: usize,
}

/// A row for each requirement, in the catalogue's order.
pub fn matrix(report: &Report) -> Vec<Row> {
    let row = |requirement: &crate::requirements::Requirement| {
        let checks = report.outcomes.iter().filter(|outcome| outcome.requirements.contains(&requirement.id));
        let words: Vec<&'static str> = checks.map(|outcome| outcome.verdict.word()).collect();
        let count = |word: &str| words.iter().filter(|it| **it == word).count();
        let verdict =
            ["FAIL", "UNKNOWN", "WAIVED", "PASS"].into_iter().find(|word| count(word) > 0).unwrap_or("NOT RUN");
        Row {
            id: requirement.id,
            text: requirement.text,
            verdict,
            passed: count("PASS"),
            run: words.len() - count("NOT RUN"),
        }
    };
    REQUIREMENTS.iter().map(row).collect()
}
