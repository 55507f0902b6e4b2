//! `verify watch`: looks at published images again and again, and tells anybody who asks.
//!
//! The *service* is healthy as long as its rounds end in time. What they find is the report's matter, and the metrics': an
//! image that fails its checks must not make somebody's supervisor restart the one who says so.

mod board;
mod metrics;
mod page;
mod probe;
mod rounds;
#[cfg(test)]
mod tests;

pub use board::{Board, Pace, Round, State};
pub use metrics::metrics;
pub use page::router;
pub use probe::probe;
pub use rounds::rounds;
