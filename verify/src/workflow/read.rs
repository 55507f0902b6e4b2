//! Files of workflows and actions, and the repositories that they stand in.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use github_actions_models::{action::Action, common::RepositoryUses, workflow};
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

    /// The folder of a repository, if it is on this machine.
    pub(super) fn folder(&self, uses: &RepositoryUses) -> Option<&Path> {
        self.folders.get(&uses.slug().to_lowercase()).map(PathBuf::as_path)
    }
}

/// A workflow's file: as its types say, and whole, for what these leave out.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) workflow: workflow::Workflow,
    pub(super) value: Value,
}

impl Document {
    /// Reads a workflow.
    pub(super) fn read(path: &Path) -> Result<Self, HarnessError> {
        let value: Value = yaml(path)?;
        let workflow = typed(&value).map_err(HarnessError::other(format!("{} is no workflow", path.display())))?;
        Ok(Self { workflow, value })
    }

    /// What stands under some keys, if it does.
    pub(super) fn at(&self, keys: &[&str]) -> Option<&Value> {
        keys.iter().try_fold(&self.value, |value, key| value.get(*key))
    }
}

/// Reads the action in a folder.
pub(super) fn action(folder: &Path) -> Result<Action, HarnessError> {
    let path = [folder.join("action.yml"), folder.join("action.yaml")];
    let path = path.iter().find(|path| path.exists()).unwrap_or(&path[0]);
    let value: Value = yaml(path)?;
    typed(&value).map_err(HarnessError::other(format!("{} is no action", path.display())))
}

fn yaml(path: &Path) -> Result<Value, HarnessError> {
    let text = fs::read_to_string(path).map_err(HarnessError::at("read", path))?;
    let mut value: Value =
        yaml_serde::from_str(&text).map_err(HarnessError::other(format!("{} is no YAML", path.display())))?;
    value.apply_merge().map_err(HarnessError::other(format!("{} is no YAML", path.display())))?;
    Ok(value)
}

/// The same as a type.
pub(super) fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, yaml_serde::Error> {
    yaml_serde::from_value(value.clone())
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
            Document::read(&path).unwrap_err().with_causes()
        };
        assert!(told("on: push\njobs: 3").contains("a.yml is no workflow: "));
        assert!(told("on: [push").contains("a.yml is no YAML: "));
        assert!(Document::read(Path::new("/none.yml")).unwrap_err().with_causes().contains("cannot read /none.yml"));
    }
}
