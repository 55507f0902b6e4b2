//! What starts a run, as GitHub tells it to a workflow: the variables and the file of the event.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The repository that is built, on GitHub and on all registries.
pub const REPOSITORY: &str = "acme/hello";
/// Its owner there.
pub const OWNER: &str = "acme";
/// The platform of most hosts.
pub const AMD64: &str = "linux/amd64";
/// The other platform that every build covers.
pub const ARM64: &str = "linux/arm64";
/// Who pushed.
const ACTOR: &str = "octocat";

/// Something that starts a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `refs/heads/main`, `refs/tags/v1.2.0`.
    pub reference: String,
    /// The commit.
    pub commit: String,
    /// The inputs of a run that is started by hand; none if it was a push.
    pub inputs: Option<Inputs>,
}

/// The inputs of `workflow_dispatch`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// `tag_name`, empty if not given.
    pub tag_name: String,
    /// `platforms`, a comma between them, empty if not given.
    pub platforms: String,
    /// `skip_push`
    pub skip_push: bool,
}

impl Event {
    /// A push to main.
    pub fn main(commit: &str) -> Self {
        Self { reference: "refs/heads/main".into(), commit: commit.into(), inputs: None }
    }

    /// A push of a git tag.
    pub fn tag(name: &str, commit: &str) -> Self {
        Self { reference: format!("refs/tags/{name}"), commit: commit.into(), inputs: None }
    }

    /// A start by hand, on main.
    pub fn manual(inputs: Inputs, commit: &str) -> Self {
        Self { inputs: Some(inputs), ..Self::main(commit) }
    }

    /// `push` or `workflow_dispatch`.
    pub const fn name(&self) -> &'static str {
        if self.inputs.is_some() { "workflow_dispatch" } else { "push" }
    }

    /// The variables that tell of it, GitHub's and those of the contract.
    pub fn variables(&self, run_id: u64) -> BTreeMap<String, String> {
        let (kind, name) = match self.reference.strip_prefix("refs/tags/") {
            Some(tag) => ("tag", tag),
            None => ("branch", self.reference.trim_start_matches("refs/heads/")),
        };
        let run_id = run_id.to_string();
        let inputs = self.inputs.clone().unwrap_or_default();
        [
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_EVENT_NAME", self.name()),
            ("GITHUB_REF", &self.reference),
            ("GITHUB_REF_NAME", name),
            ("GITHUB_REF_TYPE", kind),
            ("GITHUB_SHA", &self.commit),
            ("GITHUB_REPOSITORY", REPOSITORY),
            ("GITHUB_REPOSITORY_OWNER", OWNER),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_ACTOR", ACTOR),
            ("GITHUB_WORKFLOW", "build-images"),
            ("GITHUB_RUN_ID", &run_id),
            ("GITHUB_RUN_NUMBER", &run_id),
            ("GITHUB_RUN_ATTEMPT", "1"),
            ("VERIFY_TAG_NAME", &inputs.tag_name),
            ("VERIFY_PLATFORMS", &inputs.platforms),
            ("VERIFY_SKIP_PUSH", if inputs.skip_push { "true" } else { "false" }),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    /// What GitHub writes into the file that `GITHUB_EVENT_PATH` names, as far as pipelines use it.
    pub fn payload(&self) -> Value {
        let repository =
            json!({ "full_name": REPOSITORY, "name": "hello", "owner": { "login": OWNER, "type": "User" } });
        match &self.inputs {
            None => json!({ "ref": self.reference, "after": self.commit, "repository": repository }),
            // GitHub writes all inputs as texts, and those without a default only where they are given.
            Some(inputs) => json!({
                "ref": self.reference,
                "inputs": {
                    "tag_name": inputs.tag_name,
                    "platforms": inputs.platforms,
                    "skip_push": inputs.skip_push.to_string(),
                },
                "repository": repository,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_and_a_branch_are_told_apart() {
        let tag = Event::tag("v1.2.0", "abc").variables(7);
        assert_eq!((&*tag["GITHUB_REF_TYPE"], &*tag["GITHUB_REF_NAME"]), ("tag", "v1.2.0"));
        let main = Event::main("abc").variables(7);
        assert_eq!((&*main["GITHUB_REF_TYPE"], &*main["GITHUB_REF_NAME"]), ("branch", "main"));
        assert_eq!((&*main["GITHUB_RUN_ID"], &*main["GITHUB_EVENT_NAME"]), ("7", "push"));
    }

    #[test]
    fn inputs_are_told_as_texts() {
        let inputs = Inputs { tag_name: "try".into(), platforms: "linux/arm64".into(), skip_push: true };
        let event = Event::manual(inputs, "abc");
        assert_eq!(event.name(), "workflow_dispatch");
        assert_eq!(event.payload()["inputs"]["skip_push"], "true");
        assert_eq!(event.variables(1)["VERIFY_SKIP_PUSH"], "true");
        assert!(Event::main("abc").payload().get("inputs").is_none());
    }
}
