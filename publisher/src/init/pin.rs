//! Whose workflow is called, and at which commit.

use semver::Version;

use super::InitError;

/// The digits of a commit's id.
const COMMIT_DIGITS: usize = 40;
/// What an owner and a repository are called with, besides letters and digits.
const IN_NAMES: &[u8] = b"-_.";

/// A commit of a repository that holds Tallyman.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// `owner/name` on GitHub.
    pub(super) repository: String,
    pub(super) commit: String,
    /// What people call that commit.
    pub(super) release: Option<String>,
}

impl Pin {
    /// The commit that this program was compiled from, as far as whoever compiled it said so.
    ///
    /// # Errors
    /// When nobody did.
    pub fn of_this_program() -> Result<Self, InitError> {
        let (Some(repository), Some(commit)) = (option_env!("TALLYMAN_REPOSITORY"), option_env!("TALLYMAN_COMMIT"))
        else {
            return Err(InitError::NoOrigin);
        };
        let release = option_env!("TALLYMAN_RELEASE").filter(|release| !release.is_empty());
        Ok(Self { release: release.map(str::to_owned), ..Self::at(repository, commit)? })
    }

    /// This commit of this repository.
    ///
    /// # Errors
    /// When one of them cannot be that.
    pub fn at(repository: &str, commit: &str) -> Result<Self, InitError> {
        Self::check(repository)?;
        if commit.len() != COMMIT_DIGITS || !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(InitError::BadCommit(commit.into()));
        }
        Ok(Self { repository: repository.into(), commit: commit.to_ascii_lowercase(), release: None })
    }

    /// Whether that can be a repository on GitHub.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(repository: &str) -> Result<(), InitError> {
        let named =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || IN_NAMES.contains(&b));
        let good = repository.split_once('/').is_some_and(|(owner, name)| named(owner) && named(name));
        if good { Ok(()) } else { Err(InitError::BadFrom(repository.into())) }
    }

    /// The commit of a repository's newest release, else of its main branch, out of what `git ls-remote` says of it: an id
    /// and a ref a line, for an annotated tag also `refs/tags/v1.2.3^{}` with the commit that it is on.
    ///
    /// # Errors
    /// When it names no commit.
    pub fn newest(repository: &str, refs: &str) -> Result<Self, InitError> {
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
        let (commit, _) = head.ok_or_else(|| InitError::NoCommit(repository.into()))?;
        Self::at(repository, commit)
    }
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
            assert!(matches!(Pin::at("acme/tallyman", bad), Err(InitError::BadCommit(_))), "{bad}");
        }
        for bad in ["acme", "acme/", "/tallyman", "a/b/c", "acme/tally man", "https://github.com/acme/tallyman"] {
            assert!(matches!(Pin::at(bad, A), Err(InitError::BadFrom(_))), "{bad}");
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
        assert!(matches!(newest(""), Err(InitError::NoCommit(_))));
    }
}
