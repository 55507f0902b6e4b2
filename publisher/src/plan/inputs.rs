//! The inputs of a run that was started by hand, as GitHub hands them over in the event's JSON file.

use std::{fs, io};

use serde_json::Value;

use super::PlanError;

/// What the person who starts a run may choose. An input without text counts as not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DispatchInputs {
    /// The tag to publish under.
    pub tag_name: Option<String>,
    /// Which of the configured platforms to build, divided by commas.
    pub platforms: Option<String>,
    /// `true` to build without publishing.
    pub skip_push: Option<String>,
}

impl DispatchInputs {
    /// Reads `inputs` of the event in a file. Inputs that are not ours are for other steps and are passed over.
    pub(super) fn of_file(file: &str) -> Result<Self, PlanError> {
        let unreadable = |source| PlanError::UnreadableEvent { file: file.into(), source };
        let bytes = fs::read(file).map_err(unreadable)?;
        let event: Value = serde_json::from_slice(&bytes).map_err(|error| unreadable(io::Error::other(error)))?;
        Self::of_event(&event)
    }

    fn of_event(event: &Value) -> Result<Self, PlanError> {
        let read = |name: &'static str| match &event["inputs"][name] {
            Value::Null => Ok(None),
            Value::String(text) => Ok(some_text(text)),
            // GitHub writes a boolean input as text in some events and as a boolean in others.
            Value::Bool(value) => Ok(Some(value.to_string())),
            _ => Err(PlanError::BadInput(name)),
        };
        Ok(Self { tag_name: read("tag_name")?, platforms: read("platforms")?, skip_push: read("skip_push")? })
    }
}

/// A text without the blanks around it, unless nothing remains: forms and workflows hand on empty inputs.
pub(super) fn some_text(text: &str) -> Option<String> {
    Some(text.trim()).filter(|text| !text.is_empty()).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let inputs = DispatchInputs::of_event(&serde_json::from_str(event).unwrap()).unwrap();
        let read = [&inputs.tag_name, &inputs.platforms, &inputs.skip_push].map(Option::as_deref);
        assert_eq!(read, [tag_name, platforms, skip_push]);
    }

    #[rstest::rstest]
    #[case(r#"{"inputs":{"tag_name":1}}"#, "tag_name")]
    #[case(r#"{"inputs":{"platforms":["linux/amd64"]}}"#, "platforms")]
    #[case(r#"{"inputs":{"skip_push":{}}}"#, "skip_push")]
    fn an_input_of_another_type_is_refused(#[case] event: &str, #[case] input: &str) {
        let error = DispatchInputs::of_event(&serde_json::from_str(event).unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the input `{input}` in the event's file is neither a text nor true or false")
        );
    }
}
