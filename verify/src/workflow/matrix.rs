//! The jobs that a matrix makes of one ("Running variations of jobs in a workflow" of GitHub's documentation).

use std::collections::BTreeMap;

use yaml_serde::Value;

use super::{
    Matrix,
    values::{entries, list, text},
};

type Values = BTreeMap<String, String>;

/// All combinations, without those that are left out, with those that are added.
pub(super) fn expanded(matrix: &Value) -> Matrix {
    // The matrix or a part of it may be an expression.
    let mut parts = [matrix].into_iter().chain(entries(matrix).map(|(_, part)| part));
    if let Some(expression) = parts.find_map(Value::as_str) {
        return Matrix::Computed(expression.trim().to_owned());
    }
    let values = |entry: &Value| entries(entry).map(|(name, value)| (name, text(value))).collect();
    let jobs = |name: &str| -> Vec<Values> { matrix[name].as_sequence().into_iter().flatten().map(values).collect() };
    let dimensions = entries(matrix).filter(|(name, _)| !matches!(name.as_str(), "include" | "exclude"));
    let dimensions: Vec<_> = dimensions.map(|(name, values)| (name, list(values))).collect();
    Matrix::Written(combined(&dimensions, jobs("include"), &jobs("exclude")))
}

fn combined(dimensions: &[(String, Vec<String>)], include: Vec<Values>, exclude: &[Values]) -> Vec<Values> {
    let mut jobs = if dimensions.is_empty() { Vec::new() } else { vec![Values::new()] };
    for (name, values) in dimensions {
        let with = |job: &Values, value: &String| {
            let mut job = job.clone();
            job.insert(name.clone(), value.clone());
            job
        };
        jobs = jobs.iter().flat_map(|job| values.iter().map(move |value| with(job, value))).collect();
    }
    jobs.retain(|job| !exclude.iter().any(|out| out.iter().all(|(name, value)| job.get(name) == Some(value))));
    let original = jobs.clone();
    for entry in include {
        // An entry is added to every job whose own values it does not change, else it is a job of its own.
        let fits = |job: &Values| entry.iter().all(|(name, value)| job.get(name).is_none_or(|own| own == value));
        let mut added = false;
        for (job, _) in jobs.iter_mut().zip(&original).filter(|(_, original)| fits(original)) {
            job.extend(entry.clone());
            added = true;
        }
        if !added {
            jobs.push(entry);
        }
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(yaml: &str) -> Vec<String> {
        match expanded(&yaml_serde::from_str(yaml).unwrap()) {
            Matrix::Written(jobs) => jobs.iter().map(|job| format!("{job:?}")).collect(),
            Matrix::Computed(expression) => vec![expression],
        }
    }

    #[test]
    fn combinations_are_made_left_out_and_added() {
        let both =
            "platform: [linux/amd64, linux/arm64]\ninclude:\n  - platform: linux/arm64\n    runner: arm\n  - extra: 1";
        assert_eq!(
            jobs(both),
            [
                r#"{"extra": "1", "platform": "linux/amd64"}"#,
                r#"{"extra": "1", "platform": "linux/arm64", "runner": "arm"}"#
            ]
        );
        let without = "platform: [linux/amd64, linux/arm64]\nexclude: [{ platform: linux/arm64 }]";
        assert_eq!(jobs(without), [r#"{"platform": "linux/amd64"}"#]);
        let included = "include: [{ platform: linux/amd64 }, { platform: linux/arm64 }]";
        assert_eq!(jobs(included), [r#"{"platform": "linux/amd64"}"#, r#"{"platform": "linux/arm64"}"#]);
        assert_eq!(jobs("${{ fromJSON(needs.a.outputs.b) }}"), ["${{ fromJSON(needs.a.outputs.b) }}"]);
        assert_eq!(jobs("platform: ${{ fromJSON(inputs.platforms) }}"), ["${{ fromJSON(inputs.platforms) }}"]);
    }
}
