//! Values, permissions and groups of a file, in the terms of the workflow that is started.

use std::collections::BTreeMap;

use github_actions_models::{
    common::{self, Env, EnvValue, If, expr::LoE},
    workflow as models,
};
use yaml_serde::Value;

use super::{Access, Concurrency, Permissions, expression::as_expression, matrix::text, read::Document, scope::Scope};

/// A condition as it stands.
pub(super) fn written(condition: &If) -> String {
    match condition {
        If::Bool(truth) => truth.to_string(),
        If::Expr(text) => text.clone(),
    }
}

/// A value or the expression that it comes from, as it stands.
pub(super) fn expressed<T: ToString>(value: &LoE<T>) -> String {
    match value {
        LoE::Literal(value) => value.to_string(),
        LoE::Expr(expression) => expression.as_curly().to_owned(),
    }
}

/// Variables or inputs, in the terms of the workflow that is started.
pub(super) fn variables(env: &LoE<Env>, scope: &Scope) -> BTreeMap<String, String> {
    match env {
        LoE::Literal(env) => env.iter().map(|(name, value)| (name.clone(), scope.text(&value.to_string()))).collect(),
        LoE::Expr(expression) => BTreeMap::from([("*".to_owned(), scope.text(expression.as_curly()))]),
    }
}

/// What a callee is given, as expressions.
pub(super) fn given(with: &LoE<Env>, scope: &Scope) -> BTreeMap<String, String> {
    match with {
        LoE::Literal(with) => values(with, scope),
        LoE::Expr(_) => BTreeMap::new(),
    }
}

/// Inputs or secrets that a callee is given, as expressions.
pub(super) fn values(with: &Env, scope: &Scope) -> BTreeMap<String, String> {
    let value = |value: &EnvValue| match value {
        EnvValue::String(text) => as_expression(&scope.text(text)),
        // Numbers and truths keep their kind.
        other => other.to_string(),
    };
    with.iter().map(|(name, it)| (name.to_ascii_lowercase(), value(it))).collect()
}

/// What a called workflow's inputs are where the caller says nothing, as expressions.
pub(super) fn defaults(document: &Document) -> BTreeMap<String, String> {
    let inputs = document.at(&["on", "workflow_call", "inputs"]).and_then(|it| it.as_mapping());
    let default = |(name, input): (&Value, &Value)| {
        let value = match input.get("default") {
            Some(Value::String(text)) => as_expression(text),
            Some(other) => text(other),
            None if input.get("type").and_then(|it| it.as_str()) == Some("boolean") => "false".to_owned(),
            None => "''".to_owned(),
        };
        (text(name).to_ascii_lowercase(), value)
    };
    inputs.into_iter().flatten().map(default).collect()
}

/// A workflow's or job's own permissions, or those that it has from around it.
pub(super) fn permissions(own: &common::Permissions, outer: &Permissions) -> Permissions {
    let access = |permission: &common::Permission| match permission {
        common::Permission::Read => Access::Read,
        common::Permission::Write => Access::Write,
        common::Permission::None => Access::None,
    };
    match own {
        common::Permissions::Base(common::BasePermission::Default) => outer.clone(),
        common::Permissions::Base(common::BasePermission::ReadAll) => Permissions::All(Access::Read),
        common::Permissions::Base(common::BasePermission::WriteAll) => Permissions::All(Access::Write),
        common::Permissions::Explicit(scopes) => {
            Permissions::Each(scopes.iter().map(|(scope, it)| (scope.clone(), access(it))).collect())
        }
    }
}

/// A concurrency group, in the terms of the workflow that is started.
pub(super) fn concurrency(place: &str, concurrency: &models::Concurrency, scope: &Scope) -> Concurrency {
    let (group, cancel) = match concurrency {
        models::Concurrency::Bare(group) => (group, "false".to_owned()),
        models::Concurrency::Rich { group, cancel_in_progress } => (group, expressed(cancel_in_progress)),
    };
    Concurrency { place: place.to_owned(), group: scope.text(group), cancel_in_progress: scope.text(&cancel) }
}
