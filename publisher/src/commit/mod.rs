//! Commit: what was staged becomes visible, on all registries or on none.
//!
//! ```text
//! hand-over files ──▶ complete set? ──▶ list put by digest everywhere ──▶ tag moved everywhere ──▶ read back
//!                                                                         │ one fails
//!                                                                         └▶ every tag put back
//! ```
//!
//! Before the first tag moves, nothing that a run did is visible to anybody.

mod age;
mod children;
mod handover;
mod list;
mod live;
mod readback;
mod tag;

pub use age::{Age, Build};
pub use children::{Child, ensure_children, read_children};
pub use handover::{HandOver, HandOverError, Identity, Record};
pub use list::{assemble, put_list};
pub use readback::READ_BACK_MAX;
pub use tag::{Journal, Movement, TagMove, compare, confirm, move_tag};
