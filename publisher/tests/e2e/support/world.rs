//! Two registries, one of them behind a proxy, a source repository and a prepared podman: what most tests begin with.

use sha2::{Digest as _, Sha256};

use super::{FakeImage, FakePodman, Program, Proxy, Registry, Source};

/// The parts, all of their own.
pub(crate) struct World {
    pub(crate) ghcr: Registry,
    /// Reached through `proxy` only.
    pub(crate) dockerhub: Registry,
    pub(crate) proxy: Proxy,
    pub(crate) source: Source,
    pub(crate) podman: FakePodman,
}

impl World {
    /// Everything empty, but for a commit and its images.
    pub(crate) async fn new() -> Self {
        let (ghcr, dockerhub) = tokio::join!(Registry::start(), Registry::start());
        let proxy = Proxy::before(&dockerhub.host).await;
        let world = Self { ghcr, dockerhub, proxy, source: Source::new("FROM scratch\n"), podman: FakePodman::new() };
        world.prepare_images("one");
        world
    }

    /// Changes the source: a new commit whose images have a layer of this content.
    pub(crate) fn change(&mut self, content: &str) -> String {
        let commit = self.source.commit();
        self.prepare_images(content);
        commit
    }

    /// Prepares the images of the commit that is checked out, a common layer and one of this content.
    pub(crate) fn prepare_images(&self, content: &str) {
        for architecture in ["amd64", "arm64"] {
            self.podman.prepare(&FakeImage {
                architecture,
                layers: &[b"common".repeat(1000), format!("{content} {architecture}").into_bytes()],
                revision: &self.source.head(),
                committed: self.source.last_commit_time(),
            });
        }
    }

    /// A run of the program on all of this.
    pub(crate) fn program(&self, arguments: &[&str]) -> Program {
        let registries = format!("ghcr={}/acme/hello,dockerhub={}/acme/hello", self.ghcr.host, self.proxy.host);
        Program::new(self.source.path())
            .args(arguments)
            .env("TALLYMAN_PODMAN", self.podman.program())
            .env("TALLYMAN_IMAGE", "acme/hello")
            .env("TALLYMAN_REGISTRIES", registries)
            .env("TALLYMAN_RETRY_BASE", "1ms")
    }

    /// `publisher publish` of a ref.
    pub(crate) fn publish(&self, reference: &str) -> Program {
        self.program(&["publish", "--ref", reference])
    }

    /// Publishes a ref, which must succeed, and returns the digest that both registries show under `tag`.
    pub(crate) async fn published(&self, reference: &str, tag: &str) -> String {
        self.publish(reference).run().await.expect(0, &[]);
        let digest = self.ghcr.digest(tag).await.unwrap();
        assert_eq!(self.dockerhub.digest(tag).await.as_deref(), Some(&*digest), "the registries differ");
        digest
    }

    /// What each registry shows under a tag.
    pub(crate) async fn shown(&self, tag: &str) -> [Option<String>; 2] {
        [self.ghcr.digest(tag).await, self.dockerhub.digest(tag).await]
    }
}

/// `sha256:<hex>` of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
