//! What a publish does and leaves undone, seen from outside.

mod accumulation;
mod attempts;
mod cache;
mod clean;
mod failures;
mod handover;
mod init;
mod interruption;
mod local;
mod order;
mod output;
mod plan;
mod prune;
mod publish;
mod races;
mod secrets;
mod visibility;
