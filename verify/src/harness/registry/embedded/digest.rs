//! Digests: the hash of exact bytes.

use sha2::{Digest as _, Sha256};

/// Hexadecimal digits of a SHA-256.
const HEX_DIGITS: usize = 64;
/// The fewest hexadecimal digits of anything that looks like a digest (distribution: reference/regexp.go).
const HEX_DIGITS_MIN: usize = 32;

/// A hash that is still fed.
#[derive(Debug, Clone, Default)]
pub(super) struct Hasher(Sha256);

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far.
    pub(super) fn digest(&self) -> String {
        self.0.clone().finalize().iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }
}

/// The digest of some bytes.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.digest()
}

/// Whether this is a digest that a registry can know.
pub(super) fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == HEX_DIGITS && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether this is meant as a digest, known or not.
pub(super) fn looks_like_a_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
            && algorithm.chars().all(|c| c.is_ascii_alphanumeric() || "-_+.".contains(c))
            && hex.len() >= HEX_DIGITS_MIN
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn a_hash_can_be_looked_at_while_it_is_fed() {
        let mut hasher = Hasher::default();
        hasher.update(b"hel");
        assert_ne!(hasher.digest(), HELLO);
        hasher.update(b"lo");
        assert_eq!(hasher.digest(), HELLO);
        assert_eq!(digest_of(b"hello"), HELLO);
    }

    #[rstest::rstest]
    #[case(HELLO, true, true)]
    #[case("sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e", false, true)]
    #[case("sha256:2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824", false, true)]
    #[case("md5:2cf24dba5fb0a30e26e83b2ac5b9e29e", false, true)]
    #[case("sha256:short", false, false)]
    #[case("latest", false, false)]
    fn digests_are_told_from_other_names(#[case] text: &str, #[case] known: bool, #[case] meant: bool) {
        assert_eq!((is_digest(text), looks_like_a_digest(text)), (known, meant));
    }
}
