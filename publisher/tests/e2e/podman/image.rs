//! The fixture image from its Containerfile to a running container.

use std::{path::PathBuf, process::Output};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{Program, Registry, Source, sha256};

/// The project's `fixtures` folder; tests may be run from a copy of the project, where nextest says where that is.
pub(super) fn fixtures() -> PathBuf {
    let publisher = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
    publisher.parent().unwrap().join("fixtures")
}

/// Makes the base images, which is quick where they are.
pub(super) async fn bases() {
    let output = Command::new(fixtures().join("image/make-bases")).output().await.unwrap();
    assert!(output.status.success(), "make-bases: {}", String::from_utf8_lossy(&output.stderr));
}

pub(super) fn publisher(source: &Source, registry: &Registry, arguments: &[&str]) -> Program {
    Program::new(source.path())
        .args(arguments)
        .env("TALLYMAN_IMAGE", "acme/hello")
        .env("TALLYMAN_REGISTRIES", format!("local={}/acme/hello", registry.host))
        .env("TALLYMAN_RETRY_BASE", "1ms")
}

/// A user who has never seen the image: a podman with an empty store.
struct User(TempDir);

impl User {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plain_http = "[[registry]]\nprefix = \"127.0.0.1\"\nlocation = \"127.0.0.1\"\ninsecure = true\n";
        std::fs::write(folder.path().join("registries.conf"), plain_http).unwrap();
        Self(folder)
    }

    async fn podman(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("podman");
        command.env("CONTAINERS_REGISTRIES_CONF", self.0.path().join("registries.conf"));
        command.arg("--root").arg(self.0.path().join("store")).arg("--runroot").arg(self.0.path().join("run"));
        command.args(arguments).output().await.unwrap()
    }

    /// What the image prints about its architecture when it is pulled for a platform and run.
    async fn runs_as(&self, reference: &str, platform: &str) -> String {
        let pulled = self.podman(&["pull", "--quiet", "--platform", platform, reference]).await;
        assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
        let run = ["run", "--rm", "--pull=never", "--network=none", "--platform", platform, reference, "arch"];
        let ran = self.podman(&run).await;
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // Files in the store belong to other user ids, which only podman can remove.
        let store = self.0.path().join("store");
        let _ = std::process::Command::new("podman").args(["unshare", "rm", "-rf"]).arg(store).status();
    }
}

#[tokio::test]
async fn the_published_image_runs_on_both_architectures() {
    bases().await;
    let (source, registry) = (Source::copy_of(&fixtures().join("image")), Registry::start().await);
    publisher(&source, &registry, &["publish", "--ref", "refs/heads/main"]).run().await.expect(0, &[]);

    let list: Value = serde_json::from_slice(&registry.manifest("latest").await.unwrap()).unwrap();
    for entry in list["manifests"].as_array().unwrap() {
        let manifest = registry.manifest(entry["digest"].as_str().unwrap()).await.unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let config = registry.blob(manifest["config"]["digest"].as_str().unwrap()).await.unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert!(config["config"]["Healthcheck"]["Test"].is_array(), "HEALTHCHECK got lost: {config}");
        assert_eq!(config["config"]["Labels"]["org.opencontainers.image.revision"], source.head());
    }

    let (user, reference) = (User::new(), format!("{}/acme/hello:latest", registry.host));
    assert_eq!(user.runs_as(&reference, "linux/amd64").await, "x86_64");
    assert_eq!(user.runs_as(&reference, "linux/arm64").await, "aarch64");

    let skopeo = ["inspect", "--tls-verify=false", "--raw", &format!("docker://{reference}")].map(ToOwned::to_owned);
    // Without a login session, skopeo's own place for credentials may be another user's.
    let no_logins = user.0.path().join("auth.json");
    let seen = Command::new("skopeo").args(skopeo).env("REGISTRY_AUTH_FILE", no_logins).output().await.unwrap();
    assert!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
    assert_eq!(seen.stdout, registry.manifest("latest").await.unwrap());
}

#[tokio::test]
async fn a_containerfile_that_fails_on_one_architecture_publishes_nothing() {
    bases().await;
    let (source, registry) = (Source::copy_of(&fixtures().join("image-arm64-fails")), Registry::start().await);
    let ended = publisher(&source, &registry, &["publish", "--ref", "refs/heads/main"]).run().await;
    ended.expect(3, &["linux/arm64", "nothing was published"]);
    assert!(
        registry.tags().await.is_empty() && registry.manifest_puts().iter().all(|name| name.starts_with("sha256:"))
    );
}

#[tokio::test]
async fn the_same_commit_gives_the_same_digest_again() {
    bases().await;
    let (mut source, registry) = (Source::copy_of(&fixtures().join("image")), Registry::start().await);
    // Another test that builds the same at the same time would put a second result of each step into podman's cache, and
    // the next build takes either.
    let containerfile = std::fs::read_to_string(source.path().join("Containerfile")).unwrap();
    source.write("Containerfile", &containerfile.replace("\nCOPY ", "\nLABEL of=the-same-commit\nCOPY "));
    source.commit();
    let publish = ["publish", "--ref", "refs/heads/main"];
    publisher(&source, &registry, &publish).run().await.expect(0, &[]);
    let first = registry.digest("latest").await;
    publisher(&source, &registry, &["publish", "--ref", "refs/tags/v1.0.0"]).run().await.expect(0, &[]);
    assert_eq!(registry.digest("1.0.0").await, first);
}

/// podman's own list of its layers is null, and its store does not show its configuration.
#[tokio::test]
async fn an_image_without_layers_is_published() {
    let (source, registry) = (Source::new("FROM scratch\nLABEL only=this\n"), Registry::start().await);
    let publish = ["publish", "--ref", "refs/heads/main"];
    publisher(&source, &registry, &publish).run().await.expect(0, &[]);
    let list: Value = serde_json::from_slice(&registry.manifest("latest").await.unwrap()).unwrap();
    assert_eq!(list["manifests"].as_array().unwrap().len(), 2);
    for entry in list["manifests"].as_array().unwrap() {
        let manifest = registry.manifest(entry["digest"].as_str().unwrap()).await.unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest["layers"], serde_json::json!([]));
        let config = registry.blob(manifest["config"]["digest"].as_str().unwrap()).await.unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(
            (&config["config"]["Labels"]["only"], &config["rootfs"]["diff_ids"]),
            (&"this".into(), &serde_json::json!([]))
        );
    }
    // The next one is the same image.
    publisher(&source, &registry, &publish).run().await.expect(0, &[]);
}

/// An image whose layer is the same on every machine, as an archive that `podman load` takes.
fn archive_of_fixed_base() -> Vec<u8> {
    let pack = |files: &[(&str, &[u8])]| {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, *bytes).unwrap();
        }
        tar.into_inner().unwrap()
    };
    let layer = pack(&[("message", b"hello\n")]);
    let diff_id = sha256(&layer);
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "created": "2023-11-14T22:13:20Z", "config": {"Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]}, "history": [{"created_by": "by hand"}],
    });
    let config = config.to_string();
    let names = [sha256(config.as_bytes()), diff_id].map(|digest| digest.trim_start_matches("sha256:").to_owned());
    let [config_name, layer_name] = [format!("{}.json", names[0]), format!("{}.tar", names[1])];
    let tag = "localhost/tallyman/fixed:1";
    let manifest = serde_json::json!([{"Config": config_name, "RepoTags": [tag], "Layers": [layer_name]}]).to_string();
    pack(&[(&config_name, config.as_bytes()), (&layer_name, &layer), ("manifest.json", manifest.as_bytes())])
}

/// Whichever podman this is run with, one commit on one set of layers has one digest: this one.
#[tokio::test]
async fn every_podman_gives_the_same_digest() {
    let archive = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(archive.path(), archive_of_fixed_base()).unwrap();
    let loaded =
        Command::new("podman").args(["load", "--quiet", "--input"]).arg(archive.path()).output().await.unwrap();
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    let containerfile = "ARG BASE=localhost/tallyman/fixed:1\nFROM $BASE AS one\nMAINTAINER somebody\nENV A=1 B=\"2 3\"\n\
        FROM one\nARG VERSION=1\nLABEL version=\"$VERSION\" \\\n  text='a & <b>'\nEXPOSE 80 53/udp\nVOLUME /data\n\
        STOPSIGNAL SIGINT\nUSER 1:1\nSHELL [\"/bin/sh\", \"-e\"]\nONBUILD RUN true\nWORKDIR /\n\
        HEALTHCHECK --interval=10s --retries=3 CMD [\"/bin/true\"]\nENTRYPOINT [\"/bin/sleep\"]\nCMD [\"1\"]\n";
    let (source, registry) = (Source::new(containerfile), Registry::start().await);
    let publish = ["publish", "--ref", "refs/heads/main", "--platforms", "linux/amd64", "--build-arg", "VERSION=2"];
    publisher(&source, &registry, &publish).run().await.expect(0, &[]);
    insta::assert_snapshot!(registry.digest("latest").await.unwrap(), @"sha256:829542f454ed93159b7b0607c3174683e7e00a55b4faa5bfd305f044fd1367ce");
}
