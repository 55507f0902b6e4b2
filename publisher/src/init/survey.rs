//! Finds out how a repository is to be published: from flags, else from its files and from git.

use std::{collections::BTreeMap, fs, path::Path};

use super::{InitArgs, WORKFLOW_FILE};
use crate::{
    config::{CONTAINERFILES, RegistryConfig, Settings, load},
    containerfile::Containerfile,
    environment::Environment,
    exit::Failure,
    git,
    oci::Host,
    plan::MAIN_BRANCH,
};

/// Folders of other people's files.
const FOREIGN: [&str; 4] = ["node_modules", "target", "third_party", "vendor"];
/// What a workflow contains that publishes images.
const PUBLISHING: [&str; 5] =
    ["docker/build-push-action", "docker push", "podman push", "buildah push", "redhat-actions/push"];

/// What is to be set up.
pub(super) struct Survey {
    /// The image's name, in lower case.
    pub(super) image: String,
    /// Whether that is not the name of the repository on GitHub.
    pub(super) renamed: bool,
    /// The file to build from, its path starting at the root.
    pub(super) containerfile: String,
    /// What that file says.
    pub(super) build: Containerfile,
    /// The branch whose builds are latest.
    pub(super) branch: String,
    /// Where the image goes.
    pub(super) registries: Vec<RegistryConfig>,
    /// Whether these are not the default registries.
    pub(super) has_own_registries: bool,
    /// Workflows that seem to publish images already.
    pub(super) other_workflows: Vec<String>,
}

impl Survey {
    /// The secrets that the workflow hands on, and that have to be set.
    pub(super) fn secrets(&self) -> Vec<&'static str> {
        let any = |test: fn(&Host) -> bool| self.registries.iter().any(|registry| test(&registry.repository.host));
        let mut secrets = Vec::new();
        if any(Host::is_docker_hub) {
            secrets.extend(["DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"]);
        }
        if any(has_own_secrets) {
            secrets.extend(["REGISTRY_USERNAME", "REGISTRY_TOKEN"]);
        }
        secrets
    }
}

/// Whether a registry's credentials have no usual names.
pub(super) fn has_own_secrets(host: &Host) -> bool {
    !host.is_ghcr() && !host.is_docker_hub()
}

/// Looks at the repository in `root`.
///
/// # Errors
/// When something is neither given nor found, or a flag is not understood.
pub(super) async fn survey(root: &Path, args: &InitArgs) -> Result<Survey, Failure> {
    let remote = git::remote(root).await;
    let on_github = remote.as_deref().and_then(on_github);
    let image = args.image.as_ref().or(on_github.as_ref()).ok_or_else(|| match remote {
        Some(_) => Failure::other("the remote is not on GitHub, where the workflow runs")
            .hint("if the repository is on GitHub as well, say so: --image OWNER/NAME"),
        None => Failure::other("the repository has no remote, so nothing says what the image is called").hint(
            "`git remote add origin git@github.com:OWNER/NAME.git`, or say what the image is called: --image OWNER/NAME",
        ),
    })?;
    let registries = args.registries.iter().map(|text| text.as_str().into()).collect();
    let settings = Settings { image: Some(image.as_str().into()), registries, ..Settings::default() };
    // A folder that is not there has no configuration file that could interfere.
    let config = load(Path::new("/nonexistent"), &settings, &Environment::default())?;
    let files = git::files(root).await;
    let containerfile = match &args.containerfile {
        Some(file) if root.join(file).is_file() => file.clone(),
        Some(file) => {
            let message = format!("there is no file {file} in the repository");
            return Err(Failure::other(message).hint("the path starts at the repository's root"));
        }
        None => find_containerfile(&files)?,
    };
    let branch = match &args.branch {
        Some(branch) => branch.clone(),
        None => git::main_branch(root).await.unwrap_or_else(|| MAIN_BRANCH.into()),
    };
    // The characters that a workflow's filter of branches takes literally.
    if !branch.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b)) {
        let message = format!("the branch `{branch}` has characters that mean something else in a workflow");
        return Err(Failure::other(message).hint("name another one: --branch NAME"));
    }
    Ok(Survey {
        build: Containerfile::parse(&read(root, &containerfile)?),
        renamed: on_github.is_none_or(|name| name.to_ascii_lowercase() != config.image),
        image: config.image,
        containerfile,
        branch,
        registries: config.registries,
        has_own_registries: !args.registries.is_empty(),
        other_workflows: files.into_iter().filter(|file| publishes(root, file)).collect(),
    })
}

/// The file to build from: the root's own, else the only one below it; of two names in one folder the first.
fn find_containerfile(files: &[String]) -> Result<String, Failure> {
    let mut by_folder = BTreeMap::new();
    for name in CONTAINERFILES {
        for file in files {
            let (folder, file_name) = file.rsplit_once('/').unwrap_or(("", file));
            let foreign = folder.split('/').any(|part| part.starts_with('.') || FOREIGN.contains(&part));
            if file_name == name && !foreign {
                by_folder.entry(folder).or_insert(file.clone());
            }
        }
    }
    if let Some(file) = by_folder.remove("") {
        return Ok(file);
    }
    match by_folder.into_values().collect::<Vec<_>>().as_slice() {
        [] => Err(Failure::other("there is no Containerfile and no Dockerfile")
            .hint("write one; docs/adopt.md describes what it needs")),
        [file] => Ok(file.clone()),
        files => Err(Failure::other(format!("there are several files to build from: {}", files.join(", ")))
            .hint("say which: --containerfile FILE")),
    }
}

/// Whether a file is a workflow, other than ours, that publishes images.
fn publishes(root: &Path, file: &str) -> bool {
    let is_workflow = file.starts_with(".github/workflows/") && file != WORKFLOW_FILE;
    is_workflow && read(root, file).is_ok_and(|text| PUBLISHING.iter().any(|command| text.contains(command)))
}

fn read(root: &Path, file: &str) -> Result<String, Failure> {
    let bytes = fs::read(root.join(file));
    let bytes = bytes.map_err(|error| Failure::other(format!("failed to read {file}")).because(error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `owner/name` on GitHub, from a remote's address in any of git's forms: `scheme://user@host:port/path`, `user@host:path`.
fn on_github(url: &str) -> Option<String> {
    let (server, path) = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => url.split_once(':')?,
    };
    let host = server.rsplit('@').next()?.split(':').next()?;
    let path = path.trim_matches('/');
    let (owner, name) = path.strip_suffix(".git").unwrap_or(path).split_once('/')?;
    let complete = !owner.is_empty() && !name.is_empty() && !name.contains('/');
    (host.eq_ignore_ascii_case("github.com") && complete).then(|| format!("{owner}/{name}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("git@github.com:Acme/Hello.git", Some("Acme/Hello"))]
    #[case("github.com:acme/hello", Some("acme/hello"))]
    #[case("ssh://git@github.com/acme/hello.git", Some("acme/hello"))]
    #[case("ssh://git@github.com:22/acme/hello", Some("acme/hello"))]
    #[case("https://github.com/acme/hello", Some("acme/hello"))]
    #[case("https://token@GitHub.com/acme/hello.git/", Some("acme/hello"))]
    #[case("https://gitlab.com/acme/hello", None)]
    #[case("https://github.com.evil.example/acme/hello", None)]
    #[case("https://github.com/acme", None)]
    #[case("https://github.com/acme/hello/tree", None)]
    #[case("/srv/git/hello.git", None)]
    #[case("../hello", None)]
    fn github_is_recognised(#[case] url: &str, #[case] expected: Option<&str>) {
        assert_eq!(on_github(url).as_deref(), expected);
    }

    #[rstest]
    #[case(&["Dockerfile", "api/Containerfile"], Some("Dockerfile"))]
    #[case(&["Dockerfile", "Containerfile"], Some("Containerfile"))]
    #[case(&["api/Dockerfile", "vendor/x/Dockerfile", ".ci/Dockerfile", "api/Containerfile"], Some("api/Containerfile"))]
    #[case(&["api/Dockerfile", "web/Dockerfile"], None)]
    #[case(&["Containerfile.old"], None)]
    fn the_only_containerfile_is_found(#[case] files: &[&str], #[case] expected: Option<&str>) {
        let files: Vec<_> = files.iter().map(ToString::to_string).collect();
        assert_eq!(find_containerfile(&files).ok().as_deref(), expected);
    }
}
