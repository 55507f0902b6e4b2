//! For the tests of this module: a buffer that can be read while it is written, digests, platforms.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use crate::oci::{Digest, Platform, digest_of};

/// A writer whose copies write to the same place.
#[derive(Clone, Default)]
pub(in crate::report) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    /// A copy as the reporters take it.
    pub(in crate::report) fn writer(&self) -> Box<dyn Write + Send> {
        Box::new(self.clone())
    }

    /// What was written so far.
    pub(in crate::report) fn text(&self) -> String {
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

pub(in crate::report) fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

pub(in crate::report) fn arm64() -> Platform {
    "linux/arm64".parse().unwrap()
}

/// The digest of some text: equal for equal text.
pub(in crate::report) fn digest(text: &str) -> Digest {
    digest_of(text.as_bytes())
}
