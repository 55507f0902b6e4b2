//! Where lines go: stderr in a run, a buffer in a test.

use std::io::{self, Write};

/// Takes lines. One that cannot be written is dropped: a closed pipe must not stop a publish half-way.
pub(super) struct Sink(Box<dyn Write + Send>);

impl Sink {
    /// Lines go to `out`.
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self(out)
    }

    /// Writes a line at once, so that lines of several processes on one stderr stay whole.
    pub(super) fn line(&mut self, text: &str) {
        self.text(&format!("{text}\n"));
    }

    /// Writes a text that ends its own lines.
    pub(super) fn text(&mut self, text: &str) {
        let written: io::Result<()> = self.0.write_all(text.as_bytes()).and_then(|()| self.0.flush());
        drop(written);
    }
}
