//! Files of workflows and actions, and the repositories that they stand in.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use github_actions_models::{action::Action, workflow::Workflow};
use serde::de::DeserializeOwned;
use yaml_serde::Value;

use crate::harness::HarnessError;

/// Folders on this machine that hold other repositories, by their names: `acme/pipelines`.
#[derive(Debug, Clone, Default)]
pub struct Repositories {
    folders: BTreeMap<String, PathBuf>,
}

impl Repositories {
    /// The folders by the repositories' names.
    pub fn new(folders: impl IntoIterator<Item = (String, PathBuf)>) -> Self {
        Self { folders: folders.into_iter().map(|(name, folder)| (name.to_lowercase(), folder)).collect() }
    }

    /// Where `acme/pipelines/.github/workflows/publish.yml@v1` lies, and its repository, if that is on this machine.
    pub(super) fn find(&self, uses: &str) -> Option<(PathBuf, PathBuf)> {
        let mut parts = uses.rsplit_once('@')?.0.splitn(3, '/');
        let name = format!("{}/{}", parts.next()?, parts.next()?);
        let folder = self.folders.get(&name.to_lowercase())?;
        Some((folder.join(parts.next().unwrap_or_default()), folder.clone()))
    }
}

/// Reads a workflow.
pub(super) fn workflow(path: &Path) -> Result<Value, HarnessError> {
    document::<Workflow>(path, "workflow")
}

/// Reads the action in a folder.
pub(super) fn action(folder: &Path) -> Result<Value, HarnessError> {
    let path = [folder.join("action.yml"), folder.join("action.yaml")];
    document::<Action>(path.iter().find(|path| path.exists()).unwrap_or(&path[0]), "action")
}

/// Reads a file, which must have the form of a type.
fn document<T: DeserializeOwned>(path: &Path, what: &str) -> Result<Value, HarnessError> {
    let is_no = |what: &str| HarnessError::other(format!("{} is no {what}", path.display()));
    let text = fs::read_to_string(path).map_err(HarnessError::at("read", path))?;
    let mut value: Value = yaml_serde::from_str(&text).map_err(is_no("YAML"))?;
    value.apply_merge().map_err(is_no("YAML"))?;
    yaml_serde::from_value::<T>(value.clone()).map_err(is_no(what))?;
    Ok(value)
}

/// The folder of the repository that a workflow belongs to: what is above `.github/workflows`, else where it lies.
pub(super) fn repository(workflow: &Path) -> PathBuf {
    let folder = workflow.parent().unwrap_or(Path::new("."));
    let above = folder.ends_with(".github/workflows").then(|| folder.parent()?.parent()).flatten();
    let found = above.unwrap_or(folder);
    if found.as_os_str().is_empty() { PathBuf::from(".") } else { found.to_owned() }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/x/.github/workflows/a.yml", "/x")]
    #[case(".github/workflows/a.yml", ".")]
    #[case("fixtures/workflows/a.yml", "fixtures/workflows")]
    #[case("a.yml", ".")]
    fn a_repository_is_what_holds_the_folder_of_workflows(#[case] workflow: &str, #[case] expected: &str) {
        assert_eq!(repository(Path::new(workflow)), Path::new(expected));
    }

    #[test]
    fn what_is_no_workflow_is_told_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let told = |text: &str| {
            let path = folder.path().join("a.yml");
            fs::write(&path, text).unwrap();
            workflow(&path).unwrap_err().with_causes()
        };
        assert!(told("on: push\njobs: 3").contains("a.yml is no workflow: "));
        assert!(told("on: [push").contains("a.yml is no YAML: "));
        assert!(workflow(Path::new("/none.yml")).unwrap_err().with_causes().contains("cannot read /none.yml"));
    }
}
