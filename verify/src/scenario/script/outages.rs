//! Servers that are down for one kind of request, each kind in a job of its own.

use super::faults::{BEGINS, BYTES};
use crate::{
    harness::{
        HarnessError,
        proxy::{Proxy, Rule},
    },
    history::Kind,
    scenario::{AMD64, World},
};

/// What is down while one platform is built and pushed. A run is called by it.
pub(crate) const OUTAGES_OF_BUILDS: [&str; 5] = [
    "ghcr begins no upload",
    "docker hub takes no bytes",
    "ghcr takes no image",
    "docker hub shows no blob",
    "ghcr gives no token",
];
/// What is down while what was built is merged.
pub(crate) const OUTAGES_OF_MERGES: [&str; 5] = [
    "docker hub gives no token",
    "ghcr shows no manifest",
    "docker hub takes no list",
    "ghcr takes no tag",
    "nothing can be listed or deleted",
];
const READS: [Kind; 2] = [Kind::ManifestGet, Kind::ManifestHead];
/// What a clean-up asks for.
const CLEANING: [Kind; 9] = [
    Kind::Tags,
    Kind::HubTags,
    Kind::HubTag,
    Kind::HubTagDelete,
    Kind::ManifestDelete,
    Kind::Package,
    Kind::PackageVersions,
    Kind::PackageVersion,
    Kind::PackageVersionDelete,
];

/// After a good build of main, jobs of its next commit meet one outage each: builds of one platform, and merges, one after the
/// other, of what was built meanwhile.
pub(super) async fn outages(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("good").await?;
    world.change("next")?;
    for name in OUTAGES_OF_BUILDS {
        let mut run = world.begin_main(name);
        run.prepare(world).await?;
        inject(world, name);
        run.build(world, AMD64).await?;
        world.heal();
        world.end(run).await?;
    }
    let mut built = world.begin_main("built");
    if built.prepare(world).await? && built.build_all(world).await? {
        for name in OUTAGES_OF_MERGES {
            let mut run = world.again(name, &built);
            inject(world, name);
            run.merge(world).await?;
            world.heal();
            world.end(run).await?;
        }
    }
    world.end(built).await
}

/// Adds the rules of an outage.
fn inject(world: &World, name: &str) {
    let down = |proxy: &Proxy, rule: Rule| drop(proxy.add(rule.named(name).answer(503)));
    match name {
        "ghcr begins no upload" => down(world.ghcr(), Rule::on_any(&BEGINS)),
        "docker hub takes no bytes" => down(world.dockerhub(), Rule::on_any(&BYTES)),
        "ghcr takes no image" => down(world.ghcr(), Rule::on(Kind::ManifestPut)),
        "docker hub shows no blob" => down(world.dockerhub(), Rule::on_any(&[Kind::BlobHead, Kind::BlobGet])),
        "ghcr gives no token" => down(world.ghcr(), Rule::on(Kind::Token)),
        "docker hub gives no token" => down(world.dockerhub(), Rule::on(Kind::Token)),
        "ghcr shows no manifest" => down(world.ghcr(), Rule::on_any(&READS)),
        "docker hub takes no list" => down(world.dockerhub(), Rule::on(Kind::ManifestPut).any_digest()),
        "ghcr takes no tag" => down(world.ghcr(), Rule::on(Kind::ManifestPut).any_tag()),
        _ => world.registries.proxies().into_iter().for_each(|proxy| down(proxy, Rule::on_any(&CLEANING))),
    }
}
