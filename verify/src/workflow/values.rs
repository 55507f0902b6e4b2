//! Values of a file: as texts, and in the terms of the workflow that is started.

use std::collections::BTreeMap;

use yaml_serde::Value;

use super::{Access, Concurrency, Permissions, expression::as_expression, scope::Scope};

/// A value, if there is one.
pub(super) fn given(value: &Value) -> Option<&Value> {
    Some(value).filter(|value| !value.is_null())
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

/// A setting or the expression that it comes from.
pub(super) fn setting(value: &Value, default: &str) -> String {
    given(value).map_or_else(|| default.to_owned(), |value| text(value).trim().to_owned())
}

/// One value or several: `needs: build`, `needs: [build, test]`.
pub(super) fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Sequence(values) => values.iter().map(text).collect(),
        one => vec![text(one).trim().to_owned()],
    }
}

/// The entries of a mapping, in order; none of anything else.
pub(super) fn entries(value: &Value) -> impl Iterator<Item = (String, &Value)> {
    value.as_mapping().into_iter().flatten().map(|(name, value)| (text(name), value))
}

/// Variables or inputs, in the terms of the workflow that is started.
pub(super) fn variables(env: &Value, scope: &Scope) -> BTreeMap<String, String> {
    match env {
        Value::String(expression) => BTreeMap::from([("*".to_owned(), scope.text(expression.trim()))]),
        env => entries(env).map(|(name, value)| (name, scope.text(&text(value)))).collect(),
    }
}

/// Inputs or secrets that a callee is given, as expressions, by names in lower case.
pub(super) fn arguments(with: &Value, scope: &Scope) -> BTreeMap<String, String> {
    entries(with).map(|(name, value)| (name.to_ascii_lowercase(), expression(value, scope))).collect()
}

/// A callee's inputs as expressions: what it is given, else what its own file says.
pub(super) fn inputs(declared: &Value, with: &Value, scope: &Scope) -> BTreeMap<String, String> {
    let default = |input: &Value| match &input["default"] {
        Value::Null if input["type"].as_str() == Some("boolean") => "false".to_owned(),
        default => expression(default, &Scope::default()),
    };
    let defaults = entries(declared).map(|(name, input)| (name.to_ascii_lowercase(), default(input)));
    defaults.chain(arguments(with, scope)).collect()
}

fn expression(value: &Value, scope: &Scope) -> String {
    match value {
        Value::Null => as_expression(""),
        Value::String(text) => as_expression(&scope.text(text)),
        // Numbers and truths keep their kind.
        other => text(other),
    }
}

/// A workflow's or job's own permissions, or those that it has from around it.
pub(super) fn permissions(own: &Value, outer: &Permissions) -> Permissions {
    match own {
        Value::Mapping(_) => Permissions::Each(yaml_serde::from_value(own.clone()).unwrap_or_default()),
        Value::String(all) if all == "read-all" => Permissions::All(Access::Read),
        Value::String(all) if all == "write-all" => Permissions::All(Access::Write),
        _ => outer.clone(),
    }
}

/// A concurrency group, in the terms of the workflow that is started.
pub(super) fn concurrency(place: &str, value: &Value, scope: &Scope) -> Option<Concurrency> {
    let group = if value.is_mapping() { &value["group"] } else { given(value)? };
    Some(Concurrency {
        place: place.to_owned(),
        group: scope.text(&text(group)),
        cancel_in_progress: scope.text(&setting(&value["cancel-in-progress"], "false")),
    })
}
