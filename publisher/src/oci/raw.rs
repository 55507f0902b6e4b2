//! Manifests as bytes: a digest is only ever computed over what was sent or received, never over something re-encoded.

use bytes::Bytes;
use oci_spec::image::{Digest, Sha256Digest};
use sha2::{Digest as _, Sha256};

/// A manifest or list: exact bytes, their media type and their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawManifest {
    /// What stands in `Content-Type` and in the body's `mediaType`.
    pub media_type: String,
    /// SHA-256 over `bytes`.
    pub digest: Digest,
    /// The document.
    pub bytes: Bytes,
}

impl RawManifest {
    /// Takes bytes as they are and computes their digest.
    pub fn new(media_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { media_type: media_type.into(), digest: digest_of(&bytes), bytes }
    }
}

/// The SHA-256 digest of some bytes: `sha256:<64 hexadecimal digits>`.
pub fn digest_of(bytes: &[u8]) -> Digest {
    digest_of_hash(Sha256::new_with_prefix(bytes))
}

/// The digest that a finished SHA-256 computation stands for.
pub fn digest_of_hash(hash: Sha256) -> Digest {
    let hex = format!("{:x}", Bytes::copy_from_slice(&hash.finalize()));
    match hex.parse::<Sha256Digest>() {
        Ok(digest) => digest.into(),
        Err(_) => unreachable!("64 lower-case hexadecimal digits are a SHA-256 digest"),
    }
}

/// A digest as people read it: the first twelve hexadecimal digits.
pub fn short(digest: &Digest) -> &str {
    let hex = digest.digest();
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_exact_bytes() {
        let manifest = RawManifest::new("text/plain", &b"hello"[..]);
        assert_eq!(
            manifest.digest.to_string(),
            "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        assert_eq!(short(&manifest.digest), "2cf24dba5fb0");
    }
}
