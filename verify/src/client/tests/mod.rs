//! The client against a real registry with hand-made images on it, good ones and each kind of bad one.

mod answers;
pub(crate) mod image;
mod polling;
mod programs;
mod publications;
pub(crate) mod registry;
