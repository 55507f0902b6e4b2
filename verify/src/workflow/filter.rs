//! Which branches, tags or files a trigger means.
//!
//! The patterns are GitHub's ("Filter pattern cheat sheet" of the workflow syntax): `*` is anything but a slash, `**`
//! anything, `?` and `+` count what stands before them, `[…]` is one character of a set, `!` takes back what earlier
//! patterns took; the last that matches counts.

use regex::Regex;
use serde::{Deserialize, Serialize};

/// Patterns that choose names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// Those that match.
    Only(Vec<String>),
    /// All but those that match.
    AllBut(Vec<String>),
}

impl Filter {
    /// Whether it chooses a name: `main`, `v1.2.0`. A pattern that is none chooses nothing.
    pub fn chooses(&self, name: &str) -> bool {
        match self {
            Self::Only(patterns) => last_match(patterns, name),
            Self::AllBut(patterns) => !last_match(patterns, name),
        }
    }

    /// As it stands in the file.
    pub fn shown(&self) -> String {
        match self {
            Self::Only(patterns) => patterns.join(", "),
            Self::AllBut(patterns) => format!("all but {}", patterns.join(", ")),
        }
    }
}

fn last_match(patterns: &[String], name: &str) -> bool {
    let taken = |taken: bool, pattern: &String| match pattern.strip_prefix('!') {
        Some(pattern) => taken && !matches(pattern, name),
        None => taken || matches(pattern, name),
    };
    patterns.iter().fold(false, taken)
}

fn matches(pattern: &str, name: &str) -> bool {
    Regex::new(&expression(pattern)).is_ok_and(|pattern| pattern.is_match(name))
}

/// The regular expression that a pattern means.
fn expression(pattern: &str) -> String {
    let mut expression = String::from("^");
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' if characters.next_if_eq(&'*').is_some() => expression.push_str(".*"),
            '*' => expression.push_str("[^/]*"),
            '?' | '+' | '[' | ']' | '-' => expression.push(character),
            '\\' => expression.push_str(&regex::escape(&characters.next().map(String::from).unwrap_or_default())),
            other => expression.push_str(&regex::escape(&other.to_string())),
        }
    }
    expression + "$"
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Examples of GitHub's cheat sheet, and some of our own.
    #[rstest]
    #[case(&["main"], "main", true)]
    #[case(&["main"], "maintenance", false)]
    #[case(&["*"], "main", true)]
    #[case(&["*"], "feature/x", false)]
    #[case(&["**"], "feature/x", true)]
    #[case(&["feature/**"], "feature/beta-a/my-branch", true)]
    #[case(&["m[ai]in"], "main", true)]
    #[case(&["v*"], "v1.2.3", true)]
    #[case(&["v*"], "v1.2", true)]
    #[case(&["v*"], "release/v1.2.3", false)]
    #[case(&["v[12].[0-9]+.[0-9]+"], "v1.10.1", true)]
    #[case(&["v[12].[0-9]+.[0-9]+"], "v3.0.0", false)]
    #[case(&["v?1.2"], "1.2", true)]
    #[case(&["v1.2.3"], "v1x2x3", false)]
    #[case(&["v*", "!v1.*"], "v1.2.3", false)]
    #[case(&["!v1.*", "v*"], "v1.2.3", true)]
    #[case(&["!v1.*"], "v2.0.0", false)]
    fn the_last_pattern_that_matches_counts(#[case] patterns: &[&str], #[case] name: &str, #[case] expected: bool) {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        assert_eq!(Filter::Only(patterns.clone()).chooses(name), expected);
        assert_eq!(Filter::AllBut(patterns).chooses(name), !expected);
    }
}
