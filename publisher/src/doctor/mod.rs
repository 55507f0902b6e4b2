//! `publisher doctor`: what this machine lacks for building images without root, and how to mend it.
//!
//! Nothing is installed or changed; one container is run, as nothing else shows that podman and its runtime fit together.
//! podman's own view of its host (`podman info`) is believed first; where podman is absent or fails, files and programs are
//! looked at, so that one look shows all that is missing.
//! A warning is something that a build may do without.

mod development;
mod disk;
mod emulation;
mod examine;
mod finding;
mod machine;
mod network;
mod podman;
mod user;

pub use development::{DEVELOPMENT_TOOLS, Tool, examine_development};
pub use disk::{IMAGES_FREE_MIN, TEMPORARY_FREE_MIN};
pub use examine::examine;
pub use finding::{Diagnosis, Finding, Status};
