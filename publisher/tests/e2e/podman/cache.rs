//! The layer cache: what was built on one machine is not built on another.

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::image::{bases, publisher};
use crate::support::{Ended, Fault, PASSWORD, Program, Proxy, Registry, Source, USER};

/// An image of two stages, with a program that is run. podman 4.3 finds no step in a registry that comes after an `ARG` of its
/// stage, 5.4 does.
const TWO_STAGES: &str = "ARG TARGETARCH\nFROM localhost/tallyman/base:${TARGETARCH} AS compile\nCOPY Containerfile /source\n\
    RUN uname -m >/program && sha256sum </dev/null\nFROM localhost/tallyman/base:${TARGETARCH}\n\
    COPY --from=compile /program /program\nENV PORT=8080\nHEALTHCHECK CMD true\n";
/// The end of what its `RUN` step prints, and no other step: a checksum of its standard input.
const RUN_OUTPUT: &str = "  -\n";

/// An image whose steps are the same for all platforms.
const SAME_EVERYWHERE: &str = "FROM scratch\nCOPY Containerfile /\nHEALTHCHECK CMD true\n";
/// Asks for the result as data. The log has no output of steps then.
const JSON: &[&str] = &["--output", "json"];

/// Machines on which nothing was built yet: podman stores that hold nothing but the base images.
struct Machines(TempDir);

impl Machines {
    async fn new() -> Self {
        bases().await;
        let machines = Self(tempfile::tempdir().unwrap());
        let archive = machines.0.path().join("bases.tar").to_str().unwrap().to_owned();
        let names = ["amd64", "arm64"].map(|architecture| format!("localhost/tallyman/base:{architecture}"));
        let save = ["save", "--quiet", "--multi-image-archive", "--output", &archive, &names[0], &names[1]];
        podman(Command::new("podman").args(save));
        let store = machines.store("bases", "");
        podman(Command::new("podman").args(["load", "--quiet", "--input", &archive]).env("XDG_CONFIG_HOME", store));
        machines
    }

    /// The folder of a user's configuration, in which a store of this name is the user's. podman 4.3 reads from nowhere else
    /// where its run-time files are, and stores that share them forget each other's mounts.
    fn store(&self, name: &str, options: &str) -> PathBuf {
        let folder = self.0.path().join(name);
        let config = folder.join("config");
        std::fs::create_dir_all(config.join("containers")).unwrap();
        let text = format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n{options}",
            folder.join("store").display(),
            folder.join("run").display()
        );
        std::fs::write(config.join("containers/storage.conf"), text).unwrap();
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap();
        let containers = home.join(".config/containers/containers.conf");
        if containers.exists() {
            std::fs::copy(containers, config.join("containers/containers.conf")).unwrap();
        }
        config
    }

    /// A program whose podman runs on the machine of this name.
    fn on(&self, name: &str, program: Program) -> Program {
        let bases = self.0.path().join("bases/store");
        let options = format!("[storage.options]\nadditionalimagestores = [\"{}\"]\n", bases.display());
        program.env("XDG_CONFIG_HOME", self.store(name, &options))
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        // Files in the stores belong to other user ids, which only podman can remove.
        let _ = Command::new("podman").args(["unshare", "rm", "-rf"]).arg(self.0.path()).status();
    }
}

fn podman(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A publish of the main branch, with the cache on this host.
fn publish(source: &Source, registry: &Registry, cache: &str) -> Program {
    publisher(source, registry, &["publish", "--ref", "refs/heads/main"])
        .env("TALLYMAN_CACHE", format!("{cache}/acme/cache"))
}

/// The result of a run that must have succeeded.
fn result(ended: &Ended) -> Value {
    ended.expect(0, &[]);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// What the result says of the builds, where all platforms are alike.
fn builds(steps: usize, reused: usize) -> Value {
    let build = |platform: &str| json!({ "platform": platform, "steps": steps, "steps_reused": reused });
    json!([build("linux/amd64"), build("linux/arm64")])
}

/// The layers of all platforms of `latest`.
async fn layers(registry: &Registry) -> Vec<Value> {
    let list: Value = serde_json::from_slice(&registry.manifest("latest").await.unwrap()).unwrap();
    let mut layers = Vec::new();
    for entry in list["manifests"].as_array().unwrap() {
        let manifest = registry.manifest(entry["digest"].as_str().unwrap()).await.unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let config = registry.blob(manifest["config"]["digest"].as_str().unwrap()).await.unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["architecture"], entry["platform"]["architecture"]);
        assert!(config["config"]["Healthcheck"]["Test"].is_array(), "HEALTHCHECK got lost: {config}");
        layers.push(manifest["layers"].clone());
    }
    layers
}

#[tokio::test]
async fn on_an_empty_store_nothing_is_run_that_was_run_elsewhere() {
    let (machines, registry) = tokio::join!(Machines::new(), Registry::start());
    let mut source = Source::new(TWO_STAGES);
    let run = |name: &str, source: &Source| machines.on(name, publish(source, &registry, &registry.host));
    let first = run("first", &source).run().await;
    first.expect(0, &[RUN_OUTPUT, "linux/amd64 cache: 0 of 5 steps reused"]);
    let built = layers(&registry).await;

    source.commit();
    let second = run("second", &source).run().await;
    // The labels that say the commit are no step.
    second.expect(0, &["linux/amd64 cache: 5 of 5 steps reused", "linux/arm64 cache: 5 of 5 steps reused"]);
    assert!(!second.stderr.contains(RUN_OUTPUT), "it was run again:\n{}", second.stderr);
    assert_eq!(layers(&registry).await, built, "what was pulled is not what was built");
}

/// Both platforms begin with the same step on the same (no) base: to podman's key it is one.
#[tokio::test]
async fn platforms_that_begin_alike_keep_out_of_each_others_way() {
    let (machines, registry) = tokio::join!(Machines::new(), Registry::start());
    let mut source = Source::new(SAME_EVERYWHERE);
    let run = |name: &str, source: &Source| machines.on(name, publish(source, &registry, &registry.host)).args(JSON);
    let first = run("first", &source).run().await;
    assert_eq!(result(&first)["builds"], builds(2, 0));
    source.commit();
    run("second", &source).run().await.expect(0, &[]);
    // podman 4.3 and 5.4 take the other platform's step from their store, too: then it is run again. So how much is reused is
    // not the same everywhere; what comes of it is.
    assert_eq!(layers(&registry).await.len(), 2);
}

#[tokio::test]
async fn a_cache_that_takes_no_writes_costs_a_warning() {
    let (machines, registry) = tokio::join!(Machines::new(), Registry::start());
    let proxy = Proxy::before(&registry.host).await;
    proxy.inject("POST", "/acme/cache-arm64/blobs/uploads/", Fault::Status(403));
    let source = Source::new(SAME_EVERYWHERE);
    let ended = machines.on("first", publish(&source, &registry, &proxy.host)).args(JSON).run().await;
    ended.expect(0, &["cache-arm64 could not be written", "403"]);
    assert!(proxy.hits() > 0);
    let result = result(&ended);
    assert_eq!(warnings_of_the_cache(&result), 1, "{result}");
    assert_eq!(result["builds"], builds(2, 0));
    assert_eq!(layers(&registry).await.len(), 2);
}

#[tokio::test]
async fn podman_reads_and_writes_where_a_login_is_wanted_with_what_it_is_lent() {
    let (machines, registry) = tokio::join!(Machines::new(), Registry::start_with_login());
    let mut source = Source::new(SAME_EVERYWHERE);
    let secrets = "username-env = 'QUAY_USER'\npassword-env = 'QUAY_TOKEN'\n";
    let repository = format!("repository = '{}/acme/hello'\n", registry.host);
    source.write("publish.toml", &format!("[[registry]]\nname = 'local'\n{repository}{secrets}"));
    for (machine, reused) in [("first", 0), ("second", 2)] {
        source.commit();
        let run = publish(&source, &registry, &registry.host).args(JSON).args(&["--platforms", "linux/amd64"]);
        let ended = machines.on(machine, run).env("QUAY_USER", USER).env("QUAY_TOKEN", PASSWORD).run().await;
        let result = result(&ended);
        assert_eq!(result["builds"][0]["steps_reused"], reused);
        assert_eq!(warnings_of_the_cache(&result), 0, "{result}");
    }
}

/// How many warnings are about the cache; that there is no `latest` yet to clean up is another one.
fn warnings_of_the_cache(result: &Value) -> usize {
    let warnings = result["warnings"].as_array().unwrap();
    warnings.iter().filter(|warning| warning.as_str().is_some_and(|text| text.contains("cache"))).count()
}
