//! Text from outside, made fit to be shown on one line.
//!
//! Build output and registries' answers may hold escape sequences, carriage returns (progress bars of package managers)
//! and other control characters. Shown as they are they would tear our progress bars apart, and in a log a carriage
//! return begins a new line, one that could be read as a workflow command.

/// The text without escape sequences.
pub(super) fn without_escapes(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// The text without escape sequences and control characters; of parts that overwrite each other, the last.
pub(super) fn line(text: &str) -> String {
    let last = text.trim_end().rsplit('\r').next().unwrap_or_default();
    let spaced = without_escapes(last).replace(['\t', '\n'], " ");
    spaced.chars().filter(|c| !c.is_control()).collect()
}

/// Each line of a text that may have several, sanitized; empty ones are left out.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines().map(line).filter(|line| !line.trim().is_empty()).collect()
}

/// The lines of a text, sanitized and joined.
pub(super) fn one_line(text: &str) -> String {
    lines(text).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("STEP 1/2: FROM scratch", "STEP 1/2: FROM scratch")]
    #[case("\u{1b}[1;31mred\u{1b}[0m and \u{1b}[2K\u{1b}[Aup", "red and up")]
    #[case("\u{1b}]0;title\u{7}text", "text")]
    #[case("\u{1b}]8;;https://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link")]
    #[case(" 1%\r 50%\r100%\r", "100%")]
    #[case("a\tb\u{0}c\u{85}d", "a bcd")]
    #[case("harmless\r::error::pwned", "::error::pwned")]
    #[case("one\n::error::two", "one ::error::two")]
    #[case("unfinished \u{1b}[3", "unfinished ")]
    #[case("naïve 日本", "naïve 日本")]
    fn what_would_move_the_cursor_is_taken_out(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(line(text), shown);
    }

    #[test]
    fn several_lines_stay_several() {
        assert_eq!(lines("one\r\n\n  \n\u{1b}[1mtwo"), ["one", "two"]);
    }
}
