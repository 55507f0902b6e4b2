//! What a registry asks for: `WWW-Authenticate: Bearer realm="…",service="…",scope="…",error="…"` (RFC 9110, 11.6.1; RFC 6750).

use std::fmt;

/// A scheme and its parameters, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// `Bearer`, `Basic`
    pub scheme: String,
    /// Names and values, the values without their quotes.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Reads a header's value; none if it is no challenge with parameters.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, mut rest) = text.trim().split_once(' ')?;
        let mut parameters = Vec::new();
        while !rest.trim().is_empty() {
            let (name, after) = rest.split_once('=')?;
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_at(after.find(',').unwrap_or(after.len())),
            };
            parameters.push((name.trim().to_ascii_lowercase(), value.to_owned()));
            rest = after.trim_start().trim_start_matches(',');
        }
        Some(Self { scheme: scheme.to_owned(), parameters })
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Challenge {
    /// As registries write it: quoted, no space behind commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters: Vec<String> =
            self.parameters.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        write!(f, "{} {}", self.scheme, parameters.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_write_is_read_and_written_alike() {
        let text = r#"Bearer realm="http://127.0.0.1:5000/token",service="a",scope="repository:a/b:pull,push repository:c:pull""#;
        let challenge = Challenge::parse(text).unwrap();
        assert_eq!(challenge.get("scope"), Some("repository:a/b:pull,push repository:c:pull"));
        assert_eq!(challenge.to_string(), text);
    }

    #[test]
    fn spaces_and_bare_values_are_read() {
        let challenge = Challenge::parse("Bearer Realm=\"x\", error=invalid_token , service=\"y\"").unwrap();
        assert_eq!(challenge.get("realm"), Some("x"));
        assert_eq!(challenge.get("error").map(str::trim), Some("invalid_token"));
        assert_eq!(challenge.get("service"), Some("y"));
    }

    #[test]
    fn what_is_no_challenge_is_none() {
        for text in ["", "Bearer", "Bearer realm", "Bearer realm=\"x", "hunter2 hunter3"] {
            assert_eq!(Challenge::parse(text), None, "{text}");
        }
    }
}
