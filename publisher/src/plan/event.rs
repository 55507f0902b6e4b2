//! The event that started the run, from GitHub's variables and from flags.

use clap::Args;

use super::{
    PlanError,
    inputs::{DispatchInputs, some_text},
};
use crate::environment::Environment;

/// The branch whose builds are `latest` when nothing else is said (FR-007).
pub const MAIN_BRANCH: &str = "main";

pub(super) const PUSH: &str = "push";
pub(super) const WORKFLOW_DISPATCH: &str = "workflow_dispatch";
pub(super) const PULL_REQUEST: &str = "pull_request";

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event's name on GitHub: `push`, `pull_request`, `workflow_dispatch`.
    pub name: String,
    /// The ref in full: `refs/heads/main`, `refs/tags/v1.2.3`. Empty where a manual build names none.
    pub reference: String,
    /// The commit.
    pub sha: String,
    /// What was chosen by hand.
    pub inputs: DispatchInputs,
    /// The branch whose builds are `latest`.
    pub main_branch: String,
}

/// The title over these flags in help texts. Given flag by flag: `next_help_heading` would also cover what follows them.
const HEADING: &str = "Event";

/// What the command line says about the event. The variables that stand below the flags are read by
/// [`Event::from_environment`], not by clap: nothing but [`Environment`] looks at those of the process.
#[derive(Debug, Clone, Default, Args)]
pub struct EventFlags {
    /// Takes the run as started by this event, push, `pull_request` or `workflow_dispatch`; by default `GITHUB_EVENT_NAME`, else
    /// `workflow_dispatch` where --tag-name is given, else push
    #[arg(long, value_name = "NAME", help_heading = HEADING)]
    pub event_name: Option<String>,

    /// Takes this ref as the one that was pushed: refs/heads/main becomes latest, refs/tags/v1.2.3 becomes 1.2.3; by
    /// default `GITHUB_REF`
    #[arg(long = "ref", value_name = "REF", help_heading = HEADING)]
    pub reference: Option<String>,

    /// Takes this as the commit that is built; by default `GITHUB_SHA`
    #[arg(long, value_name = "COMMIT", help_heading = HEADING)]
    pub sha: Option<String>,

    /// Publishes a manual build under this tag, by default manual-<short sha>; neither latest nor a version
    #[arg(long, value_name = "TAG", help_heading = HEADING)]
    pub tag_name: Option<String>,

    /// Builds without publishing anything
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = HEADING
    )]
    pub skip_push: Option<String>,

    /// Takes this branch as the one whose builds are latest; by default `TALLYMAN_MAIN_BRANCH`, else main
    #[arg(long, value_name = "BRANCH", help_heading = HEADING)]
    pub main_branch: Option<String>,
}

impl Event {
    /// The event of this run: for each part the flag, else GitHub's variable. The inputs of a manual run are read from
    /// the file that `GITHUB_EVENT_PATH` names.
    ///
    /// # Errors
    /// When neither flags nor variables say what happened, the commit is missing, or the event's file is not readable.
    pub fn from_environment(env: &Environment, flags: &EventFlags) -> Result<Self, PlanError> {
        let flag = |flag: &Option<String>| flag.as_deref().and_then(some_text);
        let known = |given: &Option<String>, variable| flag(given).or_else(|| env.get(variable).and_then(some_text));

        let reference = known(&flags.reference, "GITHUB_REF");
        let tag_name = flag(&flags.tag_name);
        let by_default = || match (&tag_name, &reference) {
            (Some(_), _) => Some(WORKFLOW_DISPATCH.to_owned()),
            (None, Some(_)) => Some(PUSH.to_owned()),
            (None, None) => None,
        };
        let name = known(&flags.event_name, "GITHUB_EVENT_NAME").or_else(by_default).ok_or(PlanError::NoEvent)?;
        if name == PUSH && reference.is_none() {
            return Err(PlanError::NoReference);
        }
        let chosen = match env.get("GITHUB_EVENT_PATH") {
            Some(file) if name == WORKFLOW_DISPATCH => DispatchInputs::of_file(file)?,
            _ => DispatchInputs::default(),
        };
        Ok(Self {
            name,
            reference: reference.unwrap_or_default(),
            sha: known(&flags.sha, "GITHUB_SHA").ok_or(PlanError::NoCommit)?,
            inputs: DispatchInputs {
                tag_name: tag_name.or(chosen.tag_name),
                platforms: chosen.platforms,
                skip_push: flag(&flags.skip_push).or(chosen.skip_push),
            },
            main_branch: known(&flags.main_branch, "TALLYMAN_MAIN_BRANCH").unwrap_or_else(|| MAIN_BRANCH.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        flags: EventFlags,
    }

    /// The event as `name reference tag_name skip_push`, or the error.
    fn event(variables: &[(&str, &str)], flags: &[&str]) -> String {
        let flags = Command::try_parse_from([&["publisher"], flags].concat()).unwrap().flags;
        let shown = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        match Event::from_environment(&variables.iter().copied().collect(), &flags) {
            Ok(event) => {
                assert_eq!(event.sha, SHA);
                let (tag_name, skip_push) = (shown(event.inputs.tag_name), shown(event.inputs.skip_push));
                format!("{} {} {tag_name} {skip_push}", event.name, event.reference)
            }
            Err(error) => error.to_string(),
        }
    }

    #[rstest::rstest]
    #[case(&["--ref", "refs/heads/main", "--sha", SHA], "push refs/heads/main - -")]
    #[case(&["--tag-name", "try", "--sha", SHA], "workflow_dispatch  try -")]
    #[case(&["--ref", "refs/heads/x", "--tag-name", "try", "--sha", SHA], "workflow_dispatch refs/heads/x try -")]
    #[case(&["--event-name", "workflow_dispatch", "--sha", SHA], "workflow_dispatch  - -")]
    #[case(&["--ref", "refs/heads/main", "--sha", SHA, "--skip-push"], "push refs/heads/main - true")]
    #[case(&["--ref", "refs/heads/main", "--sha", SHA, "--skip-push=false"], "push refs/heads/main - false")]
    #[case(&["--ref", "refs/heads/main", "--sha", SHA, "--skip-push=", "--tag-name", ""], "push refs/heads/main - -")]
    #[case(&[], "nothing says what to publish: this is no GitHub Actions run, and no flag names a ref")]
    #[case(&["--sha", SHA], "nothing says what to publish: this is no GitHub Actions run, and no flag names a ref")]
    #[case(&["--ref", "refs/heads/main"], "the commit is not known")]
    #[case(&["--event-name", "push", "--sha", SHA], "a push without a ref: nothing says what was pushed")]
    fn flags_alone_make_an_event(#[case] flags: &[&str], #[case] expected: &str) {
        assert_eq!(event(&[], flags), expected);
    }

    #[rstest::rstest]
    #[case(&[], "push refs/tags/v1.2.3 - -")]
    #[case(&["--ref", "refs/heads/main"], "push refs/heads/main - -")]
    #[case(&["--event-name", "workflow_dispatch"], "workflow_dispatch refs/tags/v1.2.3 - -")]
    fn a_flag_stands_above_githubs_variable(#[case] flags: &[&str], #[case] expected: &str) {
        let variables = [
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_REF", "refs/tags/v1.2.3"),
            ("GITHUB_SHA", SHA),
            ("GITHUB_EVENT_PATH", "/nowhere"),
        ];
        let variables = if flags.contains(&"workflow_dispatch") { &variables[..3] } else { &variables[..] };
        assert_eq!(event(variables, flags), expected);
    }

    #[test]
    fn a_manual_runs_inputs_come_from_the_events_file_below_flags() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, r#"{"inputs":{"tag_name":"try","skip_push":true}}"#).unwrap();
        let variables = [
            ("GITHUB_EVENT_NAME", "workflow_dispatch"),
            ("GITHUB_REF", "refs/heads/main"),
            ("GITHUB_SHA", SHA),
            ("GITHUB_EVENT_PATH", file.path().to_str().unwrap()),
        ];
        assert_eq!(event(&variables, &[]), "workflow_dispatch refs/heads/main try true");
        let flags = ["--tag-name", "other", "--skip-push=false"];
        assert_eq!(event(&variables, &flags), "workflow_dispatch refs/heads/main other false");
    }

    #[rstest::rstest]
    #[case(None)]
    #[case(Some("{"))]
    fn an_events_file_that_is_missing_or_no_json_is_an_error(#[case] text: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let path = path.to_str().unwrap();
        let variables = [("GITHUB_EVENT_NAME", "workflow_dispatch"), ("GITHUB_SHA", SHA), ("GITHUB_EVENT_PATH", path)];
        assert_eq!(event(&variables, &[]), format!("cannot read the event's file {path}"));
    }
}
