//! What a repository says about how it is to be published, and what the user says instead.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{InitError, containerfile, remote};
use crate::{
    config::{Overrides, load},
    containerfile::Containerfile,
    environment::Environment,
    oci::{Host, Repository},
};

/// What in a workflow tells that it publishes images, too.
const PUBLISHING: [&str; 5] =
    ["docker/build-push-action", "docker push", "podman push", "buildah push", "redhat-actions/push"];
/// What a branch may be made of, so that a workflow's filter takes it literally.
const PLAIN_IN_BRANCH: &[u8] = b"-_./";

/// What the user says; what is not said is found out.
#[derive(Debug, Default)]
pub struct Wishes {
    /// The image's name.
    pub image: Option<String>,
    /// Registries, each `name=host/repository`.
    pub registries: Vec<String>,
    /// The file to build from, its path starting at the root.
    pub containerfile: Option<String>,
    /// The branch whose builds are latest.
    pub branch: Option<String>,
}

/// One registry that differs from the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The short name.
    pub name: String,
    /// Where the image goes.
    pub repository: Repository,
}

/// What is to be set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The image's name: that of the repository on GitHub, or the one given.
    pub image: String,
    /// Whether it was given, and is not what it would be without saying.
    pub renamed: bool,
    /// The file to build from, its path starting at the root.
    pub containerfile: String,
    /// What that file says.
    pub build: Containerfile,
    /// The branch whose builds are latest.
    pub branch: String,
    /// Registries in place of the default ones; none if those will do.
    pub destinations: Vec<Destination>,
    /// Workflows that seem to publish images already.
    pub rivals: Vec<String>,
}

impl Survey {
    /// Where the image goes.
    pub fn repositories(&self) -> Vec<String> {
        if self.destinations.is_empty() {
            return vec![format!("ghcr.io/{}", self.image), format!("docker.io/{}", self.image)];
        }
        self.destinations.iter().map(|destination| destination.repository.to_string()).collect()
    }

    /// The secrets that the workflow hands on, and that have to be set.
    pub fn secrets(&self) -> Vec<&'static str> {
        let hosts = || self.destinations.iter().map(|destination| &destination.repository.host);
        let mut secrets = Vec::new();
        if self.destinations.is_empty() || hosts().any(Host::is_docker_hub) {
            secrets.extend(["DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"]);
        }
        if hosts().any(is_stranger) {
            secrets.extend(["REGISTRY_USERNAME", "REGISTRY_TOKEN"]);
        }
        secrets
    }
}

/// Whether nothing is known about a registry by its host.
pub(super) fn is_stranger(host: &Host) -> bool {
    !host.is_ghcr() && !host.is_docker_hub()
}

/// What git says about a repository.
#[derive(Debug, Default)]
pub struct GitFacts {
    /// The address of `origin`, else of the only other remote.
    pub remote: Option<String>,
    /// The branch that the remote shows first, else the one that is checked out.
    pub branch: Option<String>,
}

/// Looks at the repository in `root`.
///
/// # Errors
/// When something is neither said nor to be found out, or what is said makes no sense.
pub fn survey(root: &Path, git: &GitFacts, wishes: &Wishes) -> Result<Survey, InitError> {
    let on_github = match &git.remote {
        Some(url) => remote::on_github(url).ok_or_else(|| InitError::NotOnGitHub { url: remote::harmless(url) }),
        None => Err(InitError::NoRemote),
    };
    let image = match (&wishes.image, &on_github) {
        (Some(image), _) => image.clone(),
        (None, Ok(name)) => name.clone(),
        (None, Err(_)) => return Err(on_github.err().unwrap_or(InitError::NoRemote)),
    };
    let image = image.to_ascii_lowercase();
    check(&image, &wishes.registries)?;
    let containerfile = match &wishes.containerfile {
        Some(file) if root.join(file).is_file() => file.clone(),
        Some(file) => return Err(InitError::NotThere(file.clone())),
        None => containerfile::find(root)?,
    };
    let branch =
        wishes.branch.clone().or_else(|| git.branch.clone()).unwrap_or_else(|| crate::plan::MAIN_BRANCH.into());
    if !branch.bytes().all(|b| b.is_ascii_alphanumeric() || PLAIN_IN_BRANCH.contains(&b)) {
        return Err(InitError::BadBranch(branch));
    }
    let path = root.join(&containerfile);
    let text = fs::read(&path).map_err(|source| InitError::File { action: "read", path, source })?;
    Ok(Survey {
        build: Containerfile::parse(&String::from_utf8_lossy(&text)),
        renamed: wishes.image.is_some() && on_github.ok().is_none_or(|name| name.to_ascii_lowercase() != image),
        image,
        containerfile,
        branch,
        destinations: wishes.registries.iter().map(|text| destination(text)).collect::<Result<_, _>>()?,
        rivals: rivals(root)?,
    })
}

/// Whether a configuration with these values would be accepted; what it says of them is left to the run itself.
fn check(image: &str, registries: &[String]) -> Result<(), InitError> {
    let overrides = Overrides { image: Some(image.into()), registries: registries.to_vec(), ..Overrides::default() };
    // A folder that is not there has no configuration file that could interfere.
    let accepted = load(Path::new("/nonexistent"), &overrides, &Environment::default());
    match accepted {
        Ok(_) => Ok(()),
        Err(_) if registries.is_empty() => Err(InitError::BadImage(image.into())),
        Err(error) => Err(InitError::BadRegistry(format!("{} ({error})", registries.join(", ")))),
    }
}

fn destination(text: &str) -> Result<Destination, InitError> {
    let bad = || InitError::BadRegistry(text.into());
    let (name, repository) = text.split_once('=').ok_or_else(bad)?;
    Ok(Destination { name: name.into(), repository: repository.parse().map_err(|_| bad())? })
}

fn rivals(root: &Path) -> Result<Vec<String>, InitError> {
    let folder = root.join(".github/workflows");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let unread = |path: PathBuf| move |source| InitError::File { action: "read", path, source };
    let mut rivals = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unread(folder.clone()))? {
        let path = entry.map_err(unread(folder.clone()))?.path();
        let is_workflow = path.extension().is_some_and(|it| it == "yml" || it == "yaml");
        let ours = path.file_name().is_some_and(|name| super::WORKFLOW_FILE.ends_with(&*name.to_string_lossy()));
        if is_workflow && !ours {
            let text = fs::read_to_string(&path).map_err(unread(path.clone()))?;
            if PUBLISHING.iter().any(|it| text.contains(it)) {
                rivals.push(path.strip_prefix(root).unwrap_or(&path).display().to_string());
            }
        }
    }
    rivals.sort();
    Ok(rivals)
}
