//! Commit: what was staged becomes visible, on all registries or on none.
//!
//! ```text
//! hand-over files ──▶ complete set? ──▶ list put by digest everywhere ──▶ look · PUT, one registry after the other ──▶ look
//!                                                                         │ one fails          │ a newer build is there
//!                                                                         └▶ every tag put back └▶ it goes everywhere
//! ```
//!
//! Before the first tag moves, nothing that a run did is visible to users. The protocol is in `tag`, from top to bottom.

mod age;
mod handover;
mod list;
mod live;
mod tag;

pub use age::Build;
pub use handover::{Identity, Record, hand_over, staged_on, take_over};
pub use list::{Child, assemble, put_list, read_child, restore_children};
pub use tag::{Mover, READ_BACK_MAX, TagMove};
