//! podman, run as a process: check it, build an image, inspect it, read its layers.
//!
//! Nothing links to podman; its command line and the JSON it prints are the interface. A file of its store is read only
//! where the digest proves the content, and podman is asked where it does not. Each child leads a process group of its
//! own, which is ended when the future is dropped, so that no build outlives its run. What podman prints is kept bounded:
//! the last lines for the error, lines of a limited length for the reader.
//!
//! This module must not push: the bytes go to registries by [`crate::registry`].

mod build;
mod client;
mod error;
mod image;
mod process;
mod save;
mod steps;
pub(crate) mod store;
#[cfg(test)]
pub(crate) mod tests;
mod trial;

pub use build::{BuildRequest, LayerCache};
pub use client::{
    HERE_DOCUMENTS_VERSION, Info, MIN_VERSION, PROGRAM_VARIABLE, Podman, check_version, host_architecture,
    runs_natively,
};
pub use error::{PodmanError, RUNTIME_TOO_OLD_HINT};
pub use image::ImageInfo;
pub use steps::Steps;
pub use store::StoredLayer;
