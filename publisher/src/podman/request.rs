//! What is to be built, and the command line that says so.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::LayerCache;
use crate::oci::Platform;

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
    /// Where steps that were run before are found, beside podman's own store.
    pub cache: Option<LayerCache>,
    /// Runs every step, whatever was run before.
    pub anew: bool,
}

impl BuildRequest {
    /// A plain build of a Containerfile.
    pub fn new(platform: Platform, containerfile: impl Into<PathBuf>, context: impl Into<PathBuf>) -> Self {
        Self {
            platform,
            containerfile: containerfile.into(),
            context: context.into(),
            build_args: Vec::new(),
            cache: None,
            anew: false,
        }
    }

    /// podman's arguments: the same for every version, and none that podman 4.3 lacks. What makes the image depend on the
    /// version or on the time is taken out when it is staged.
    ///
    /// - `--format docker`: an OCI configuration has no HEALTHCHECK.
    /// - `--layers`: in place of whatever `BUILDAH_LAYERS` says.
    pub(super) fn arguments(&self, id_file: &Path) -> Vec<OsString> {
        let mut arguments = Arguments::default();
        arguments.flag("build").flag("--format=docker").flag("--layers");
        arguments.option("--platform", self.platform.to_string());
        arguments.option("--file", &self.containerfile).option("--iidfile", id_file);
        if self.anew {
            arguments.flag("--no-cache");
        }
        arguments.0.extend(self.cache.iter().flat_map(LayerCache::arguments));
        for (name, value) in &self.build_args {
            arguments.option("--build-arg", format!("{name}={value}"));
        }
        arguments.0.push(self.context.clone().into());
        arguments.0
    }
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
    fn a_build_with_everything() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = BuildRequest {
            build_args: vec![pair("VERSION", "1.2.0")],
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
