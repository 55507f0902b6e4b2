//! Why a repository cannot be set up.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::exit::{Exit, Failure};

/// Why a repository cannot be set up.
#[derive(Debug, Error)]
pub enum InitError {
    /// There is no repository here.
    #[error("{} is in no git repository", .0.display())]
    NoRepository(PathBuf),
    /// The repository knows no other.
    #[error("the repository has no remote, so nothing says what the image is called")]
    NoRemote,
    /// The remote is not on GitHub.
    #[error("the remote {url} is not on GitHub, where the workflow runs")]
    NotOnGitHub {
        /// Its address, without what may be a password.
        url: String,
    },
    /// There is nothing to build.
    #[error("there is no Containerfile and no Dockerfile")]
    NoContainerfile,
    /// There are several things to build.
    #[error("there are several files to build from: {}", .0.join(", "))]
    SeveralContainerfiles(Vec<String>),
    /// A given file is not there.
    #[error("there is no file {0} in the repository")]
    NotThere(String),
    /// A given value is no registry.
    #[error("`{0}` is no registry")]
    BadRegistry(String),
    /// A given value is no image name.
    #[error("`{0}` is not an image name")]
    BadImage(String),
    /// A branch that a workflow cannot name.
    #[error("the branch `{0}` has characters that mean something else in a workflow")]
    BadBranch(String),
    /// A given value is no repository on GitHub.
    #[error("`{0}` is no repository on GitHub")]
    BadFrom(String),
    /// A given value is no commit.
    #[error("`{0}` is not the id of a commit, which has 40 hexadecimal digits")]
    BadCommit(String),
    /// Whoever compiled the program did not say from where.
    #[error("this publisher was compiled by hand, so it does not know whose workflow to call, nor at which commit")]
    NoOrigin,
    /// The repository cannot be asked, or has no commit.
    #[error("https://github.com/{0} does not tell its commits")]
    NoCommit(String),
    /// Files that are there would be lost.
    #[error("{} would be overwritten", .0.join(" and "))]
    Exists(Vec<String>),
    /// The file system does not do its part.
    #[error("failed to {action} {}", .path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl InitError {
    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoRepository(_) => "run it in the repository that holds the Containerfile; `git init` makes one",
            Self::NoRemote => {
                "`git remote add origin git@github.com:OWNER/NAME.git`, or say what the image is called: --image OWNER/NAME"
            }
            Self::NotOnGitHub { .. } => "if the repository is on GitHub as well, say so: --image OWNER/NAME",
            Self::NoContainerfile => "write one; docs/adopt.md tells what it has to be like",
            Self::SeveralContainerfiles(_) => "say which: --containerfile FILE",
            Self::NotThere(_) => "the path starts at the repository's root",
            Self::BadRegistry(_) => "write name=host/repository, for example quay=quay.io/acme/hello",
            Self::BadImage(_) => "an image name is owner/name such as acme/hello",
            Self::BadBranch(_) => "name another one: --branch NAME",
            Self::NoOrigin => {
                "say it: --from OWNER/REPO, where Tallyman is on GitHub; --from OWNER/REPO@COMMIT pins a commit of your choice"
            }
            Self::BadFrom(_) | Self::BadCommit(_) => "write --from OWNER/REPO or --from OWNER/REPO@COMMIT",
            Self::NoCommit(_) => "name the commit, in all its 40 digits: --from OWNER/REPO@COMMIT",
            Self::Exists(_) => "--force overwrites them, --dry-run shows what would be written",
            Self::File { .. } => return None,
        })
    }
}

impl From<InitError> for Failure {
    fn from(error: InitError) -> Self {
        let hint = error.hint();
        let half_way = matches!(error, InitError::File { action: "write", .. });
        let failure = Self::new(Exit::Failed, "failed to set up the repository").because(error);
        let failure = if half_way { failure } else { failure.left("nothing was written") };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
