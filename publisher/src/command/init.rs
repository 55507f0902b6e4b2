//! `publisher init`: two files that make a repository publish from GitHub.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;

use crate::{
    config::CONFIG_FILE,
    exit::Failure,
    init::{Git, InitError, Pin, Survey, WORKFLOW_FILE, Wishes, configuration, survey, workflow},
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
    /// Calls Tallyman's workflow at this commit; by default that of the release which this program is
    #[arg(long, value_name = "COMMIT")]
    pub pin: Option<String>,
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
pub fn init(args: &InitArgs) -> Result<String, Failure> {
    let folder = std::env::current_dir().unwrap_or_default();
    let checkout = Checkout::around(&folder)?;
    let wishes = Wishes {
        image: args.image.clone(),
        registries: args.registries.clone(),
        containerfile: args.containerfile.clone(),
        branch: args.branch.clone(),
    };
    let survey = survey(&checkout.0, &checkout, &wishes)?;
    let files =
        [(WORKFLOW_FILE, workflow(&survey, &Pin::choose(args.pin.as_deref())?)), (CONFIG_FILE, configuration(&survey))];
    if args.dry_run {
        let shown = files.map(|(name, text)| format!("# --- {name}\n{text}"));
        return Ok(shown.join("\n"));
    }
    let existing = files.iter().map(|(name, _)| *name).filter(|name| checkout.0.join(name).symlink_metadata().is_ok());
    let existing: Vec<_> = existing.map(str::to_owned).collect();
    if !existing.is_empty() && !args.force {
        return Err(InitError::Exists(existing).into());
    }
    for (name, text) in &files {
        write(&checkout.0.join(name), text)?;
    }
    Ok(next(&survey))
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
    for rival in &survey.rivals {
        lines.push(String::new());
        lines.push(format!("warning: {rival} seems to publish images, too"));
        lines.push("hint: two workflows that move one tag undo each other's work; keep one of them".to_owned());
    }
    lines.join("\n") + "\n"
}

/// The root of a git checkout.
struct Checkout(PathBuf);

impl Checkout {
    fn around(folder: &Path) -> Result<Self, InitError> {
        let root = ask(folder, &["rev-parse", "--show-toplevel"]);
        root.map(|root| Self(root.into())).ok_or_else(|| InitError::NoRepository(folder.into()))
    }
}

impl Git for Checkout {
    fn remote(&self) -> Option<String> {
        let remotes = ask(&self.0, &["remote"])?;
        let mut remotes = remotes.lines();
        let name = match (remotes.clone().find(|name| *name == "origin"), remotes.next(), remotes.next()) {
            (Some(origin), ..) => origin,
            (None, Some(only), None) => only,
            _ => return None,
        };
        ask(&self.0, &["remote", "get-url", name])
    }

    fn branch(&self) -> Option<String> {
        let of_remote = ask(&self.0, &["symbolic-ref", "--short", "refs/remotes/origin/HEAD"]);
        let of_remote = of_remote.and_then(|name| name.strip_prefix("origin/").map(str::to_owned));
        of_remote.or_else(|| ask(&self.0, &["symbolic-ref", "--short", "HEAD"]))
    }
}

/// git's answer; nothing if it has none.
fn ask(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").current_dir(folder).args(arguments).stderr(std::process::Stdio::null()).output().ok()?;
    let text = output.status.success().then(|| String::from_utf8(output.stdout).ok())??;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
