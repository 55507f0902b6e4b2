//! The exact bytes that a registry sent. Digests are computed over these, never over something encoded again.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Bytes that are saved as text if they are UTF-8, so that people can read saved evidence, else as base64.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "Saved", try_from = "Saved")]
pub struct Raw(Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Saved {
    Text(String),
    Binary { base64: String },
}

impl Raw {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Their number.
    pub fn size(&self) -> u64 {
        self.0.len() as u64
    }

    /// Their digest: `sha256:<hex>`.
    pub fn digest(&self) -> String {
        format_digest(&Sha256::digest(&self.0))
    }
}

impl From<Vec<u8>> for Raw {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<Raw> for Saved {
    fn from(raw: Raw) -> Self {
        match String::from_utf8(raw.0) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Binary { base64: BASE64_STANDARD.encode(error.as_bytes()) },
        }
    }
}

impl TryFrom<Saved> for Raw {
    type Error = base64::DecodeError;

    fn try_from(saved: Saved) -> Result<Self, Self::Error> {
        match saved {
            Saved::Text(text) => Ok(Self(text.into_bytes())),
            Saved::Binary { base64 } => BASE64_STANDARD.decode(base64).map(Self),
        }
    }
}

/// A SHA-256 sum as a digest.
pub(crate) fn format_digest(sum: &[u8]) -> String {
    sum.iter().fold("sha256:".to_owned(), |digest, byte| digest + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_saved_as_text() {
        assert_eq!(serde_json::to_string(&Raw::from(b"{\n}".to_vec())).unwrap(), r#""{\n}""#);
    }

    #[test]
    fn the_digest_is_that_of_the_bytes() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Raw::default().digest(), empty);
    }

    proptest! {
        #[test]
        fn saved_bytes_are_read_back_unchanged(bytes: Vec<u8>) {
            let raw = Raw::from(bytes);
            let saved = serde_json::to_string(&raw).unwrap();
            prop_assert_eq!(serde_json::from_str::<Raw>(&saved).unwrap(), raw);
        }
    }
}
