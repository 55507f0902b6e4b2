//! What the tests stand on: a registry, a proxy with faults, a source repository, a prepared podman, and the program.

mod fake_podman;
mod program;
mod proxy;
mod registry;
mod source;
mod stand_ins;
mod world;

pub(crate) use fake_podman::{FakeImage, FakePodman};
pub(crate) use program::{Ended, Program};
pub(crate) use proxy::{Fault, Proxy};
pub(crate) use registry::{PASSWORD, Registry, USER, http};
pub(crate) use source::Source;
pub(crate) use stand_ins::{Side, StandIns};
pub(crate) use world::{World, sha256};
