//! The image's name, from which the default repositories derive.

use super::{
    ConfigError,
    origin::{Given, Origin},
};
use crate::{environment::Environment, oci::Repository};

const HINT: &str = "an image name is owner/name such as acme/hello; give another one with `--image` or `image`";

/// The name of the image in lower case: as given, else that of the repository on GitHub.
///
/// GitHub's names may have capitals, registries' may not, so any name is lowered rather than refused.
pub(super) fn image(given: Option<Given<String>>, env: &Environment) -> Result<Option<String>, ConfigError> {
    let on_github = || {
        let variable = "GITHUB_REPOSITORY";
        env.get(variable).map(|name| Given::new(name.to_owned(), Origin::Variable(variable)))
    };
    given.or_else(on_github).map(|given| check(&given)).transpose()
}

fn check(given: &Given<String>) -> Result<String, ConfigError> {
    let name = given.value.to_ascii_lowercase();
    let refuse = |problem: String| Err(ConfigError::invalid(given.origin.clone(), problem).with_hint(HINT));
    if name.parse::<Repository>().is_ok() {
        return refuse(format!("`{name}` begins with a registry, which an image name does not have"));
    }
    // Any host will do: only the grammar of the name is asked for.
    if !name.contains('/') || format!("localhost/{name}").parse::<Repository>().is_err() {
        return refuse(format!("`{name}` is not an image name"));
    }
    Ok(name)
}
