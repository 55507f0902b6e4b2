//! A tag, checked against the grammar of the distribution specification.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest tag that a registry takes, in characters (distribution specification 1.1, "Pulling manifests").
const TAG_LENGTH_MAX: usize = 128;

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Tag(String);

/// What a tag has to be like, for people.
const EXPECTED: &str =
    "expected 1 to 128 characters, each a letter, a digit, `_`, `.` or `-`, not starting with `.` or `-`";

impl Tag {
    /// The tag of the newest build of the main branch, and the only one that moves.
    pub fn latest() -> Self {
        Self("latest".into())
    }

    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Tag {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let fits = (1..=TAG_LENGTH_MAX).contains(&text.len())
            && text.bytes().next().is_some_and(word)
            && text.bytes().all(|b| word(b) || b == b'.' || b == b'-');
        if fits { Ok(Self(text.into())) } else { Err(format!("`{text}` is not a tag, {EXPECTED}")) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_that_of_the_specification() {
        let longest = "a".repeat(TAG_LENGTH_MAX);
        for good in ["latest", "1.2.3", "_x", "A", "0", "a.-_b", &longest] {
            assert!(good.parse::<Tag>().is_ok(), "{good}");
        }
        let too_long = "a".repeat(TAG_LENGTH_MAX + 1);
        for bad in ["", ".a", "-a", "a b", "a/b", "a:b", "a+b", "ä", "a\n", &too_long] {
            assert_eq!(bad.parse::<Tag>(), Err(format!("`{bad}` is not a tag, {EXPECTED}")));
        }
    }
}
