//! The jobs that a matrix makes of one ("Running variations of jobs in a workflow" of GitHub's documentation).

use std::collections::BTreeMap;

use github_actions_models::{common::expr::LoE, workflow::job};
use yaml_serde::Value;

use super::Matrix;

type Values = BTreeMap<String, String>;

/// All combinations, without those that are left out, with those that are added.
pub(super) fn expanded(matrix: &LoE<job::Matrix>) -> Matrix {
    let matrix = match matrix {
        LoE::Literal(matrix) => matrix,
        LoE::Expr(expression) => return Matrix::Computed(expression.as_curly().to_owned()),
    };
    match (dimensions(matrix), entries(&matrix.include), entries(&matrix.exclude)) {
        (Ok(dimensions), Ok(include), Ok(exclude)) => Matrix::Written(combined(&dimensions, include, &exclude)),
        (Err(expression), ..) | (_, Err(expression), _) | (.., Err(expression)) => Matrix::Computed(expression),
    }
}

/// The values of each dimension, or the first expression that has to be computed.
fn dimensions(matrix: &job::Matrix) -> Result<Vec<(String, Vec<String>)>, String> {
    let dimensions = match &matrix.dimensions {
        LoE::Literal(dimensions) => dimensions,
        LoE::Expr(expression) => return Err(expression.as_curly().to_owned()),
    };
    let dimension = |(name, values): (&String, &LoE<Vec<Value>>)| match values {
        LoE::Literal(values) => Ok((name.clone(), values.iter().map(text).collect())),
        LoE::Expr(expression) => Err(expression.as_curly().to_owned()),
    };
    dimensions.iter().map(dimension).collect()
}

fn entries<'a, M>(entries: &'a LoE<Vec<M>>) -> Result<Vec<Values>, String>
where
    &'a M: IntoIterator<Item = (&'a String, &'a Value)>,
{
    match entries {
        LoE::Literal(entries) => Ok(entries
            .iter()
            .map(|entry| entry.into_iter().map(|(name, value)| (name.clone(), text(value))).collect())
            .collect()),
        LoE::Expr(expression) => Err(expression.as_curly().to_owned()),
    }
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

/// A value as texts show it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        other => yaml_serde::to_string(other).unwrap_or_default(),
    }
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
