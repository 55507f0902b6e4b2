//! What the tests of this module share: a buffer that can be read while it is written, digests, platforms.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use crate::oci::{Digest, Platform, digest_of};

/// A writer whose copies write to the same place.
#[derive(Clone, Default)]
pub(super) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    /// A copy as the reporters take it.
    pub(super) fn writer(&self) -> Box<dyn Write + Send> {
        Box::new(self.clone())
    }

    /// What was written so far.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

pub(super) fn arm64() -> Platform {
    "linux/arm64".parse().unwrap()
}

/// The digest of some text: equal for equal text.
pub(super) fn digest(text: &str) -> Digest {
    digest_of(text.as_bytes())
}
