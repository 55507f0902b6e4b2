//! `verify watch`: checks published images again and again, and serves the results.
//!
//! The *service* is healthy as long as its rounds end in time. Their results are in the report and the
//! metrics: an image that fails its checks must not make a supervisor restart the service.

mod metrics;
mod page;
mod probe;
mod rounds;
#[cfg(test)]
mod tests;

pub use metrics::metrics;
pub use page::router;
pub use probe::probe;
pub use rounds::{Round, State, Status, Timing, rounds};
