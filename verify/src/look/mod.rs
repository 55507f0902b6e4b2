//! Looking at a published image: by reading only, with a client that shares nothing with any publisher.
//!
//! [`Looker::publication`] takes down what is there, as plain data; [`integrity`] and the checks judge it afterwards. An answer
//! of a registry is data; that no answer comes is an error, for then nothing is known.

mod account;
mod child;
mod config;
mod descriptor;
mod error;
mod executable;
mod integrity;
mod known;
mod looker;
pub mod media_type;
mod place;
mod poll;
mod publication;
mod raw;
mod read;
mod settle;
mod tags;
#[cfg(test)]
pub(crate) mod tests;
mod token;
mod unpacked;

pub use account::{Environment, account};
pub use child::{Child, Layer, LayerContent};
pub use config::{Config, Facts, Step};
pub use descriptor::{Descriptor, Platform};
pub use error::LookError;
pub use executable::{Executable, ExecutableKind, machine_of};
pub use integrity::integrity;
pub use looker::{ATTEMPTS, CONNECT_TIMEOUT, IDLE_TIMEOUT, Looker, RETRY_AFTER_MAX, RETRY_BASE};
pub use place::{Credentials, IDENTITY_TOKEN_USER, Place};
pub use poll::{BLIND_MAX, PAUSE, Poller, Sample};
pub use publication::{Manifest, Missing, Publication, Shape};
pub use raw::Raw;
pub use read::{Depth, Reader};
pub use settle::{Patience, SETTLE_MAX, Wait};
