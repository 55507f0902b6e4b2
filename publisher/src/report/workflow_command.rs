//! GitHub's workflow commands: `::name title=…::data`, one a line, read by the runner from a step's output.
//!
//! The rules are the runner's (`ActionCommand.cs`): a line whose first visible characters are `::` may be a command, and
//! so may, from the protocol before that, a line that holds `##[` *anywhere*. Both are made harmless in all text that is
//! not ours. `::stop-commands::` would do the first half, but it is state: it would have to be lifted for each warning
//! of another task, and the log viewer would still take a raw `##[endgroup]` for the end of the group.

/// A command; `data` may have several lines.
pub(super) fn command(name: &str, data: &str) -> String {
    format!("::{name}::{}", data_escaped(data))
}

/// A command that makes an annotation with a title.
pub(super) fn annotation(name: &str, title: &str, data: &str) -> String {
    let title = data_escaped(title).replace(':', "%3A").replace(',', "%2C");
    format!("::{name} title={title}::{}", data_escaped(data))
}

/// One line of foreign text that the runner cannot take for a command: a backslash breaks what would make it one.
pub(super) fn harmless(line: &str) -> String {
    // The runner passes over leading white space, and over characters that its collation ignores.
    let visible = line.trim_start_matches(|c: char| !c.is_ascii_graphic());
    let begin = if visible.starts_with("::") { "\\" } else { "" };
    format!("{begin}{}", line.replace("##[", "##\\["))
}

/// The percent sign first, or the others' would be escaped again.
fn data_escaped(data: &str) -> String {
    data.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_keeps_its_lines_and_its_percent_signs() {
        assert_eq!(command("warning", "50%0A\r\nb: c, d"), "::warning::50%250A%0D%0Ab: c, d");
    }

    #[test]
    fn a_title_cannot_end_itself() {
        assert_eq!(annotation("error", "a::b,c=d", "x"), "::error title=a%3A%3Ab%2Cc=d::x");
    }

    #[rstest::rstest]
    #[case("STEP 1/2: FROM a::b", "STEP 1/2: FROM a::b")]
    #[case("::error::x", "\\::error::x")]
    #[case("  ::add-mask::x", "\\  ::add-mask::x")]
    #[case("\u{ad}\u{feff}::error::x", "\\\u{ad}\u{feff}::error::x")]
    #[case("text ##[error]x", "text ##\\[error]x")]
    #[case("##[endgroup]", "##\\[endgroup]")]
    fn foreign_text_gives_no_commands(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(harmless(text), shown);
    }
}
