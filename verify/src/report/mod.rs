//! What a target's checks came to, for people, programs and pages.

mod html;
mod json;
mod junit;
mod looked;
mod markdown;
mod matrix;
mod outcome;
mod text;
mod timeline;

pub use html::html;
pub use json::json;
pub use junit::junit;
pub use looked::{Looked, LookedImage};
pub use markdown::markdown;
pub use matrix::{Row, matrix};
pub use outcome::{Outcome, Report, Shown};
pub use text::{outcome_text, summary_text};
pub use timeline::Timeline;
