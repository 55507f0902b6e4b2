//! The layer cache that a build shares with others through a registry.
//!
//! podman keeps each step's image under a tag of 64 hexadecimal digits. What it cannot pull it builds; what it cannot push
//! ends its build, which is why the caller has to be ready to build again without writing.

use std::{ffi::OsString, path::PathBuf};

use crate::oci::Repository;

/// The variable by which podman is told of another auth file than its user's.
pub(super) const AUTH_FILE_VARIABLE: &str = "REGISTRY_AUTH_FILE";
/// How the error begins that podman ends with when a step cannot be pushed (buildah's `pushCache`).
const NOT_PUSHED: &str = "failed pushing cache to ";

/// Where a build finds steps that were run before, and leaves those that it runs.
///
/// It must belong to one platform: podman's key of a step does not tell platforms apart, so on a common repository images
/// for one would be found, or overwritten, by builds for another wherever both begin alike (`FROM scratch`, a
/// cross-compiling stage).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerCache {
    /// The repository.
    pub repository: Repository,
    /// Whether steps that were run are left there.
    pub write: bool,
    /// Whether it is spoken to without TLS. podman knows this for a whole build only: certificates of other registries
    /// are not verified then either.
    pub plain_http: bool,
    /// An auth file for this build alone, in place of the user's.
    pub auth_file: Option<PathBuf>,
}

impl LayerCache {
    /// podman's arguments.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let repository = self.repository.to_string();
        let mut arguments = vec!["--cache-from".into(), repository.clone().into()];
        if self.write {
            arguments.extend(["--cache-to".into(), repository.into()]);
        }
        if self.plain_http {
            arguments.push("--tls-verify=false".into());
        }
        arguments
    }

    /// Why a build that ended with this error could not write here; [`None`] if it ended for another reason.
    pub(super) fn not_written<'a>(&self, error: &'a str) -> Option<&'a str> {
        let rest = error.strip_prefix(NOT_PUSHED).filter(|_| self.write)?;
        // The tag stands first, with the repository, in a form that podman 5.8 makes a mess of.
        let (_, reason) = rest.split_once("}: ").or_else(|| rest.split_once("\": ")).unwrap_or_default();
        Some(if reason.is_empty() { rest } else { reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(write: bool, plain_http: bool) -> LayerCache {
        LayerCache { repository: "127.0.0.1:5000/acme/c-amd64".parse().unwrap(), write, plain_http, auth_file: None }
    }

    #[rstest::rstest]
    #[case(false, false, "--cache-from 127.0.0.1:5000/acme/c-amd64")]
    #[case(true, false, "--cache-from 127.0.0.1:5000/acme/c-amd64 --cache-to 127.0.0.1:5000/acme/c-amd64")]
    #[case(false, true, "--cache-from 127.0.0.1:5000/acme/c-amd64 --tls-verify=false")]
    #[case(
        true,
        true,
        "--cache-from 127.0.0.1:5000/acme/c-amd64 --cache-to 127.0.0.1:5000/acme/c-amd64 --tls-verify=false"
    )]
    fn what_is_asked_for_is_all_that_podman_is_told(#[case] write: bool, #[case] plain: bool, #[case] expected: &str) {
        let arguments = cache(write, plain).arguments();
        assert_eq!(arguments.iter().map(|it| it.to_str().unwrap()).collect::<Vec<_>>().join(" "), expected);
    }

    #[rstest::rstest]
    // As podman 5.8 prints it.
    #[case(
        r#"failed pushing cache to {{{"h:1" "a/c"} "29306f"} %!q(bool=false)}: trying to reuse blob sha256:54 at destination: unauthorized"#,
        Some("trying to reuse blob sha256:54 at destination: unauthorized")
    )]
    #[case(r#"failed pushing cache to "docker://h:1/a/c:29306f": no route: to host"#, Some("no route: to host"))]
    #[case("failed pushing cache to somewhere", Some("somewhere"))]
    #[case(r#"building at STEP "RUN false": exit status 7"#, None)]
    #[case(r#"building at STEP "RUN echo failed pushing cache to ": exit status 7"#, None)]
    fn a_cache_that_is_not_written_is_told_from_a_build_that_fails(#[case] error: &str, #[case] reason: Option<&str>) {
        assert_eq!(cache(true, false).not_written(error), reason);
        assert_eq!(cache(false, false).not_written(error), None, "nothing was to be written");
    }
}
