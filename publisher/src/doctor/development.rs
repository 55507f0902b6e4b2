//! What working on Tallyman itself needs besides; a user of the publisher needs none of it.

use super::{
    finding::{Finding, Status},
    machine::Machine,
};
use crate::environment::Environment;

/// A program and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// The program.
    pub program: &'static str,
    /// Debian's package.
    pub package: &'static str,
    /// What does not work without it.
    pub why: &'static str,
}

/// The programs that the recipes call.
pub const DEVELOPMENT_TOOLS: [Tool; 4] = [
    Tool { program: "docker-registry", package: "docker-registry", why: "the checks run against it" },
    Tool { program: "skopeo", package: "skopeo", why: "the checks ask it as a witness" },
    Tool { program: "just", package: "just", why: "it runs the recipes" },
    Tool { program: "cargo-nextest", package: "cargo-nextest", why: "it runs the tests" },
];

/// Looks for [`DEVELOPMENT_TOOLS`].
pub fn examine_development(environment: &Environment) -> Vec<Finding> {
    let machine = Machine::new(environment, "/");
    let find = |tool: Tool| machine.program_finding(tool.program, tool.package, Status::Missing, tool.why);
    DEVELOPMENT_TOOLS.into_iter().map(find).collect()
}
