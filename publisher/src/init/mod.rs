//! What a repository needs to publish from GitHub: found out from what is in it, written as two files.
//!
//! [`survey`] reads and changes nothing; [`workflow`] and [`configuration`] are pure functions from what it found to text.
//! Nothing is guessed in silence: what cannot be told from the repository is an error that names the flag that says it.

mod configuration;
mod containerfile;
mod error;
mod pin;
mod remote;
mod survey;
mod workflow;

pub use configuration::configuration;
pub use error::InitError;
pub use pin::Pin;
pub use survey::{Destination, GitFacts, Survey, Wishes, survey};
pub use workflow::{PATH as WORKFLOW_FILE, workflow};
