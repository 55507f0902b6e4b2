//! Stage against scripted registries: what is known beforehand, what is sent to whom, what is left out.

mod config;
mod everywhere;
mod image;
mod picture;
mod previous;

use std::sync::Arc;

use picture::Picture;

use crate::{
    event::{Event, LayerFate},
    oci::{Platform, Tag},
    registry::{
        Registry,
        testing::{Scripted, Told, registry},
    },
};

/// The repository on each registry.
const NAME: &str = "acme/hello";

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

fn latest() -> Tag {
    Tag::latest()
}

/// A client of [`NAME`] on each of these.
fn clients(servers: &[&Scripted]) -> Vec<Arc<Registry>> {
    servers.iter().map(|server| Arc::new(registry(server, NAME).0)).collect()
}

/// What became of the blobs, in the order in which it was told.
fn fates(told: &Told) -> Vec<LayerFate> {
    let fate = |event| if let Event::LayerSettled { fate, .. } = event { Some(fate) } else { None };
    told.events().into_iter().filter_map(fate).collect()
}
