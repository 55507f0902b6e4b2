//! One table of what a registry does, which runs against every backend: so the stand-in is proved by the real registry.
//!
//! A behaviour is a claim, what is done, and what is seen: a short text, the same for all. Where the stand-in is meant to
//! differ, [`differences`] says how and why, and that is asserted as well. What is seen and done from behind is tested for
//! all backends too, in [`behind`].

mod answer;
mod base;
mod behaviour;
mod behind;
mod blobs;
mod broken;
mod client;
mod deletion;
mod differences;
mod guarded;
mod listing;
mod manifests;
mod negotiation;
mod suite;
mod uploads;
