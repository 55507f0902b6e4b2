//! `publisher` puts one multi-architecture container image on several registries, all or nothing.
//!
//! Dependencies point one way: [`cli`] → [`command`] (plan, build, merge, publish, doctor) → [`podman`], [`stage`],
//! [`commit`] → [`registry`] → [`auth`] → [`oci`]. What a command has to tell goes through [`event`] to [`report`].
//!
//! The library half exists so that tests and benchmarks can reach the parts; its interface carries no promise.

pub mod auth;
pub mod clean;
pub mod cli;
pub mod command;
pub mod commit;
pub mod config;
pub mod containerfile;
pub mod doctor;
pub mod environment;
pub mod event;
pub mod exit;
mod git;
pub mod http;
pub mod init;
pub mod oci;
pub mod plan;
pub mod podman;
pub mod registry;
pub mod report;
pub mod stage;
