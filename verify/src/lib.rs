//! Tallyman's judge: proves that a publishing pipeline keeps its promises.
//!
//! It never links the publisher. A pipeline under test is a process; what it published is read with clients of this
//! crate's own.

pub mod check;
pub mod checks;
pub mod cli;
pub mod client;
pub mod evidence;
pub mod explore;
pub mod harness;
pub mod history;
pub mod oracle;
pub mod report;
pub mod requirements;
pub mod scenario;
pub mod target;
pub mod verdict;
pub mod watch;
pub mod workflow;
