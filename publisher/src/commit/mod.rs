//! Commit: what was staged becomes visible, on all registries or on none.
//!
//! ```text
//! hand-over files ──▶ complete set? ──▶ list put by digest everywhere ──▶ look · PUT, one registry after the other ──▶ look
//!                                                                         │ one fails          │ a newer build is there
//!                                                                         └▶ every tag put back └▶ it goes everywhere
//! ```
//!
//! Before the first tag moves, nothing that a run did is visible to anybody. The protocol is in `tag`, from top to bottom.

mod age;
mod children;
mod handover;
mod list;
mod live;
mod rollback;
mod tag;

pub use age::{Age, Build};
pub use children::{Child, read_children, restore_children};
pub use handover::{HandOver, HandOverError, Identity, Record};
pub use list::{assemble, put_list};
pub use tag::{Movement, Mover, READ_BACK_MAX, TagMove};
