//! The line for an event, the same in a log and above progress bars, and amounts as people read them.

use std::time::Duration;

use indicatif::DecimalBytes;

use super::sanitize;
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

/// A number of bytes in decimal units, in which registries and runners bill and limit: `999 B`, `1.20 MB`.
pub(super) fn bytes(count: u64) -> String {
    DecimalBytes(count).to_string()
}

/// A duration: `340 ms`, `2.1 s`, `2 m 03 s`, `62 m 05 s`.
pub(super) fn duration(time: Duration) -> String {
    match (time.as_millis(), time.as_secs()) {
        (milliseconds @ 0..1000, _) => format!("{milliseconds} ms"),
        (_, 0..60) => format!("{:.1} s", time.as_secs_f64()),
        (_, seconds) => format!("{} m {:02} s", seconds / 60, seconds % 60),
    }
}

/// A number with its noun: `1 layer`, `2 layers`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(0, "0 ms")]
    #[case(999, "999 ms")]
    #[case(1_000, "1.0 s")]
    #[case(2_140, "2.1 s")]
    #[case(60_000, "1 m 00 s")]
    #[case(123_400, "2 m 03 s")]
    #[case(3_725_000, "62 m 05 s")]
    fn durations_have_two_units_at_most(#[case] milliseconds: u64, #[case] shown: &str) {
        assert_eq!(duration(Duration::from_millis(milliseconds)), shown);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!((count(1, "layer"), count(0, "layer")), ("1 layer".into(), "0 layers".into()));
    }
}
