//! No text that anybody may read holds a secret.

use super::Violation;
use crate::harness::secrets::Secrets;

/// Searches named texts for secrets: as they are, percent-encoded, in base64, split at ends of lines.
pub fn leaks<'a>(secrets: &Secrets, texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, text) in texts {
        for secret in secrets.found_in(text) {
            violations.push(Violation::new(format!("{name} does not hold {secret}"), "it does"));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    use super::*;

    fn secrets(value: &str) -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add("TOKEN", value);
        secrets
    }

    proptest! {
        #[test]
        fn a_secret_is_found_in_every_form(
            secret in "[a-zA-Z0-9_/+]{12,40}",
            before in "[ a-z0-9:=]{0,20}",
            behind in "[ a-z0-9:=]{0,20}",
            split in 1_usize..12,
        ) {
            let percent: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let forms = [
                secret.clone(),
                format!("{}\r\n{}", &secret[..split], &secret[split..]),
                percent,
            ];
            let mut texts: Vec<String> = forms.iter().map(|form| format!("{before}{form}{behind}")).collect();
            texts.push(STANDARD.encode(format!("{before}{secret}{behind}")));
            for text in texts {
                let violations = leaks(&secrets(&secret), [("the log", text.as_str())]);
                prop_assert_eq!(violations.len(), 1, "{}", text);
                prop_assert_eq!(&violations[0].expected, "the log does not hold TOKEN");
            }
        }

        #[test]
        fn other_texts_are_clean(secret in "[A-Z0-9]{12,40}", text in "[a-z \n]{0,200}") {
            prop_assert_eq!(leaks(&secrets(&secret), [("the log", text.as_str())]), []);
        }
    }
}
