//! What single values have to be like.

use std::time::Duration;

use clap::ValueEnum;

use crate::{exit::Failure, oci::Repository};

/// The longest first wait between attempts that is accepted. It doubles with every attempt, and a runner that sleeps for
/// hours is paid for.
pub const RETRY_BASE_MAX: Duration = Duration::from_secs(60);

const IMAGE_HINT: &str = "an image name is owner/name such as acme/hello; give another one with `--image` or `image`";
const WAIT_HINT: &str = "write a duration such as `2s` or `500ms`, at most 60s";
const AGE_HINT: &str = "write a duration such as `30d` or `12h`, or `off`";
const CLEANUP_HINT: &str = "give `after` (the tag moves, then the old image goes), `before` (the old image goes, then the tag is set at once) or `off`";
const NAME_HINT: &str = "a registry's short name is made of lower-case letters, digits and `-`, such as ghcr";
const SECRET_HINT: &str =
    "give the name of the variable that holds the secret, such as REGISTRY_TOKEN, never the secret";
const BUILD_ARG_HINT: &str = "write KEY=VALUE, the key made of letters, digits and `_`";

/// When the image that a floating tag pointed at is removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Cleanup {
    /// After the tag has moved everywhere, so that it is never missing.
    #[default]
    After,
    /// Right before the tag is set, when everything is staged everywhere: the tag is missing for a moment.
    Before,
    /// Never.
    Off,
}

/// An error about a value.
pub(super) fn refusal(problem: impl Into<String>, hint: &str) -> Failure {
    Failure::other(problem).hint(hint)
}

/// An image's name in lower case. GitHub's names may have capitals, registries' may not.
pub(super) fn image_name(text: &str) -> Result<String, Failure> {
    let name = text.to_ascii_lowercase();
    if name.parse::<Repository>().is_ok() {
        return Err(refusal(format!("`{name}` begins with a registry, which an image name does not have"), IMAGE_HINT));
    }
    // Any host will do: only the grammar of the name is checked.
    if !name.contains('/') || format!("localhost/{name}").parse::<Repository>().is_err() {
        return Err(refusal(format!("`{name}` is not an image name"), IMAGE_HINT));
    }
    Ok(name)
}

/// The first wait between attempts.
pub(super) fn retry_base(text: &str) -> Result<Duration, Failure> {
    match humantime::parse_duration(text) {
        Ok(wait) if wait <= RETRY_BASE_MAX => Ok(wait),
        Ok(_) => Err(refusal(format!("`{text}` is longer than {}s", RETRY_BASE_MAX.as_secs()), WAIT_HINT)),
        Err(_) => Err(refusal(format!("`{text}` is not a wait"), WAIT_HINT)),
    }
}

/// How old something may become; none if there is no limit.
pub(super) fn max_age(text: &str) -> Result<Option<Duration>, Failure> {
    if text == "off" {
        return Ok(None);
    }
    humantime::parse_duration(text).map(Some).map_err(|_| refusal(format!("`{text}` is not an age"), AGE_HINT))
}

/// When to clean up.
pub(super) fn cleanup(text: &str) -> Result<Cleanup, Failure> {
    Cleanup::from_str(text, false).map_err(|_| refusal(format!("`{text}` is no time for a clean-up"), CLEANUP_HINT))
}

/// A registry's short name, `[a-z0-9][a-z0-9-]*`.
pub(super) fn registry_name(text: &str) -> Result<String, Failure> {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_name = text.starts_with(alphanumeric) && text.chars().all(|c| alphanumeric(c) || c == '-');
    is_name.then(|| text.into()).ok_or_else(|| refusal(format!("`{text}` is not a short name"), NAME_HINT))
}

/// The name of a variable that holds a credential. Only upper case, as is the custom: that refuses a token pasted here by
/// mistake, and so the error does not show the text.
pub(super) fn variable_name(text: &str) -> Result<String, Failure> {
    let is_name = is_identifier(text) && !text.contains(|c: char| c.is_ascii_lowercase());
    let problem = "the value is not the name of a variable in upper case";
    is_name.then(|| text.into()).ok_or_else(|| refusal(problem, SECRET_HINT))
}

/// The key of a build argument.
pub(super) fn build_arg_key(text: &str) -> Result<String, Failure> {
    let problem = format!("`{text}` is not the name of a build argument");
    is_identifier(text).then(|| text.into()).ok_or_else(|| refusal(problem, BUILD_ARG_HINT))
}

/// The two sides of `name=value`.
pub(super) fn split<'t>(text: &'t str, hint: &str) -> Result<(&'t str, &'t str), Failure> {
    text.split_once('=').ok_or_else(|| refusal(format!("`{text}` has no `=`"), hint))
}

/// Key and value of `KEY=VALUE`.
pub(super) fn build_arg(text: &str) -> Result<(String, String), Failure> {
    let (key, value) = split(text, BUILD_ARG_HINT)?;
    Ok((build_arg_key(key)?, value.into()))
}

fn is_identifier(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(letter) && text.chars().all(|c| letter(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("2s", Some(2000))]
    #[case("500ms", Some(500))]
    #[case("0s", Some(0))]
    #[case("1m", Some(60_000))]
    #[case("61s", None)]
    #[case("2", None)]
    #[case("", None)]
    #[case("s", None)]
    #[case("+2s", None)]
    #[case("-2s", None)]
    #[case("2S", None)]
    #[case("99999999999999999999s", None)]
    fn waits_are_read(#[case] text: &str, #[case] milliseconds: Option<u64>) {
        assert_eq!(retry_base(text).ok(), milliseconds.map(Duration::from_millis));
    }

    #[rstest::rstest]
    #[case("30d", Some(30 * 24))]
    #[case("12h", Some(12))]
    #[case("0d", Some(0))]
    #[case("30", None)]
    #[case("d", None)]
    #[case("-1d", None)]
    #[case("999999999999999d", None)]
    fn ages_are_read(#[case] text: &str, #[case] hours: Option<u64>) {
        assert_eq!(max_age(text).ok(), hours.map(|hours| Some(Duration::from_secs(hours * 60 * 60))));
    }
}
