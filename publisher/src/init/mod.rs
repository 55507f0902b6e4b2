//! `publisher init`: writes the two files that a repository needs to publish from GitHub.
//!
//! `survey` looks at the repository and changes nothing; `files` makes text of the result. Nothing is guessed: a setting
//! that the repository does not show is an error that names its flag.

mod files;
mod pin;
mod survey;

use std::{fs, path::PathBuf};

use clap::Args;

use crate::{config::CONFIG_FILE, exit::Failure, git};
use files::{configuration, workflow};
use pin::Pin;
use survey::{Survey, survey};

/// Where the workflow is in a repository.
const WORKFLOW_FILE: &str = ".github/workflows/build-images.yml";

/// The flags of `publisher init`.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// Names the image, owner/name; by default the repository on GitHub, from the address of the remote `origin`
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

/// A file to write, its path starting at the root.
type Text = (&'static str, String);

/// Writes the files, or prints them, and lists the next steps.
///
/// # Errors
/// When the repository does not show what is to be published, or files would be overwritten. Nothing is written then.
pub async fn init(args: &InitArgs) -> Result<String, Failure> {
    let prepared = prepare(args).await;
    let (root, survey, files) = prepared.map_err(|failure| failure.left("nothing was written"))?;
    if args.dry_run {
        return Ok(files.map(|(name, text)| format!("# --- {name}\n{text}")).join("\n"));
    }
    for (name, text) in &files {
        let path = root.join(name);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        written.map_err(|error| Failure::other(format!("failed to write {}", path.display())).because(error))?;
    }
    Ok(next_steps(&survey))
}

/// The repository's root, what was found there, and the two files.
async fn prepare(args: &InitArgs) -> Result<(PathBuf, Survey, [Text; 2]), Failure> {
    let folder = std::env::current_dir().unwrap_or_default();
    let no_repository = || Failure::other(format!("{} is in no git repository", folder.display()));
    let hint = "run it in the repository that holds the Containerfile; `git init` makes one";
    let root = git::root(&folder).await.ok_or_else(|| no_repository().hint(hint))?;
    let survey = survey(&root, args).await?;
    let pin = Pin::choose(args.from.as_deref()).await?;
    let files = [(WORKFLOW_FILE, workflow(&survey, &pin)), (CONFIG_FILE, configuration(&survey, &pin))];
    let exists = |name: &&str| root.join(name).symlink_metadata().is_ok();
    let existing: Vec<_> = files.iter().map(|(name, _)| *name).filter(exists).collect();
    if !existing.is_empty() && !args.force && !args.dry_run {
        let message = format!("{} would be overwritten", existing.join(" and "));
        return Err(Failure::other(message).hint("--force overwrites them, --dry-run shows what would be written"));
    }
    Ok((root, survey, files))
}

/// The files that were written, and the next steps.
fn next_steps(survey: &Survey) -> String {
    let secrets = survey.secrets();
    let mut lines = vec![format!("wrote {WORKFLOW_FILE}, {CONFIG_FILE}"), String::new(), "next".to_owned()];
    lines.extend(secrets.iter().map(|name| format!("  gh secret set {name}")));
    lines.push(format!("  git add {WORKFLOW_FILE} {CONFIG_FILE} && git commit -m \"Publish the image\" && git push"));
    lines.push(String::new());
    if secrets.contains(&"DOCKERHUB_TOKEN") {
        lines.push("DOCKERHUB_TOKEN is a personal access token with Read, Write & Delete.".to_owned());
    }
    lines.push(format!("A push to {} is published as latest, the tag v1.2.3 as 1.2.3:", survey.branch));
    lines.extend(survey.registries.iter().map(|registry| format!("  {}", registry.repository)));
    if !survey.build.healthcheck {
        let unless = survey.build.base.as_ref().map(|base| format!(", unless {base} has one")).unwrap_or_default();
        lines.push(format!("\nwarning: {} gives the image no HEALTHCHECK{unless}", survey.containerfile));
        lines.push("hint: add one, or write `healthcheck = false` in publish.toml if none is meant".to_owned());
    }
    for workflow in &survey.other_workflows {
        lines.push(format!("\nwarning: {workflow} seems to publish images, too"));
        lines.push("hint: two workflows that move one tag undo each other's work; keep one of them".to_owned());
    }
    lines.join("\n") + "\n"
}
