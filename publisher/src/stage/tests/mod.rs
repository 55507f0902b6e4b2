//! Stage against scripted registries: what is known beforehand, what is sent to whom, what is left out.

mod config;
mod everywhere;
mod image;
mod previous;
mod sample_image;

use std::sync::Arc;

use sample_image::SampleImage;

use crate::{
    event::{BlobOutcome, Event},
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

/// How the registries got the blobs, in the order of the events.
fn outcomes(told: &Told) -> Vec<BlobOutcome> {
    let outcome = |event| if let Event::BlobPushed { outcome, .. } = event { Some(outcome) } else { None };
    told.events().into_iter().filter_map(outcome).collect()
}
