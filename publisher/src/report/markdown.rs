//! Markdown that foreign text cannot break (GitHub Flavored Markdown 0.29).

/// The characters that begin something in the middle of a line: emphasis, code, links, HTML, cells, maths, headings.
const SPECIAL: &str = "\\`*_{}[]<>#|&~$";

/// Text that shows as it is, on one line, in a cell or outside.
pub(super) fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        if SPECIAL.contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// A code span for a cell of a table, where even code needs its bars escaped.
pub(super) fn code_cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// A code span; its fence is longer than any run of backticks in it.
pub(super) fn code(text: &str) -> String {
    let text = one_line(text);
    if text.is_empty() {
        return text;
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// A block of code lines in a language; its fence cannot be closed by what is in it.
pub(super) fn code_block(language: &str, lines: &[String]) -> String {
    let fence = "`".repeat(lines.iter().map(|line| longest_run(line)).max().unwrap_or(0).max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", lines.join("\n"))
}

/// A table; the cells must be escaped already.
pub(super) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut table = line(&head.map(String::from)) + &line(&[const { "---" }; N].map(String::from));
    for row in rows {
        table.push_str(&line(&row));
    }
    table
}

fn one_line(text: &str) -> String {
    super::clean::lines(text).join(" ").trim().to_owned()
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("plain, text. (fine)!", "plain, text. (fine)!")]
    #[case("a|b\n| c |", r"a\|b \| c \|")]
    #[case("<script>&amp;`x`", r"\<script\>\&amp;\`x\`")]
    #[case("[x](y) **b** _i_ ~s~ $m$ # h", r"\[x\](y) \*\*b\*\* \_i\_ \~s\~ \$m\$ \# h")]
    #[case(r"a\|b", r"a\\\|b")]
    fn text_shows_as_it_is(#[case] given: &str, #[case] escaped: &str) {
        assert_eq!(text(given), escaped);
    }

    #[rstest::rstest]
    #[case("latest", "`latest`")]
    #[case("a`b``c", "```a`b``c```")]
    #[case("`", "`` ` ``")]
    #[case("a|b", r"`a\|b`")]
    #[case("", "")]
    fn code_cannot_end_itself(#[case] given: &str, #[case] escaped: &str) {
        assert_eq!(code_cell(given), escaped);
    }

    #[test]
    fn a_block_cannot_end_itself() {
        assert_eq!(code_block("text", &["a".into(), "```".into()]), "````text\na\n```\n````\n");
    }
}
