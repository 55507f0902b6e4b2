//! What a publish does and leaves undone, seen from outside.

mod attempts;
mod cache;
mod clean;
mod failures;
mod handover;
mod init;
mod interruption;
mod order;
mod output;
mod plan;
mod publish;
mod secrets;
