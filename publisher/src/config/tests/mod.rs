//! The configuration as a whole, from files, flags and variables to what is handed on.

mod accepted;
mod cache;
mod refused;
mod run;
