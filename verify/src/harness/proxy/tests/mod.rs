//! Tests of the proxy: against a small server whose every byte is known, and against the real reference registry.

mod behaviour;
mod effects;
mod late;
mod records;
mod registry;
mod rules;
mod streaming;
mod support;
mod tokens;
