//! What is in an image's layers: the files that a container would see, and which programs its entry point reaches.
//!
//! Memory is flat: layers lie unpacked in temporary files without a name; only paths and places are held.

mod elf;
mod follow;
mod layer;
mod script;
mod search;
mod tree;

pub(super) use follow::executables;
pub(super) use layer::{Layered, unpack};
