//! What happens in a repository: which workflows it starts, and what their expressions know of it.

use super::{Input, Workflow, expression::literal};

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A push to a branch.
    Branch(&'static str),
    /// A tag is pushed.
    Tag(&'static str),
    /// The form for a start by hand is sent as it is.
    ByHand,
}

impl Event {
    /// A push to the branch that is published.
    pub const MAIN: Self = Self::Branch("main");

    /// In words: `a push to main`.
    pub fn words(self) -> String {
        match self {
            Self::Branch(name) => format!("a push to {name}"),
            Self::Tag(name) => format!("the pushed tag {name}"),
            Self::ByHand => "a start by hand".to_owned(),
        }
    }

    /// `refs/heads/main`
    pub fn reference(self) -> String {
        match self {
            Self::Branch(name) => format!("refs/heads/{name}"),
            Self::Tag(name) => format!("refs/tags/{name}"),
            Self::ByHand => "refs/heads/main".to_owned(),
        }
    }

    /// Whether it starts a workflow, whatever files were changed.
    ///
    /// Without any filter every push does. With filters for branches alone no tag does, and the other way round.
    pub fn starts(self, workflow: &Workflow) -> bool {
        let push = workflow.push.as_ref();
        match self {
            Self::ByHand => workflow.dispatch.is_some(),
            Self::Branch(name) => push.is_some_and(|push| match (&push.branches, &push.tags) {
                (Some(branches), _) => branches.chooses(name),
                (None, tags) => tags.is_none(),
            }),
            Self::Tag(name) => push.is_some_and(|push| match (&push.tags, &push.branches) {
                (Some(tags), _) => tags.chooses(name),
                (None, branches) => branches.is_none(),
            }),
        }
    }

    /// What a context is in a run that it starts, as an expression; none if that is not known.
    pub fn known(self, workflow: &Workflow, name: &str) -> Option<String> {
        let reference = self.reference();
        let (event, ref_type) = match self {
            Self::Branch(_) => ("push", "branch"),
            Self::Tag(_) => ("push", "tag"),
            Self::ByHand => ("workflow_dispatch", "branch"),
        };
        let value = match name {
            "github.event_name" => event,
            "github.ref" => &reference,
            "github.ref_name" => reference.rsplit('/').next().unwrap_or_default(),
            "github.ref_type" => ref_type,
            "github.event.repository.default_branch" => "main",
            "github.head_ref" | "github.base_ref" => "",
            // No pull request starts it.
            _ if name.starts_with("github.event.pull_request.") => return Some("null".to_owned()),
            _ => return self.input(workflow, name),
        };
        Some(literal(value))
    }

    fn input(self, workflow: &Workflow, name: &str) -> Option<String> {
        let (of_event, name) = match name.strip_prefix("inputs.") {
            Some(name) => (false, name),
            None => (true, name.strip_prefix("github.event.inputs.")?),
        };
        if self != Self::ByHand {
            return Some("null".to_owned());
        }
        let inputs = workflow.dispatch.as_ref().map(|dispatch| dispatch.inputs.as_slice()).unwrap_or_default();
        let input = inputs.iter().find(|input| input.name.eq_ignore_ascii_case(name));
        Some(input.map_or_else(|| "null".to_owned(), |input| sent(input, of_event)))
    }
}

/// The value of a field that was left as it is. In the event, all fields are texts.
fn sent(input: &Input, as_text: bool) -> String {
    let is_boolean = input.kind == "boolean";
    let value = input.default.clone().unwrap_or_else(|| if is_boolean { "false".into() } else { String::new() });
    if is_boolean && !as_text { value } else { literal(&value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Dispatch, Filter, Push};

    fn push(branches: Option<&str>, tags: Option<&str>) -> Workflow {
        let filter = |pattern: &str| Filter::Only(vec![pattern.to_owned()]);
        let push = Push { branches: branches.map(filter), tags: tags.map(filter), paths: None };
        Workflow { push: Some(push), ..Workflow::default() }
    }

    #[test]
    fn filters_for_branches_alone_shut_tags_out_and_the_other_way_round() {
        let starts = |workflow: &Workflow| [Event::MAIN, Event::Tag("v1.2.3")].map(|event| event.starts(workflow));
        assert_eq!(starts(&Workflow::default()), [false, false]);
        assert_eq!(starts(&push(None, None)), [true, true]);
        assert_eq!(starts(&push(Some("main"), None)), [true, false]);
        assert_eq!(starts(&push(None, Some("v*"))), [false, true]);
        assert_eq!(starts(&push(Some("main"), Some("v*"))), [true, true]);
        assert_eq!(starts(&push(Some("release/*"), Some("v2*"))), [false, false]);
    }

    #[test]
    fn inputs_are_what_an_untouched_form_sends_and_nothing_for_a_push() {
        let input = |name: &str, kind: &str| Input {
            name: name.to_owned(),
            kind: kind.to_owned(),
            required: false,
            default: None,
        };
        let inputs = vec![input("skip_push", "boolean"), input("tag_name", "string")];
        let workflow = Workflow { dispatch: Some(Dispatch { inputs }), ..Workflow::default() };
        let by_hand = |name| Event::ByHand.known(&workflow, name);
        assert_eq!(by_hand("inputs.skip_push").as_deref(), Some("false"));
        assert_eq!(by_hand("github.event.inputs.skip_push").as_deref(), Some("'false'"));
        assert_eq!(by_hand("inputs.tag_name").as_deref(), Some("''"));
        assert_eq!(Event::MAIN.known(&workflow, "inputs.tag_name").as_deref(), Some("null"));
        assert_eq!(Event::Tag("v1.2.3").known(&workflow, "github.ref").as_deref(), Some("'refs/tags/v1.2.3'"));
        assert_eq!(Event::MAIN.known(&workflow, "github.actor"), None);
    }
}
