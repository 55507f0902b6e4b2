//! All checks: one file a requirement, registered by hand, in the catalogue's order.

#![expect(clippy::unnecessary_wraps, reason = "all judges have one type, also those that can always tell")]

mod fr_001;
mod fr_002;
mod fr_003;
mod fr_004;
mod fr_005;
mod fr_006;
mod fr_007;
mod fr_008;
mod fr_009;
mod fr_010;
mod fr_011;
mod fr_012;
mod fr_013;
mod fr_014;
mod fr_015;
mod fr_016;
mod fr_017;
mod fr_018;
mod fr_019;
mod fr_020;
mod fr_021;
mod published;
mod registered;
mod sc_001;
mod sc_002;
mod sc_003;
mod sc_004;
mod sc_005;
mod sc_006;
mod sc_007;
mod sc_008;
mod sc_009;
mod support;
mod workflows;

pub use registered::{EXCEPTIONS, Exception, all};
