//! Release versions: three numbers and nothing else.

use semver::Version;

/// A version of exactly three numbers, `1.2.3`: no leading zeros, no pre-release, no build metadata, each number within
/// 64 bits.
pub(super) fn strict(text: &str) -> Option<Version> {
    Version::parse(text).ok().filter(|version| version.pre.is_empty() && version.build.is_empty())
}

/// The version that a git tag releases, `v1.2.3`.
pub(super) fn of_git_tag(name: &str) -> Option<Version> {
    name.strip_prefix('v').and_then(strict)
}
