//! `verify` judges publishing pipelines: does what was published keep the promises of the [`requirements`]?
//!
//! It never links `publisher`: a shared parser would hide a shared mistake. So far it holds the catalogue; checks,
//! harness and subjects build on it.

pub mod requirements;
