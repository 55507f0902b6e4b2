//! The scenarios themselves, each a function that acts on a world.

mod cached;
mod cancelled;
mod cleaning;
mod deciding;
mod faults;
mod handover;
mod ordinary;
mod outages;

pub(crate) use cleaning::RELEASED_BEFORE;
pub(crate) use deciding::RESERVED;
pub(crate) use outages::{OUTAGES_OF_BUILDS, OUTAGES_OF_MERGES};

use super::{Scenario, world::World};
use crate::harness::HarnessError;

/// Makes a world go through a scenario.
///
/// # Errors
/// The harness's own troubles; what the subject does wrong is evidence.
pub async fn play(scenario: Scenario, world: &mut World) -> Result<(), HarnessError> {
    match scenario {
        Scenario::Images => ordinary::images(world).await,
        Scenario::Releases => ordinary::releases(world).await,
        Scenario::Overtaken => ordinary::overtaken(world).await,
        Scenario::Versions => deciding::versions(world).await,
        Scenario::BadVersion => deciding::bad_version(world).await,
        Scenario::MissingSecrets => deciding::missing_secrets(world).await,
        Scenario::Manual => deciding::manual(world).await,
        Scenario::BuildFails => handover::build_fails(world).await,
        Scenario::HandoverMissing => handover::missing(world).await,
        Scenario::HandoverForeign => handover::foreign(world).await,
        Scenario::PushFails => faults::push_fails(world).await,
        Scenario::TagRefused => faults::tag_refused(world).await,
        Scenario::Transients => faults::transients(world).await,
        Scenario::Refusals => faults::refusals(world).await,
        Scenario::Outages => outages::outages(world).await,
        Scenario::RateLimits => faults::rate_limits(world).await,
        Scenario::TokenExpires => faults::token_expires(world).await,
        Scenario::BrokenUpload => faults::broken_upload(world).await,
        Scenario::StaleReads => faults::stale_reads(world).await,
        Scenario::Cancelled => cancelled::cancelled(world).await,
        Scenario::CancelledLate => cancelled::late(world).await,
        Scenario::Killed => cancelled::killed(world).await,
        Scenario::Cached => cached::cached(world).await,
        Scenario::CacheDown => cached::down(world).await,
        Scenario::Accumulation => cleaning::accumulation(world).await,
        Scenario::FirstEver => cleaning::first_ever(world).await,
        Scenario::CleanupDenied => cleaning::denied(world).await,
        Scenario::CleanupBlind => cleaning::blind(world).await,
    }
}
