//! Tallyman's judge: proves that a publishing pipeline keeps its promises.
//!
//! It never links the publisher. A pipeline under test is a process; what it published is read with clients of this
//! crate's own.

pub mod evidence;
pub mod harness;
pub mod history;
pub mod oracle;
pub mod requirements;
pub mod verdict;
