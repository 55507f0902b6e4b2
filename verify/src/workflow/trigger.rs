//! What starts a workflow, as its file says.

use yaml_serde::Value;

use super::{
    Dispatch, Filter, Input, Push, Workflow,
    values::{entries, given, list, setting, text},
};

/// A workflow with what starts it, and nothing else yet.
pub(super) fn started_by(on: &Value) -> Workflow {
    let events = if on.is_mapping() { entries(on).map(|(name, _)| name).collect() } else { list(on) };
    let is_named = |event: &str| events.iter().any(|it| it == event);
    Workflow {
        push: is_named("push").then(|| push(&on["push"])),
        dispatch: is_named("workflow_dispatch").then(|| dispatch(&on["workflow_dispatch"])),
        events,
        ..Workflow::default()
    }
}

fn push(push: &Value) -> Push {
    let filter = |only: &str, but: &str| match (given(&push[only]), given(&push[but])) {
        (Some(only), _) => Some(Filter::Only(list(only))),
        (None, but) => but.map(|but| Filter::AllBut(list(but))),
    };
    Push {
        branches: filter("branches", "branches-ignore"),
        tags: filter("tags", "tags-ignore"),
        paths: filter("paths", "paths-ignore"),
    }
}

fn dispatch(form: &Value) -> Dispatch {
    let input = |(name, field): (String, &Value)| Input {
        name,
        kind: setting(&field["type"], "string"),
        required: field["required"].as_bool().unwrap_or_default(),
        default: given(&field["default"]).map(text),
    };
    Dispatch { inputs: entries(&form["inputs"]).map(input).collect() }
}
