//! What a clean-up did or would do, as data and as text.

use std::{error::Error, fmt, fmt::Write as _, iter};

use serde::Serialize;

use crate::{
    config::DriverKind,
    oci::{Digest, Repository, Tag, short},
    registry::{Cause, RegistryError},
};

/// The outcome for one manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It stays.
    Kept,
    /// It would be removed; nothing was done.
    Planned,
    /// It is removed.
    Removed,
    /// It was removed, and put back because a tag had come to need it.
    PutBack,
}

/// One manifest of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The manifest.
    pub digest: Digest,
    /// How deep it lies below the recorded one.
    pub depth: usize,
    /// Whether it is a list.
    pub list: bool,
    /// The outcome.
    pub outcome: Outcome,
    /// Why: a sentence fragment.
    pub because: String,
    /// The tag that reaches it.
    #[serde(skip)]
    pub kept_by: Option<Tag>,
}

/// Why a clean-up stops. Nothing is removed after that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The error and its causes, outermost first.
    pub causes: Vec<String>,
    /// Whether a permission is missing.
    pub denied: bool,
}

/// The clean-up of one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The registry's short name.
    pub registry: String,
    /// The repository.
    pub repository: String,
    /// The driver.
    pub driver: DriverKind,
    /// Everything that is ours, a list before what it names.
    pub items: Vec<Item>,
    /// Commands that undo the removals, where that is possible.
    pub restore: Vec<String>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Why it stopped; nothing was removed after that.
    pub problem: Option<Problem>,
}

impl Problem {
    /// A problem that has no other cause.
    pub(super) fn new(cause: impl Into<String>) -> Self {
        Self { causes: vec![cause.into()], denied: false }
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        let chain = iter::successors(Some(&error as &(dyn Error + 'static)), |&error| error.source());
        Self { causes: chain.map(ToString::to_string).collect(), denied: is_denial(&error.cause) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.causes.join(": "))
    }
}

/// Whether the credentials were refused. A 403 that says "rate limit" is something else.
fn is_denial(cause: &Cause) -> bool {
    match cause.refusal() {
        Some(refusal) => {
            matches!(refusal.status, 401 | 403) && !refusal.message.to_ascii_lowercase().contains("rate limit")
        }
        None => matches!(cause, Cause::Auth(error) if error.request().is_none()),
    }
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Planned => "to remove",
            Self::Removed => "removed",
            Self::PutBack => "put back",
        }
    }
}

impl Item {
    pub(super) fn becomes(&mut self, outcome: Outcome, because: impl Into<String>) {
        self.outcome = outcome;
        self.because = because.into();
    }
}

impl Report {
    /// A report of a clean-up that has done nothing yet.
    pub fn new(registry: &str, repository: &Repository, driver: DriverKind) -> Self {
        Self { registry: registry.into(), repository: repository.to_string(), driver, ..Self::default() }
    }

    /// How many manifests have this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.items.iter().filter(|item| item.outcome == outcome).count()
    }

    /// Notes that a manifest was put back for a tag.
    pub(super) fn put_back(&mut self, digest: &Digest, tag: &Tag, warning: String) {
        self.warnings.push(warning);
        if let Some(item) = self.items.iter_mut().find(|item| item.digest == *digest) {
            item.becomes(Outcome::PutBack, format!("{tag} holds it"));
        }
    }

    /// What happened, in one line.
    pub fn line(&self) -> String {
        let outcomes = [Outcome::Removed, Outcome::Planned, Outcome::PutBack, Outcome::Kept];
        let counts = outcomes.map(|outcome| (self.count(outcome), outcome.word()));
        let counts: Vec<_> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        let counts = if counts.is_empty() { "nothing to remove".into() } else { counts.join(", ") };
        format!("{}: {counts}", self.registry)
    }

    /// The tree, the warnings, the problem, and how to undo it.
    pub fn text(&self) -> String {
        let mut text = format!("{}  {}  ({})\n", self.registry, self.repository, self.driver.name());
        if self.items.is_empty() && self.problem.is_none() {
            text.push_str("  nothing to remove\n");
        }
        for item in &self.items {
            let indent = "   ".repeat(item.depth.saturating_sub(1));
            let branch = if item.depth == 0 { "" } else { "└─ " };
            let (kind, digest) = (if item.list { "list" } else { "image" }, short(&item.digest));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {indent}{branch}{} {kind} {digest}: {}", item.outcome.word(), item.because);
        }
        let warnings = self.warnings.iter().map(|warning| format!("  warning: {warning}\n"));
        let causes = self.problem.iter().flat_map(|problem| &problem.causes);
        text.extend(warnings.chain(causes.map(|cause| format!("  stopped: {cause}\n"))));
        if !self.restore.is_empty() {
            text.push_str("  to undo, within 30 days:\n");
        }
        text.extend(self.restore.iter().map(|command| format!("    {command}\n")));
        text
    }
}
