//! Looking at a real registry with hand-made images on it, good ones and each kind of bad one.

mod answers;
mod image;
mod polling;
mod programs;
mod publications;
mod registry;
mod tags;
