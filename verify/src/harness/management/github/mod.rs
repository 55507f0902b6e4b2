//! A stand-in of GitHub's REST interface for packages.
//!
//! Facts: a version is a manifest with all its tags, there is no deletion of a tag alone, and nothing protects the children
//! of a list. Listings have pages of 30, at most 100, and may lag behind. Deleted versions can be restored.

mod deleted;
mod interface;
mod lag;
mod limits;
mod refusal;
mod stand_in;
#[cfg(test)]
mod tests;
mod token;
mod versions;

pub use deleted::{DeletedVersion, Restore};
pub use lag::Lag;
pub use stand_in::{GitHub, GitHubSettings, Owner};
pub use token::{GitHubToken, TokenKind};
pub use versions::version_id;
