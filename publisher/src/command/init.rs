//! `publisher init`: two files that make a repository publish from GitHub.

use std::{fs, path::Path};

use clap::Args;

use super::git;
use crate::{
    config::CONFIG_FILE,
    exit::Failure,
    init::{GitFacts, InitError, Pin, Survey, WORKFLOW_FILE, Wishes, configuration, survey, workflow},
};

/// The flags of `publisher init`.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// Names the image, owner/name; by default the repository on GitHub, as the remote `origin` tells
    #[arg(long, value_name = "OWNER/NAME")]
    pub image: Option<String>,
    /// Publishes here, as name=host/repository, in place of ghcr.io and docker.io; repeatable
    #[arg(long = "registry", value_name = "NAME=HOST/REPOSITORY")]
    pub registries: Vec<String>,
    /// Builds from this file; by default the Containerfile or Dockerfile in the root, else the only one below it
    #[arg(short = 'f', long, value_name = "FILE")]
    pub containerfile: Option<String>,
    /// Takes this branch as the one whose builds are latest; by default the remote's first one, else the current one
    #[arg(long, value_name = "BRANCH")]
    pub branch: Option<String>,
    /// Calls the workflow of this repository, at this commit or at that of its newest release; by default what this
    /// program was compiled from
    #[arg(long, value_name = "OWNER/REPO[@COMMIT]")]
    pub from: Option<String>,
    /// Prints the files in place of writing them
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrites files that are there
    #[arg(long)]
    pub force: bool,
}

/// Writes the files, or prints them, and says what is to be done next.
///
/// # Errors
/// When the repository does not tell what is to be published, or files would be overwritten. Nothing is written then.
pub async fn init(args: &InitArgs) -> Result<String, Failure> {
    let folder = std::env::current_dir().unwrap_or_default();
    let root = git::root(&folder).await.ok_or(InitError::NoRepository(folder))?;
    let facts = GitFacts { remote: git::remote(&root).await, branch: git::main_branch(&root).await };
    let wishes = Wishes {
        image: args.image.clone(),
        registries: args.registries.clone(),
        containerfile: args.containerfile.clone(),
        branch: args.branch.clone(),
    };
    let survey = survey(&root, &facts, &wishes)?;
    let pin = pin(args.from.as_deref()).await?;
    let files = [(WORKFLOW_FILE, workflow(&survey, &pin)), (CONFIG_FILE, configuration(&survey, &pin))];
    if args.dry_run {
        let shown = files.map(|(name, text)| format!("# --- {name}\n{text}"));
        return Ok(shown.join("\n"));
    }
    let existing = files.iter().map(|(name, _)| *name).filter(|name| root.join(name).symlink_metadata().is_ok());
    let existing: Vec<_> = existing.map(str::to_owned).collect();
    if !existing.is_empty() && !args.force {
        return Err(InitError::Exists(existing).into());
    }
    for (name, text) in &files {
        write(&root.join(name), text)?;
    }
    Ok(next(&survey))
}

async fn pin(from: Option<&str>) -> Result<Pin, InitError> {
    match from.map(|from| from.split_once('@').ok_or(from)) {
        None => Pin::of_this_program(),
        Some(Ok((repository, commit))) => Pin::at(repository, commit),
        Some(Err(repository)) => {
            Pin::check(repository)?;
            let refs = git::refs(&format!("https://github.com/{repository}")).await;
            Pin::newest(repository, &refs.unwrap_or_default())
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), InitError> {
    let unwritten = |source| InitError::File { action: "write", path: path.into(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(unwritten)?;
    }
    fs::write(path, text).map_err(unwritten)
}

/// What was done, and what is left to do.
fn next(survey: &Survey) -> String {
    let secrets = survey.secrets();
    let mut lines = vec![format!("wrote {WORKFLOW_FILE}, {CONFIG_FILE}"), String::new(), "next".to_owned()];
    lines.extend(secrets.iter().map(|name| format!("  gh secret set {name}")));
    lines.push(format!("  git add {WORKFLOW_FILE} {CONFIG_FILE} && git commit -m \"Publish the image\" && git push"));
    lines.push(String::new());
    if secrets.contains(&"DOCKERHUB_TOKEN") {
        lines.push("DOCKERHUB_TOKEN is a personal access token with Read, Write & Delete.".to_owned());
    }
    lines.push(format!("A push to {} is published as latest, the tag v1.2.3 as 1.2.3:", survey.branch));
    lines.extend(survey.repositories().iter().map(|repository| format!("  {repository}")));
    if !survey.build.healthcheck {
        let unless = survey.build.base.as_ref().map(|base| format!(", unless {base} has one")).unwrap_or_default();
        lines.push(String::new());
        lines.push(format!("warning: {} gives the image no HEALTHCHECK{unless}", survey.containerfile));
        lines.push("hint: add one, or write `healthcheck = false` in publish.toml if none is meant".to_owned());
    }
    for rival in &survey.rivals {
        lines.push(String::new());
        lines.push(format!("warning: {rival} seems to publish images, too"));
        lines.push("hint: two workflows that move one tag undo each other's work; keep one of them".to_owned());
    }
    lines.join("\n") + "\n"
}
