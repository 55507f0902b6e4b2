//! What a clean-up did or would do, as data and as text.

use std::{error::Error, fmt::Write as _};

use serde::Serialize;

use super::{Candidate, CleanError, Reason};
use crate::{
    config::DriverKind,
    oci::{Digest, Repository, Tag, short},
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
}

/// Why a clean-up stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The error and its causes, outermost first.
    pub causes: Vec<String>,
    /// Whether a permission is missing.
    pub denied: bool,
}

/// The clean-up of one registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

impl From<&CleanError> for Problem {
    fn from(error: &CleanError) -> Self {
        let chain = std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source());
        let causes = chain.map(ToString::to_string).collect();
        Self { causes, denied: error.is_denied() }
    }
}

impl Item {
    pub(super) fn planned(candidate: &Candidate) -> Self {
        let Candidate { digest, depth, list, reason, kept_by } = candidate;
        let reason = match reason {
            Reason::Recorded => "superseded or never published".to_owned(),
            Reason::PartOf(list) => format!("part of {}", short(list)),
            Reason::RefersTo(subject) => format!("refers to {}", short(subject)),
        };
        let (outcome, because) = match kept_by {
            Some(tag) => (Outcome::Kept, format!("{tag} holds it")),
            None => (Outcome::Planned, format!("{reason}, no tag holds it")),
        };
        Self { digest: digest.clone(), depth: *depth, list: *list, outcome, because }
    }

    pub(super) fn becomes(&mut self, outcome: Outcome, because: impl Into<String>) {
        self.outcome = outcome;
        self.because = because.into();
    }
}

impl Report {
    /// A report of a clean-up that has done nothing yet.
    pub fn new(registry: &str, repository: &Repository, driver: DriverKind) -> Self {
        Self {
            registry: registry.into(),
            repository: repository.to_string(),
            driver,
            items: Vec::new(),
            restore: Vec::new(),
            warnings: Vec::new(),
            problem: None,
        }
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
        let counts = [
            (Outcome::Removed, "removed"),
            (Outcome::Planned, "to be removed"),
            (Outcome::PutBack, "put back"),
            (Outcome::Kept, "kept"),
        ];
        let counts = counts.iter().map(|(outcome, word)| (self.count(*outcome), word)).filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(count, word)| format!("{count} {word}")).collect();
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
            let verb = match item.outcome {
                Outcome::Kept => "keep",
                Outcome::Planned => "remove",
                Outcome::Removed => "removed",
                Outcome::PutBack => "put back",
            };
            let (indent, kind) = ("   ".repeat(item.depth), if item.list { "list" } else { "image" });
            let branch = if item.depth == 0 { "" } else { "└─ " };
            let (indent, digest) = (indent.get(3..).unwrap_or_default(), short(&item.digest));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {indent}{branch}{verb} {kind} {digest}: {}", item.because);
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
