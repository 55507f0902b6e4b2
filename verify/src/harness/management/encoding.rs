//! Percent-encoding of one segment of a path (RFC 3986, section 2.1): GitHub's packages have slashes in their names.

/// A segment as it was before it was encoded. What is no valid encoding stays as it is.
pub(super) fn decode(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let encoded = behind.get(..2).filter(|_| first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = encoded.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A name as one segment of a path.
pub(super) fn encode(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a%2Fb", "a/b")]
    #[case("a%2fb", "a/b")]
    #[case("100%", "100%")]
    #[case("%zz%4", "%zz%4")]
    #[case("%C3%A4", "ä")]
    fn what_was_encoded_is_read(#[case] segment: &str, #[case] name: &str) {
        assert_eq!(decode(segment), name);
    }

    proptest! {
        #[test]
        fn every_name_survives(name in ".{0,20}") {
            prop_assert_eq!(decode(&encode(&name)), name.clone());
            prop_assert!(!encode(&name).contains('/'));
        }
    }
}
