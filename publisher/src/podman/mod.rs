//! podman, driven as a process: is it fit, build an image, look at it, take its layers out.
//!
//! Nothing links to podman; its command line and the JSON it prints are the interface. Where its store shows a file that
//! must have a certain digest, that file is read, and podman asked where it does not. Each child leads a process group
//! of its own, and a group that is no longer stop (the future was dropped, an export has all it needs) is ended, so that
//! no build outlives its run. What podman prints is kept bounded: the last lines for the error, lines of a
//! limited length for the reader.
//!
//! This module must not push: the bytes go to registries by [`crate::registry`].

mod architecture;
mod archive;
mod build;
mod cache;
mod client;
mod error;
mod export;
#[cfg(test)]
pub(crate) mod fake;
mod group;
mod image;
mod info;
mod lines;
mod process;
mod request;
mod steps;
pub(crate) mod stored;
mod trial;

pub use architecture::{host_architecture, runs_natively};
pub use archive::TakeLayer;
pub use cache::LayerCache;
pub use client::{PROGRAM_VARIABLE, Podman};
pub use error::{PodmanError, RUNTIME_TOO_OLD_HINT};
pub use export::Stop;
pub use image::{ImageId, ImageIdError, ImageInfo};
pub use info::{HERE_DOCUMENTS_VERSION, Info, MIN_VERSION, judge};
pub use lines::{LINE_BYTES_MAX, TAIL_LINES_MAX, Tail};
pub use request::BuildRequest;
pub use steps::Steps;
pub use stored::StoredLayer;
