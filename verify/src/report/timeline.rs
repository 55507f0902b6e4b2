//! What happened in a scenario, in time: the pipeline's stages, and every request to each server.

use std::collections::BTreeMap;

use crate::{
    evidence::{Evidence, Run},
    history::Exchange,
};

/// How many requests of one server are drawn; more would be no more to see.
const MARKS_MAX: usize = 2000;

/// One scenario.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Timeline {
    /// The scenario's name.
    pub name: String,
    /// When its last event ended, in milliseconds since it began.
    pub end_ms: u64,
    /// One for the pipeline, one a server.
    pub rows: Vec<Row>,
}

/// What happened in one place.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Row {
    /// `pipeline`, `ghcr`.
    pub name: String,
    /// In order.
    pub marks: Vec<Mark>,
    /// How many more there were.
    pub more: usize,
}

/// Something that took some time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Mark {
    /// When it began.
    pub began_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// What it was and what came of it.
    pub text: String,
    /// How it is drawn.
    pub kind: MarkKind,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    /// It went well.
    Good,
    /// It was refused, or failed.
    Bad,
    /// A fault was injected into it.
    Fault,
}

impl Timeline {
    /// Of a scenario's evidence; none if nothing happened in it.
    pub fn of(name: &str, evidence: &Evidence) -> Option<Self> {
        let mut servers: BTreeMap<&str, Row> = BTreeMap::new();
        for exchange in &evidence.history {
            let row = servers.entry(&exchange.server).or_default();
            if row.marks.len() < MARKS_MAX { row.marks.push(request(exchange)) } else { row.more += 1 }
        }
        let stages: Vec<Mark> = evidence.runs.iter().flat_map(stages).collect();
        let pipeline = (!stages.is_empty()).then(|| Row { name: "pipeline".to_owned(), marks: stages, more: 0 });
        let servers = servers.into_iter().map(|(name, row)| Row { name: name.to_owned(), ..row });
        let rows: Vec<Row> = pipeline.into_iter().chain(servers).collect();
        let end_ms = rows.iter().flat_map(|row| &row.marks).map(|mark| mark.ended_ms).max()?;
        Some(Self { name: name.to_owned(), end_ms, rows })
    }
}

fn request(exchange: &Exchange) -> Mark {
    let status = exchange.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let fault = exchange.fault.as_deref().map(|fault| format!(" ({fault})")).unwrap_or_default();
    let kind = match exchange.status {
        _ if exchange.fault.is_some() => MarkKind::Fault,
        Some(status) if status < 400 => MarkKind::Good,
        _ => MarkKind::Bad,
    };
    let text = format!("{} {} {status}{fault}", exchange.method, exchange.path);
    Mark { began_ms: exchange.began_ms, ended_ms: exchange.ended_ms, text, kind }
}

fn stages(run: &Run) -> impl Iterator<Item = Mark> + '_ {
    run.stages.iter().map(|stage| Mark {
        began_ms: stage.began_ms,
        ended_ms: stage.ended_ms,
        text: format!("{}: {stage}, {:?}", run.name, stage.end),
        kind: if stage.end.is_success() { MarkKind::Good } else { MarkKind::Bad },
    })
}
