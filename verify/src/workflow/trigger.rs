//! What starts a workflow, as its file says.

use github_actions_models::workflow::event;
use yaml_serde::Value;

use super::{Dispatch, Filter, Input, Push, Workflow, matrix::text, read::Document};

/// What starts it.
pub(super) fn started_by(document: &Document) -> Workflow {
    let events = &document.workflow.on.events;
    let filters = |push: &event::Push| Push {
        branches: push.branch_filters.as_ref().map(|filters| match filters {
            event::BranchFilters::Branches(only) => Filter::Only(only.clone()),
            event::BranchFilters::BranchesIgnore(but) => Filter::AllBut(but.clone()),
        }),
        tags: push.tag_filters.as_ref().map(|filters| match filters {
            event::TagFilters::Tags(only) => Filter::Only(only.clone()),
            event::TagFilters::TagsIgnore(but) => Filter::AllBut(but.clone()),
        }),
        paths: push.path_filters.as_ref().map(|filters| match filters {
            event::PathFilters::Paths(only) => Filter::Only(only.clone()),
            event::PathFilters::PathsIgnore(but) => Filter::AllBut(but.clone()),
        }),
    };
    let form = |form: &event::WorkflowDispatch| Dispatch {
        inputs: form.inputs.iter().map(|(name, field)| input(document, name, field)).collect(),
    };
    Workflow {
        push: said(&events.push, filters),
        dispatch: said(&events.workflow_dispatch, form),
        events: names(document),
        ..Workflow::default()
    }
}

/// What is said about an event, if it is there; nothing need be said.
fn said<T, S: Default>(event: &event::OptionalBody<T>, read: impl Fn(&T) -> S) -> Option<S> {
    match event {
        event::OptionalBody::Missing => None,
        event::OptionalBody::Default => Some(S::default()),
        event::OptionalBody::Body(body) => Some(read(body)),
    }
}

/// The names of all events, however they are written.
fn names(document: &Document) -> Vec<String> {
    match document.at(&["on"]) {
        Some(Value::Mapping(events)) => events.keys().map(text).collect(),
        Some(Value::Sequence(events)) => events.iter().map(text).collect(),
        Some(event) => vec![text(event)],
        None => Vec::new(),
    }
}

fn input(document: &Document, name: &str, field: &event::WorkflowDispatchInput) -> Input {
    let kind = match field.r#type {
        event::WorkflowDispatchInputType::Boolean => "boolean",
        event::WorkflowDispatchInputType::Choice => "choice",
        event::WorkflowDispatchInputType::Environment => "environment",
        event::WorkflowDispatchInputType::Number => "number",
        event::WorkflowDispatchInputType::String => "string",
    };
    let default = document.at(&["on", "workflow_dispatch", "inputs", name, "default"]).map(text);
    Input { name: name.to_owned(), kind: kind.to_owned(), required: field.required, default }
}
