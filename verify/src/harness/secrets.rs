//! The secrets of a scenario: given to the subject, searched for in everything that it leaves, and redacted there.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Replaces a secret.
const REDACTED: &str = "▒▒▒";
/// A line that tells GitHub what to hide may contain the secret.
const MASKING: &str = "::add-mask::";

/// Names and values. `Debug` shows the names only.
#[derive(Clone, Default)]
pub struct Secrets(Vec<(String, String)>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Secrets {
    /// Adds a secret by its name.
    pub fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Its value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The names of the secrets that a text contains, plain or encoded.
    pub fn found_in(&self, text: &str) -> Vec<String> {
        let text = unmasked(text);
        let joined: String = text.split_whitespace().collect();
        let stands = |value: &str| forms(value).iter().any(|form| text.contains(form) || joined.contains(form));
        self.0.iter().filter(|(_, value)| stands(value)).map(|(name, _)| name.clone()).collect()
    }

    /// The text with all secrets replaced.
    pub fn redact(&self, text: &str) -> String {
        let forms = self.0.iter().flat_map(|(_, value)| forms(value));
        forms.fold(text.to_owned(), |text, form| text.replace(&form, REDACTED))
    }
}

/// A text without the lines that tell GitHub what to hide.
fn unmasked(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with(MASKING)).collect::<Vec<_>>().join("\n")
}

/// A secret as it is, percent-encoded, and in base64 wherever it begins in a group of three bytes (as the password behind
/// a name in Basic authentication), without the characters at both ends that depend on what stands beside it.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    if encoded != value {
        forms.push(encoded);
    }
    for before in 0..3 {
        let padded = STANDARD.encode([vec![b' '; before], value.as_bytes().to_vec()].concat());
        // A character holds six bits: those that share bits with what stands before or behind are left out.
        let from = (before * 8).div_ceil(6);
        let to = (before + value.len()) * 8 / 6;
        if let Some(form) = padded.get(from..to) {
            forms.push(form.to_owned());
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add("TOKEN", "dckr_pat_s3cr3t/+value");
        secrets
    }

    #[rstest::rstest]
    #[case::plain("a dckr_pat_s3cr3t/+value b")]
    #[case::percent("token=dckr_pat_s3cr3t%2F%2Bvalue&x")]
    #[case::basic(&format!("Basic {}", STANDARD.encode("acme:dckr_pat_s3cr3t/+value")))]
    #[case::basic_of_a_longer_name(&STANDARD.encode("acme1:dckr_pat_s3cr3t/+value:more"))]
    #[case::basic_of_another_name(&STANDARD.encode("acme12:dckr_pat_s3cr3t/+value"))]
    #[case::split("dckr_pat_s3c\n  r3t/+value")]
    fn a_secret_is_found_and_redacted(#[case] text: &str) {
        assert_eq!(secrets().found_in(text), ["TOKEN"]);
        let redacted = secrets().redact(text);
        assert!(text.contains('\n') || secrets().found_in(&redacted).is_empty(), "{redacted}");
    }

    #[rstest::rstest]
    #[case("")]
    #[case("nothing at all")]
    #[case("::add-mask::dckr_pat_s3cr3t/+value")]
    fn nothing_else_is(#[case] text: &str) {
        assert!(secrets().found_in(text).is_empty());
    }

    #[test]
    fn debug_tells_names_alone() {
        assert_eq!(format!("{:?}", secrets()), r#"["TOKEN"]"#);
    }
}
