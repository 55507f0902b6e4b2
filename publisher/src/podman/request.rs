//! What is to be built, and the command line that says so.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use super::LayerCache;
use crate::oci::{LABEL_CREATED, LABEL_PARENTS, LABEL_REVISION, LABEL_SOURCE, Platform};

/// The last second of the year 9999, the last that the label can say.
const SECONDS_MAX: u64 = 253_402_300_799;

/// One image for one platform.
///
/// Build arguments are no place for secrets: podman takes them on its command line, where every user of the machine sees
/// them, and keeps them in the image's history.
#[derive(Clone)]
pub struct BuildRequest {
    /// The platform to build for.
    pub platform: Platform,
    /// The Containerfile.
    pub containerfile: PathBuf,
    /// The folder that `COPY` copies from.
    pub context: PathBuf,
    /// `--build-arg`s.
    pub build_args: Vec<(String, String)>,
    /// For the label [`LABEL_SOURCE`].
    pub source: Option<String>,
    /// For the label [`LABEL_REVISION`].
    pub revision: Option<String>,
    /// The commit's time in seconds since 1970: for the label [`LABEL_CREATED`] and the configuration's `created`.
    pub created: Option<u64>,
    /// The commits that this commit was made from: for the label [`LABEL_PARENTS`].
    pub parents: Option<String>,
    /// Where steps that were run before are found, beside podman's own store.
    pub cache: Option<LayerCache>,
}

impl BuildRequest {
    /// A plain build of a Containerfile.
    pub fn new(platform: Platform, containerfile: impl Into<PathBuf>, context: impl Into<PathBuf>) -> Self {
        Self {
            platform,
            containerfile: containerfile.into(),
            context: context.into(),
            build_args: Vec::new(),
            source: None,
            revision: None,
            created: None,
            parents: None,
            cache: None,
        }
    }

    /// podman's arguments.
    ///
    /// - `--format docker`: an OCI configuration has no HEALTHCHECK.
    /// - `--layers`: in place of whatever `BUILDAH_LAYERS` says.
    /// - `--identity-label=false`: a newer podman gives the same image.
    /// - `--label` becomes a last step of the last stage, so the steps before it stay in the cache when labels change.
    /// - `--source-date-epoch` alone dates the steps that run and is no part of their key in the cache.
    pub(super) fn arguments(&self, id_file: &Path) -> Vec<OsString> {
        let mut arguments = Arguments::default();
        arguments.flag("build").flag("--format=docker").flag("--layers").flag("--identity-label=false");
        arguments.option("--platform", self.platform.to_string());
        arguments.option("--file", &self.containerfile).option("--iidfile", id_file);
        arguments.0.extend(self.cache.iter().flat_map(LayerCache::arguments));
        for (name, value) in &self.build_args {
            arguments.option("--build-arg", format!("{name}={value}"));
        }
        for (name, value) in self.labels() {
            arguments.option("--label", format!("{name}={value}"));
        }
        if let Some(seconds) = self.created {
            arguments.option("--source-date-epoch", seconds.to_string());
        }
        arguments.0.push(self.context.clone().into());
        arguments.0
    }

    fn labels(&self) -> impl Iterator<Item = (&'static str, String)> {
        let labels = [
            self.source.clone().map(|source| (LABEL_SOURCE, source)),
            self.revision.clone().map(|revision| (LABEL_REVISION, revision)),
            self.created.map(|seconds| (LABEL_CREATED, rfc3339(seconds))),
            self.parents.clone().map(|parents| (LABEL_PARENTS, parents)),
        ];
        labels.into_iter().flatten()
    }
}

/// Seconds since 1970 in RFC 3339; a time that it cannot say becomes the last that it can.
fn rfc3339(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds.min(SECONDS_MAX))).to_string()
}

/// Names only of build arguments: values may be secrets all the same.
impl std::fmt::Debug for BuildRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = |pairs: &[(String, String)]| pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        f.debug_struct("BuildRequest")
            .field("platform", &self.platform)
            .field("containerfile", &self.containerfile)
            .field("context", &self.context)
            .field("build_args", &names(&self.build_args))
            .finish_non_exhaustive()
    }
}

/// A command line in the making.
#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, flag: &str) -> &mut Self {
        self.0.push(flag.into());
        self
    }

    fn option(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.0.push(name.into());
        self.0.push(value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(request: &BuildRequest) -> String {
        let arguments = request.arguments(Path::new("/tmp/id"));
        arguments.iter().map(|argument| argument.to_str().unwrap()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_plain_build() {
        let request = BuildRequest::new("linux/arm64".parse().unwrap(), "Containerfile", ".");
        insta::assert_snapshot!(shown(&request), @r"
        build
        --format=docker
        --layers
        --identity-label=false
        --platform
        linux/arm64
        --file
        Containerfile
        --iidfile
        /tmp/id
        .
        ");
    }

    #[test]
    fn a_build_of_a_commit_with_everything() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = BuildRequest {
            build_args: vec![pair("VERSION", "1.2.0")],
            source: Some("https://github.com/acme/app".into()),
            revision: Some("0123abc".into()),
            created: Some(1_700_000_000),
            cache: Some(LayerCache {
                repository: "ghcr.io/acme/app-cache-amd64".parse().unwrap(),
                write: true,
                plain_http: false,
                auth_file: Some("/tmp/auth".into()),
            }),
            ..BuildRequest::new("linux/amd64".parse().unwrap(), "image/Containerfile", "image")
        };
        insta::assert_snapshot!(shown(&request), @r"
        build
        --format=docker
        --layers
        --identity-label=false
        --platform
        linux/amd64
        --file
        image/Containerfile
        --iidfile
        /tmp/id
        --cache-from
        ghcr.io/acme/app-cache-amd64
        --cache-to
        ghcr.io/acme/app-cache-amd64
        --build-arg
        VERSION=1.2.0
        --label
        org.opencontainers.image.source=https://github.com/acme/app
        --label
        org.opencontainers.image.revision=0123abc
        --label
        org.opencontainers.image.created=2023-11-14T22:13:20Z
        --source-date-epoch
        1700000000
        image
        ");
    }

    #[test]
    fn values_of_build_arguments_are_not_shown() {
        let request = BuildRequest {
            build_args: vec![("TOKEN".into(), "hunter2".into())],
            ..BuildRequest::new("linux/amd64".parse().unwrap(), "Containerfile", ".")
        };
        let shown = format!("{request:?}");
        assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
    }
}
