//! The line for an event, the same in a log and above progress bars.

use super::{
    sanitize,
    units::{bytes, duration},
};
use crate::{
    event::{BlobOutcome, Event},
    oci::short,
};

/// The line for an event; [`None`] for a phase that begins and for bytes on their way.
pub(super) fn message(event: &Event) -> Option<String> {
    Some(match event {
        Event::PhaseFinished(phase, took) => format!("{phase}: {}", duration(*took)),
        Event::BuildLine(_, line) => sanitize::line(line),
        Event::LayerKnown { diff_id, size, .. } => {
            format!("layer {} is on every registry, {} not sent", short(diff_id), bytes(*size))
        }
        Event::BlobPushed { registry, digest, size, outcome, .. } => {
            let how = match outcome {
                BlobOutcome::Present => "already there",
                BlobOutcome::Mounted => "mounted",
                BlobOutcome::Uploaded => "uploaded",
            };
            format!("{registry}: {} {how} ({})", short(digest), bytes(*size))
        }
        Event::Retry { registry, operation, attempt, attempts, wait, cause } => {
            let (wait, cause) = (duration(*wait), sanitize::one_line(cause));
            format!("{registry}: {operation} failed (attempt {attempt} of {attempts}), again in {wait}: {cause}")
        }
        Event::Note(text) | Event::Notice(text) => sanitize::one_line(text),
        Event::Warning(text) => format!("warning: {}", sanitize::one_line(text)),
        Event::PhaseStarted(_) | Event::Compressing { .. } | Event::Compressed { .. } | Event::Uploading { .. } => {
            return None;
        }
    })
}
