//! The words for what happens, the same on every screen.

use std::time::Duration;

use super::{clean, terminal::Style, units};
use crate::{
    event::{LayerFate, Phase},
    oci::{Digest, Platform, short},
};

/// What a phase is called in data.
pub(super) fn phase_name(phase: &Phase) -> &'static str {
    match phase {
        Phase::Build(_) => "build",
        Phase::Stage(_) => "stage",
        Phase::List => "list",
        Phase::Commit => "commit",
        Phase::ReadBack => "read_back",
        Phase::Clean => "clean",
    }
}

/// The platform that a phase belongs to.
pub(super) fn phase_platform(phase: &Phase) -> Option<&Platform> {
    match phase {
        Phase::Build(platform) | Phase::Stage(platform) => Some(platform),
        Phase::List | Phase::Commit | Phase::ReadBack | Phase::Clean => None,
    }
}

/// What a phase does, for the time that it lasts.
pub(super) fn phase_title(phase: &Phase) -> String {
    match phase {
        Phase::Build(platform) => format!("build {platform}"),
        Phase::Stage(platform) => format!("stage {platform}"),
        Phase::List => "stage the list".into(),
        Phase::Commit => "move the tag".into(),
        Phase::ReadBack => "read the tag back".into(),
        Phase::Clean => "remove what was superseded".into(),
    }
}

/// What a phase did.
pub(super) fn phase_done(phase: &Phase, took: Duration) -> String {
    let took = units::duration(took);
    match phase {
        Phase::Build(platform) => format!("{platform} built in {took}"),
        Phase::Stage(platform) => format!("{platform} staged in {took}"),
        Phase::List => format!("list staged in {took}"),
        Phase::Commit => format!("tag moved in {took}"),
        Phase::ReadBack => format!("tag read back in {took}"),
        Phase::Clean => format!("cleaned up in {took}"),
    }
}

/// That a layer is in every repository already.
pub(super) fn known(diff_id: &Digest, size: u64) -> String {
    format!("{} known everywhere, {} not sent", short(diff_id), units::bytes(size))
}

/// What became of a blob on a registry.
pub(super) fn settled(registry: &str, digest: &Digest, size: u64, fate: LayerFate) -> String {
    let (digest, size) = (short(digest), units::bytes(size));
    match fate {
        LayerFate::Present => format!("{registry}: {digest} already there ({size})"),
        LayerFate::Mounted => format!("{registry}: {digest} mounted ({size})"),
        LayerFate::Uploaded => format!("{registry}: {digest} uploaded ({size})"),
    }
}

/// An operation that failed and will be tried again: `ghcr: blob upload failed (attempt 1 of 3), again in 2.0 s: reset`.
pub(super) fn retry(
    registry: &str,
    operation: &str,
    (attempt, attempts): (u32, u32),
    wait: Duration,
    cause: &str,
) -> String {
    let (wait, cause) = (units::duration(wait), clean::lines(cause).join(" "));
    format!("{registry}: {operation} failed (attempt {attempt} of {attempts}), again in {wait}: {cause}")
}

/// Something that the user should know.
pub(super) fn warning(warning: &str, style: Style) -> String {
    format!("{}: {}", style.yellow("warning"), clean::lines(warning).join(" "))
}
