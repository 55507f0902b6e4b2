//! What started the run, from GitHub's variables and from flags.

use std::{fs, io};

use clap::Args;
use serde_json::Value;

use crate::{environment::Environment, exit::Failure};

/// The branch whose builds are `latest` by default (FR-007).
pub const MAIN_BRANCH: &str = "main";

pub(super) const PUSH: &str = "push";
pub(super) const WORKFLOW_DISPATCH: &str = "workflow_dispatch";
pub(super) const PULL_REQUEST: &str = "pull_request";

/// The ref of a run has to be given in full.
pub(super) const REFERENCE_HINT: &str = "give the whole ref, `--ref refs/heads/main` or `--ref refs/tags/v1.2.0`";
pub(super) const COMMIT_HINT: &str = "give `--sha $(git rev-parse HEAD)`";
const NO_EVENT_HINT: &str = "give `--ref refs/heads/main --sha $(git rev-parse HEAD)` for latest, \
    `--ref refs/tags/v1.2.0` for a release, `--tag-name NAME` for a manual build";

/// What started the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The event's name on GitHub: `push`, `pull_request`, `workflow_dispatch`.
    pub event: String,
    /// The ref in full: `refs/heads/main`, `refs/tags/v1.2.3`. Empty where a manual build names none.
    pub reference: String,
    /// The commit.
    pub sha: String,
    /// Input of a manual run: the tag to publish under. An input without text counts as not given.
    pub tag_name: Option<String>,
    /// Input of a manual run: which of the configured platforms to build, divided by commas.
    pub platforms: Option<String>,
    /// Input of a manual run: `true` to build without publishing.
    pub skip_push: Option<String>,
    /// The branch whose builds are `latest`.
    pub main_branch: String,
}

/// The flags of the trigger. The variables below the flags are read from [`Environment`], not by clap:
/// an empty flag leaves the decision to them.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Event")]
pub struct TriggerFlags {
    /// Takes the run as started by this event, push, `pull_request` or `workflow_dispatch`; by default `GITHUB_EVENT_NAME`, else
    /// `workflow_dispatch` where --tag-name is given, else push
    #[arg(long, value_name = "NAME")]
    pub event_name: Option<String>,

    /// Takes this ref as the one that was pushed: refs/heads/main becomes latest, refs/tags/v1.2.3 becomes 1.2.3; by
    /// default `GITHUB_REF`
    #[arg(long = "ref", value_name = "REF")]
    pub reference: Option<String>,

    /// Takes this as the commit that is built; by default `GITHUB_SHA`
    #[arg(long, value_name = "COMMIT")]
    pub sha: Option<String>,

    /// Publishes a manual build under this tag, by default manual-<short sha>; neither latest nor a version
    #[arg(long, value_name = "TAG")]
    pub tag_name: Option<String>,

    /// Builds without publishing anything
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub skip_push: Option<String>,

    /// Takes this branch as the one whose builds are latest; by default `TALLYMAN_MAIN_BRANCH`, else main
    #[arg(long, value_name = "BRANCH")]
    pub main_branch: Option<String>,
}

impl Trigger {
    /// What started this run: for each part the flag, else GitHub's variable. The inputs of a manual run are read from
    /// the file that `GITHUB_EVENT_PATH` names.
    ///
    /// # Errors
    /// When neither flags nor variables name an event, the commit is missing, or the event's file is not readable.
    pub fn from_environment(env: &Environment, flags: &TriggerFlags) -> Result<Self, Failure> {
        let flag = |flag: &Option<String>| flag.as_deref().and_then(some_text);
        let known = |given: &Option<String>, variable| flag(given).or_else(|| env.get(variable).and_then(some_text));

        let reference = known(&flags.reference, "GITHUB_REF");
        let tag_name = flag(&flags.tag_name);
        let event = match (known(&flags.event_name, "GITHUB_EVENT_NAME"), &tag_name, &reference) {
            (Some(event), _, _) => event,
            (None, Some(_), _) => WORKFLOW_DISPATCH.into(),
            (None, None, Some(_)) => PUSH.into(),
            (None, None, None) => {
                let message = "nothing says what to publish: this is no GitHub Actions run, and no flag names a ref";
                return Err(Failure::other(message).hint(NO_EVENT_HINT));
            }
        };
        if event == PUSH && reference.is_none() {
            let message = "a push without a ref: nothing says what was pushed";
            return Err(Failure::other(message).hint(REFERENCE_HINT));
        }
        let document = match env.get("GITHUB_EVENT_PATH") {
            Some(file) if event == WORKFLOW_DISPATCH => read_event(file)?,
            _ => Value::Null,
        };
        let no_commit = || Failure::other("the commit is not known").hint(COMMIT_HINT);
        Ok(Self {
            event,
            reference: reference.unwrap_or_default(),
            sha: known(&flags.sha, "GITHUB_SHA").ok_or_else(no_commit)?,
            tag_name: tag_name.or(input(&document, "tag_name")?),
            platforms: input(&document, "platforms")?,
            skip_push: flag(&flags.skip_push).or(input(&document, "skip_push")?),
            main_branch: known(&flags.main_branch, "TALLYMAN_MAIN_BRANCH").unwrap_or_else(|| MAIN_BRANCH.into()),
        })
    }
}

/// Reads the event in a file.
fn read_event(file: &str) -> Result<Value, Failure> {
    let event = fs::read(file).and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::other));
    event.map_err(|error| {
        Failure::other(format!("cannot read the event's file {file}"))
            .because(error)
            .hint("`GITHUB_EVENT_PATH` has to name the JSON file that GitHub Actions writes")
    })
}

/// An input of the event. Other inputs are for other steps and are ignored.
fn input(event: &Value, name: &str) -> Result<Option<String>, Failure> {
    match &event["inputs"][name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(some_text(text)),
        // GitHub writes a boolean input as text in some events and as a boolean in others.
        Value::Bool(value) => Ok(Some(value.to_string())),
        _ => Err(Failure::other(format!("the input `{name}` in the event's file is neither a text nor true or false"))),
    }
}

/// A text without the blanks around it, unless nothing remains: forms and workflows hand on empty inputs.
fn some_text(text: &str) -> Option<String> {
    Some(text.trim()).filter(|text| !text.is_empty()).map(Into::into)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        flags: TriggerFlags,
    }

    /// The trigger as `event reference tag_name skip_push`, or the error.
    fn trigger(variables: &[(&str, &str)], flags: &[&str]) -> String {
        let flags = Command::try_parse_from([&["publisher"], flags].concat()).unwrap().flags;
        let shown = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        match Trigger::from_environment(&variables.iter().copied().collect(), &flags) {
            Ok(trigger) => {
                assert_eq!(trigger.sha, SHA);
                let (tag_name, skip_push) = (shown(trigger.tag_name), shown(trigger.skip_push));
                format!("{} {} {tag_name} {skip_push}", trigger.event, trigger.reference)
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
        assert_eq!(trigger(&[], flags), expected);
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
        assert_eq!(trigger(variables, flags), expected);
    }

    #[test]
    fn a_manual_runs_inputs_come_from_the_events_file_below_flags() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, r#"{"inputs":{"tag_name":"try","skip_push":true}}"#).unwrap();
        let variables = [
            ("GITHUB_EVENT_NAME", "workflow_dispatch"),
            ("GITHUB_REF", "refs/heads/main"),
            ("GITHUB_SHA", SHA),
            ("GITHUB_EVENT_PATH", file.path().to_str().unwrap()),
        ];
        assert_eq!(trigger(&variables, &[]), "workflow_dispatch refs/heads/main try true");
        let flags = ["--tag-name", "other", "--skip-push=false"];
        assert_eq!(trigger(&variables, &flags), "workflow_dispatch refs/heads/main other false");
    }

    #[rstest::rstest]
    #[case(None)]
    #[case(Some("{"))]
    fn an_events_file_that_is_missing_or_no_json_is_an_error(#[case] text: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
        }
        let path = path.to_str().unwrap();
        let variables = [("GITHUB_EVENT_NAME", "workflow_dispatch"), ("GITHUB_SHA", SHA), ("GITHUB_EVENT_PATH", path)];
        assert_eq!(trigger(&variables, &[]), format!("cannot read the event's file {path}"));
    }

    #[rstest::rstest]
    #[case(
        r#"{"inputs":{"tag_name":"try","platforms":"linux/arm64","skip_push":"true"}}"#,
        Some("try"),
        Some("linux/arm64"),
        Some("true")
    )]
    #[case(r#"{"inputs":{"skip_push":true}}"#, None, None, Some("true"))]
    #[case(r#"{"inputs":{"skip_push":false,"debug":{"a":[1]}}}"#, None, None, Some("false"))]
    #[case(r#"{"inputs":{"tag_name":"  ","platforms":"","skip_push":null}}"#, None, None, None)]
    #[case(r#"{"inputs":{"tag_name":" try\n"}}"#, Some("try"), None, None)]
    #[case(r#"{"inputs":null}"#, None, None, None)]
    #[case(r#"{"ref":"refs/heads/main"}"#, None, None, None)]
    #[case("[]", None, None, None)]
    fn inputs_are_read(
        #[case] event: &str,
        #[case] tag_name: Option<&str>,
        #[case] platforms: Option<&str>,
        #[case] skip_push: Option<&str>,
    ) {
        let event = serde_json::from_str(event).unwrap();
        let read = ["tag_name", "platforms", "skip_push"].map(|name| input(&event, name).unwrap());
        assert_eq!(read.each_ref().map(Option::as_deref), [tag_name, platforms, skip_push]);
    }

    #[rstest::rstest]
    #[case(r#"{"inputs":{"tag_name":1}}"#, "tag_name")]
    #[case(r#"{"inputs":{"platforms":["linux/amd64"]}}"#, "platforms")]
    #[case(r#"{"inputs":{"skip_push":{}}}"#, "skip_push")]
    fn an_input_of_another_type_is_refused(#[case] event: &str, #[case] name: &str) {
        let error = input(&serde_json::from_str(event).unwrap(), name).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the input `{name}` in the event's file is neither a text nor true or false")
        );
    }
}
