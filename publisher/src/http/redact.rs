//! Takes secrets out of what a server said.

use reqwest::header::HeaderMap;

use super::Refusal;

/// What stands where a secret stood.
const MASK: &str = "***";

/// Knows the texts that must not be shown.
#[derive(Clone)]
pub(crate) struct Redactor(Vec<String>);

impl Redactor {
    /// Hides each of `secrets` wherever it occurs.
    pub(crate) fn new(secrets: Vec<String>) -> Self {
        Self(secrets)
    }

    /// The refusal that an error answer makes, without secrets. The body is cleaned first, because shortening it might
    /// leave half a secret that nothing recognises, and once more after JSON's escapes are resolved.
    pub(crate) fn refusal(&self, status: u16, mut headers: HeaderMap, body: &[u8]) -> Refusal {
        for value in headers.values_mut() {
            if self.text(&String::from_utf8_lossy(value.as_bytes())).contains(MASK) {
                value.set_sensitive(true);
            }
        }
        let body = self.text(&String::from_utf8_lossy(body));
        let refusal = Refusal::new(status, headers, &body.into());
        let codes = refusal.codes.iter().map(|code| self.text(code)).collect();
        Refusal { codes, message: self.text(&refusal.message), ..refusal }
    }

    fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "can\"ary";

    fn shown(body: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", SECRET.parse().unwrap());
        headers.insert("retry-after", "7".parse().unwrap());
        let refusal = Redactor::new(vec![SECRET.into()]).refusal(401, headers, body.as_bytes());
        format!("{refusal:?}")
    }

    #[rstest::rstest]
    #[case("you sent can\"ary, which is wrong")]
    #[case(r#"{"errors":[{"code":"can\"ary","message":"no can\"ary"}]}"#)]
    fn a_server_that_repeats_the_secret_is_not_quoted(#[case] body: &str) {
        let shown = shown(body);
        assert!(!shown.contains("can") && shown.contains(MASK), "{shown}");
    }

    #[test]
    fn a_secret_is_gone_even_where_the_text_is_cut() {
        let body = format!("{}{SECRET}", "x".repeat(196));
        assert!(!shown(&body).contains("can"));
    }

    #[test]
    fn the_rest_stays() {
        let shown = shown("try later");
        assert!(shown.contains("try later") && shown.contains("\"7\""), "{shown}");
    }
}
