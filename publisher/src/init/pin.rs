//! Whose workflow is called, and at which commit.

use semver::Version;

use crate::{exit::Failure, git, oci::Repository};

const FROM_HINT: &str = "write --from OWNER/REPO or --from OWNER/REPO@COMMIT";

/// A commit of a repository that holds Tallyman.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pin {
    /// `owner/name` on GitHub.
    pub(super) repository: String,
    pub(super) commit: String,
    /// The git tag of the release, if it is one.
    pub(super) release: Option<String>,
}

impl Pin {
    /// The pin that `--from` asks for: a commit, or the newest release of a repository; by default the commit that this
    /// program was compiled from.
    ///
    /// # Errors
    /// When it is not understood or not known.
    pub(super) async fn choose(from: Option<&str>) -> Result<Self, Failure> {
        let Some(from) = from else { return Self::of_this_program() };
        if let Some((repository, commit)) = from.split_once('@') {
            return Self::at(repository, commit);
        }
        check_repository(from)?;
        let refs = git::refs(&format!("https://github.com/{from}")).await;
        Self::newest(from, &refs.unwrap_or_default())
    }

    fn of_this_program() -> Result<Self, Failure> {
        let (Some(repository), Some(commit)) = (option_env!("TALLYMAN_REPOSITORY"), option_env!("TALLYMAN_COMMIT"))
        else {
            let message =
                "this publisher was compiled by hand, so it does not know whose workflow to call, nor at which commit";
            return Err(Failure::other(message).hint(
                "say it: --from OWNER/REPO, where Tallyman is on GitHub; --from OWNER/REPO@COMMIT pins a commit of your choice",
            ));
        };
        let release = option_env!("TALLYMAN_RELEASE").filter(|release| !release.is_empty());
        Ok(Self { release: release.map(str::to_owned), ..Self::at(repository, commit)? })
    }

    /// This commit of this repository.
    fn at(repository: &str, commit: &str) -> Result<Self, Failure> {
        check_repository(repository)?;
        if commit.len() != 40 || !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
            let message = format!("`{commit}` is not the id of a commit, which has 40 hexadecimal digits");
            return Err(Failure::other(message).hint(FROM_HINT));
        }
        Ok(Self { repository: repository.into(), commit: commit.to_ascii_lowercase(), release: None })
    }

    /// The commit of a repository's newest release, else of its main branch, from the output of `git ls-remote`: an id
    /// and a ref a line, for an annotated tag also `refs/tags/v1.2.3^{}` with the commit that it is on.
    fn newest(repository: &str, refs: &str) -> Result<Self, Failure> {
        let refs = || refs.lines().filter_map(|line| line.split_once('\t'));
        let release = |(commit, name): (&'_ str, &'_ str)| {
            let name = name.strip_prefix("refs/tags/")?;
            let (name, is_commit) = name.strip_suffix("^{}").map_or((name, false), |name| (name, true));
            let version = Version::parse(name.strip_prefix('v')?).ok().filter(|it| it.pre.is_empty())?;
            Some(((version, is_commit), commit.to_owned(), name.to_owned()))
        };
        if let Some((_, commit, name)) = refs().filter_map(release).max() {
            return Ok(Self { release: Some(name), ..Self::at(repository, &commit)? });
        }
        let head = refs().find(|(_, name)| *name == "HEAD");
        let (commit, _) = head.ok_or_else(|| {
            let message = format!("https://github.com/{repository} does not tell its commits");
            Failure::other(message).hint("name the commit, in all its 40 digits: --from OWNER/REPO@COMMIT")
        })?;
        Self::at(repository, commit)
    }
}

/// Whether that can be a repository on GitHub.
fn check_repository(repository: &str) -> Result<(), Failure> {
    let parsed = format!("github.com/{}", repository.to_ascii_lowercase()).parse::<Repository>();
    if parsed.is_ok_and(|parsed| parsed.name.split('/').count() == 2) {
        return Ok(());
    }
    Err(Failure::other(format!("`{repository}` is no repository on GitHub")).hint(FROM_HINT))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef01234567";
    const B: &str = "89abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_pin_is_a_repository_and_a_whole_commit() {
        assert_eq!(Pin::at("acme/tallyman", &A.to_uppercase()).unwrap().commit, A);
        for bad in ["v1", "0123456", "main", ""] {
            assert!(Pin::at("acme/tallyman", bad).is_err(), "{bad}");
        }
        for bad in ["acme", "acme/", "/tallyman", "a/b/c", "acme/tally man", "https://github.com/acme/tallyman"] {
            assert!(Pin::at(bad, A).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_newest_release_is_taken_else_the_main_branch() {
        let newest = |refs: &str| Pin::newest("acme/tallyman", refs).map(|pin| (pin.commit, pin.release));
        let release = |commit: &str, name: &str| (commit.to_owned(), Some(name.to_owned()));
        let head = format!("{A}\tHEAD\n");
        assert_eq!(newest(&head).unwrap(), (A.to_owned(), None));
        let tags = format!(
            "{head}{A}\trefs/tags/v0.9.0\n{B}\trefs/tags/v0.10.0\n{A}\trefs/tags/v1.0.0-rc.1\n{A}\trefs/tags/vim\n"
        );
        assert_eq!(newest(&tags).unwrap(), release(B, "v0.10.0"));
        // The tag has an id of its own; after it comes the commit that it is on.
        let annotated = format!("{head}{A}\trefs/tags/v1.0.0\n{B}\trefs/tags/v1.0.0^{{}}\n");
        assert_eq!(newest(&annotated).unwrap(), release(B, "v1.0.0"));
        assert!(newest("").is_err());
    }
}
