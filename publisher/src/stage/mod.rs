//! Stage: one platform's image is put on all registries, by digest, without a tag.
//!
//! ```text
//! podman's store ─────────▶ layer ──gzip once──▶ spool file ──same bytes──▶ every registry
//!                     (skipped when every registry holds the layer already)
//! then the configuration, normalised, then the manifest, by digest
//! ```

mod config;
mod gzip;
mod image;
mod layers;
mod previous;
#[cfg(test)]
mod tests;

pub use config::Commit;
pub use image::{StageOptions, Staged, StagedImage, stage};
