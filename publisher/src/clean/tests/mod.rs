//! The decision on ten thousands of repositories; clean-ups of repositories that behave, fail and change as a test says.

mod decision;
mod dockerhub;
mod everywhere;
mod fake;
mod github;
mod moments;
mod property;
mod prune;
mod requests;
