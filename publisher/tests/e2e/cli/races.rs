//! Two runs at the same time, an older and a newer one, against two registries that answer late or fail once: `latest`
//! ends at the newer build on both, whoever was first.
//!
//! The builds are prepared once, so that a race is two `publisher merge`. Some races are part of every run of the tests;
//! hundreds of them, with a summary, are `RACES=500 just test --run-ignored only -E 'test(many_pairs)'`.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::Value;

use crate::support::{Ended, FakeImage, FakePodman, Fault, Program, Proxy, Registry, Source, http};

const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// How many races are part of every run of the tests.
const RACES: usize = 6;
/// How many worlds there are to race in at the same time: most of a race is waiting.
const WORLDS: usize = 4;
/// How many races there are with the same registries, which never give memory back.
const RACES_PER_TRACK: usize = 10;
/// The second run begins at most so long after the first, in milliseconds.
const HEAD_START_MAX: u64 = 300;
/// How long a run may take, in seconds, on a machine that does much else.
const RUN_SECONDS_MAX: &str = "120";
/// How late a request or an answer may be, in milliseconds.
const DELAYS: std::ops::RangeInclusive<u64> = 50..=1500;

/// What a build handed over, and the manifests that it put on the registries.
struct Built {
    commit: String,
    folder: PathBuf,
}

/// Two registries, each behind a proxy, a source with three commits, and what the builds of the last two handed over.
struct Track {
    registries: [Registry; 2],
    proxies: [Proxy; 2],
    source: Source,
    podman: FakePodman,
    older: Built,
    newer: Built,
    /// Every manifest that is there before a race, images before lists: its name and its bytes.
    manifests: Vec<(String, Vec<u8>)>,
}

impl Track {
    async fn new() -> Self {
        let registries: [Registry; 2] = tokio::join!(Registry::start(), Registry::start()).into();
        let proxies: [Proxy; 2] =
            tokio::join!(Proxy::before(&registries[0].host), Proxy::before(&registries[1].host)).into();
        let mut track = Self {
            registries,
            proxies,
            source: Source::new("FROM scratch\n"),
            podman: FakePodman::new(),
            older: Built { commit: String::new(), folder: PathBuf::new() },
            newer: Built { commit: String::new(), folder: PathBuf::new() },
            manifests: Vec::new(),
        };
        let base = track.build("base").await;
        track.merge(&base).run().await.expect(0, &[]);
        let old = track.registries[0].manifest("latest").await.unwrap();
        track.source.commit();
        track.older = track.build("older").await;
        track.source.commit();
        track.newer = track.build("newer").await;
        for built in [&base, &track.older, &track.newer] {
            for platform in ["amd64", "arm64"] {
                let digest = std::fs::read_to_string(built.folder.join(format!("{platform}-ghcr"))).unwrap();
                let manifest = track.registries[0].manifest(digest.trim()).await.unwrap();
                track.manifests.push((digest.trim().into(), manifest));
            }
        }
        track.manifests.push(("latest".into(), old));
        track
    }

    /// Builds both platforms of the commit that is checked out.
    async fn build(&self, name: &str) -> Built {
        let folder = self.source.path().join(format!("digests-{name}"));
        for architecture in ["amd64", "arm64"] {
            self.podman.prepare(&FakeImage {
                architecture,
                layers: &[b"common".repeat(1000), format!("{name} {architecture}").into_bytes()],
                revision: &self.source.head(),
                committed: self.source.last_commit_time(),
            });
            let build = self.program(&["build", "--platform", &format!("linux/{architecture}")], &folder);
            build.run().await.expect(0, &[]);
        }
        Built { commit: self.source.head(), folder }
    }

    fn merge(&self, built: &Built) -> Program {
        // A run that hangs still says what it did until then.
        let merge = self.program(&["merge"], &built.folder).env("GITHUB_SHA", &built.commit);
        merge.wrapped(&["timeout", "--signal=KILL", RUN_SECONDS_MAX])
    }

    fn program(&self, arguments: &[&str], folder: &std::path::Path) -> Program {
        let [ghcr, dockerhub] = [0, 1].map(|at| format!("{}/acme/hello", self.proxies[at].host));
        Program::new(self.source.path())
            .args(arguments)
            .args(&["--ref", "refs/heads/main"])
            .env("TALLYMAN_PODMAN", self.podman.program())
            .env("TALLYMAN_IMAGE", "acme/hello")
            .env("TALLYMAN_REGISTRIES", format!("ghcr={ghcr},dockerhub={dockerhub}"))
            .env("TALLYMAN_DIGESTS", folder)
            .env("TALLYMAN_RETRY_BASE", "20ms")
    }

    /// Puts everything back to where it was before the first race.
    async fn reset(&self) {
        for registry in &self.registries {
            for (name, bytes) in &self.manifests {
                let media_type = if name == "latest" { LIST } else { IMAGE };
                let address = format!("http://{}/v2/acme/hello/manifests/{name}", registry.host);
                let put = http().put(address).header("content-type", media_type).body(bytes.clone());
                assert!(put.send().await.unwrap().status().is_success());
            }
        }
    }

    /// One race; what is wrong afterwards, if anything, and how it ended.
    async fn race(&self, seed: u64) -> Result<String, String> {
        self.reset().await;
        let mut random = fastrand::Rng::with_seed(seed);
        let met = Arc::new(Mutex::new(Vec::new()));
        let faults = random.u8(..5);
        for (at, proxy) in self.proxies.iter().enumerate() {
            proxy.choose(chooser(faults, random.fork(), at, Arc::clone(&met)));
        }
        let began = Instant::now();
        let mut order = [("older", &self.older), ("newer", &self.newer)];
        random.shuffle(&mut order);
        let first = self.merge(order[0].1).start();
        tokio::time::sleep(Duration::from_millis(random.u64(..=HEAD_START_MAX))).await;
        let second = self.merge(order[1].1).start();
        let (first, second) = tokio::join!(Ended::of(first), Ended::of(second));
        self.proxies.iter().for_each(Proxy::heal);
        let ended = BTreeMap::from([(order[0].0, first), (order[1].0, second)]);
        let codes = (ended["older"].code, ended["newer"].code);
        let [ghcr, dockerhub] = [self.registries[0].digest("latest").await, self.registries[1].digest("latest").await];
        let mut wrong = Vec::new();
        if !matches!(codes, (Some(0 | 5), Some(0))) {
            wrong.push(format!("the older run ended with {:?}, the newer one with {:?}", codes.0, codes.1));
        }
        if ghcr != dockerhub {
            wrong.push("the registries differ".into());
        }
        for registry in &self.registries {
            let parts = whole(registry).await;
            if parts.as_deref() != Some(&images(&self.newer)) {
                wrong.push(format!("latest is {parts:?}, expected the newer build"));
            }
        }
        if wrong.is_empty() {
            return Ok(format!("older {}", codes.0.unwrap_or_default()));
        }
        wrong.push(format!("after {:?}", began.elapsed()));
        let said: Vec<_> = ended.iter().map(|(name, ended)| format!("--- {name}:\n{}", ended.stderr)).collect();
        let met = met.lock().unwrap().join("\n");
        Err(format!("seed {seed}: {}\n{} first\n{met}\n{}", wrong.join("; "), order[0].0, said.join("\n")))
    }
}

/// The images of a build.
fn images(built: &Built) -> [String; 2] {
    ["amd64", "arm64"].map(|platform| {
        let digest = std::fs::read_to_string(built.folder.join(format!("{platform}-ghcr"))).unwrap();
        digest.trim().to_owned()
    })
}

/// The images that `latest` names, if all of them are there.
async fn whole(registry: &Registry) -> Option<Vec<String>> {
    let list: Value = serde_json::from_slice(&registry.manifest("latest").await?).unwrap();
    let mut parts = Vec::new();
    for entry in list["manifests"].as_array()? {
        let digest = entry["digest"].as_str()?;
        registry.manifest(digest).await?;
        parts.push(digest.to_owned());
    }
    Some(parts)
}

/// What happens to requests in a race: nothing; delays of some requests or answers; of those that move a tag alone; one
/// fault that passes; delays and a fault.
fn chooser(
    faults: u8,
    mut random: fastrand::Rng,
    at: usize,
    met: Arc<Mutex<Vec<String>>>,
) -> impl FnMut(&str, &str) -> Option<Fault> + Send + 'static {
    let mut fault_in = if matches!(faults, 3 | 4) && random.bool() { random.usize(..40) } else { usize::MAX };
    move |method, path| {
        let is_move = method == "PUT" && path.ends_with("/manifests/latest");
        let of_tag = path.ends_with("/manifests/latest");
        let mut delay = || {
            let time = Duration::from_millis(random.u64(DELAYS));
            if random.bool() { Fault::Delay(time, Duration::ZERO) } else { Fault::Delay(Duration::ZERO, time) }
        };
        let delayed = match faults {
            1 | 4 => delay_some(&mut delay, of_tag),
            2 => is_move.then(&mut delay),
            _ => None,
        };
        let fault = if fault_in == 0 {
            Some([Fault::Status(503), Fault::Cut(0), Fault::Cut(usize::MAX)][random.usize(..3)].clone())
        } else {
            delayed.filter(|_| is_move || random.u8(..4) == 0)
        };
        fault_in = fault_in.wrapping_sub(1);
        if let Some(fault) = &fault {
            let text = match fault {
                Fault::Delay(before, after) => format!("delayed by {before:?}, {after:?}"),
                Fault::Status(status) => format!("answered {status}"),
                Fault::Cut(0) => "refused".into(),
                _ => "answer lost".into(),
            };
            met.lock().unwrap().push(format!("registry {at}: {method} {path} {text}"));
        }
        fault
    }
}

fn delay_some(delay: &mut impl FnMut() -> Fault, of_tag: bool) -> Option<Fault> {
    of_tag.then(delay)
}

/// Runs so many races from a seed on and tells what went wrong.
async fn races(count: usize, seed: u64) -> (BTreeMap<String, usize>, Vec<String>) {
    let worlds = WORLDS.min(count);
    let raced = join_all((0..worlds).map(async |world| {
        let mine: Vec<usize> = (world..count).step_by(worlds).collect();
        let mut outcomes = Vec::new();
        for some in mine.chunks(RACES_PER_TRACK) {
            let track = Track::new().await;
            for race in some {
                outcomes.push(track.race(seed + *race as u64).await);
            }
        }
        outcomes
    }));
    let (mut good, mut bad) = (BTreeMap::new(), Vec::new());
    for outcome in raced.await.into_iter().flatten() {
        match outcome {
            Ok(ended) => *good.entry(ended).or_default() += 1,
            Err(wrong) => bad.push(wrong),
        }
    }
    (good, bad)
}

#[tokio::test]
async fn of_two_runs_at_once_the_newer_build_wins_everywhere() {
    let (_, wrong) = races(RACES, fastrand::u64(..u64::from(u32::MAX))).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
#[ignore = "takes minutes: RACES=500, SEED=1"]
async fn of_many_pairs_of_runs_the_newer_build_wins_everywhere() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse::<u64>().unwrap());
    let (count, seed) = (number("RACES", 500), number("SEED", 1));
    let (good, wrong) = races(usize::try_from(count).unwrap(), seed).await;
    println!("{count} races from seed {seed}: {good:?}, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
