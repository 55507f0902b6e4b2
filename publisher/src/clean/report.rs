//! What a clean-up did or would do, as data and as a tree for people.

use std::{error::Error, fmt::Write as _};

use serde::Serialize;

use super::{Because, CleanError, Fate, Verdict};
use crate::{
    config::DriverKind,
    oci::{Digest, Repository, short},
};

/// What became of one manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It stays.
    Kept,
    /// It would go; nothing was done.
    Planned,
    /// It is gone.
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
    /// What became of it.
    pub outcome: Outcome,
    /// Why: a fragment.
    pub because: String,
}

/// Why a clean-up stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What is wrong, outermost first.
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
    /// How it is cleaned.
    pub driver: DriverKind,
    /// Everything that is ours, a list before what it names.
    pub items: Vec<Item>,
    /// What undoes the removals, where they can be undone.
    pub restore: Vec<String>,
    /// What should be known.
    pub warnings: Vec<String>,
    /// Why it stopped; from there on nothing was removed.
    pub problem: Option<Problem>,
}

impl From<&CleanError> for Problem {
    fn from(error: &CleanError) -> Self {
        let mut causes = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(inner) = cause {
            causes.push(inner.to_string());
            cause = inner.source();
        }
        Self { causes, denied: error.is_denied() }
    }
}

impl Item {
    pub(super) fn planned(verdict: &Verdict) -> Self {
        let ours = match &verdict.because {
            Because::Recorded => "superseded or never published".to_owned(),
            Because::PartOf(list) => format!("part of {}", short(list)),
            Because::About(subject) => format!("about {}", short(subject)),
        };
        let (outcome, because) = match &verdict.fate {
            Fate::Kept(tag) => (Outcome::Kept, format!("{tag} holds it")),
            Fate::Removed => (Outcome::Planned, format!("{ours}, no tag holds it")),
        };
        let Verdict { digest, depth, list, .. } = verdict;
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

    /// How many manifests ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.items.iter().filter(|item| item.outcome == outcome).count()
    }

    /// The item of a manifest.
    pub(super) fn item(&mut self, digest: &Digest) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.digest == *digest)
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
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "  {}{branch}{verb} {kind} {}: {}",
                indent.get(3..).unwrap_or_default(),
                short(&item.digest),
                item.because
            );
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "  warning: {warning}");
        }
        for cause in self.problem.iter().flat_map(|problem| &problem.causes) {
            let _ = writeln!(text, "  stopped: {cause}");
        }
        if !self.restore.is_empty() {
            let _ = writeln!(text, "  to undo, within 30 days:");
        }
        for command in &self.restore {
            let _ = writeln!(text, "    {command}");
        }
        text
    }
}
