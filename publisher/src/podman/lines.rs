//! What a child prints, as lines of bounded length, and the last of them.

use std::collections::VecDeque;

/// How much of one line is kept, in bytes.
pub const LINE_BYTES_MAX: usize = 8 * 1024;
/// How many of the last lines an error carries.
pub const TAIL_LINES_MAX: usize = 20;

/// Cuts a stream of bytes into lines of text; what is no UTF-8 is replaced.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    cut: bool,
}

impl Lines {
    /// Takes more bytes and hands on each line that they complete.
    pub(super) fn push(&mut self, bytes: &[u8], on_line: &mut dyn FnMut(String)) {
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            let (text, ended) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LINE_BYTES_MAX - self.partial.len();
            self.partial.extend_from_slice(&text[..text.len().min(room)]);
            self.cut |= text.len() > room;
            if ended {
                self.finish(on_line);
            }
        }
    }

    /// Hands on what is left without an end of line.
    pub(super) fn finish(&mut self, on_line: &mut dyn FnMut(String)) {
        let (bytes, cut) = (std::mem::take(&mut self.partial), std::mem::take(&mut self.cut));
        let mut line = String::from_utf8_lossy(shown(&bytes)).into_owned();
        if cut {
            line.push('…');
        }
        if !line.trim().is_empty() {
            on_line(line);
        }
    }
}

/// What a terminal would show last: a progress line overwrites itself after each carriage return.
fn shown(line: &[u8]) -> &[u8] {
    line.split(|&b| b == b'\r').rfind(|part| !part.is_empty()).unwrap_or_default()
}

/// The last lines that a child printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail(VecDeque<String>);

impl Tail {
    /// The lines, oldest first, at most [`TAIL_LINES_MAX`].
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(super) fn push(&mut self, line: String) {
        if self.0.len() == TAIL_LINES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    /// What podman says went wrong: its last line that begins with `Error:`, without that word, else its last line.
    pub(super) fn cause(&self) -> Option<&str> {
        let error = self.lines().filter_map(|line| line.strip_prefix("Error: ")).last();
        error.or(self.0.back().map(String::as_str))
    }

    /// Whether a line contains this text, which is given in lower case.
    pub(super) fn contains(&self, lower_case: &str) -> bool {
        self.lines().any(|line| line.to_lowercase().contains(lower_case))
    }
}

impl FromIterator<String> for Tail {
    fn from_iter<I: IntoIterator<Item = String>>(lines: I) -> Self {
        let mut tail = Self::default();
        lines.into_iter().for_each(|line| tail.push(line));
        tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, &mut |line| seen.push(line));
        }
        lines.finish(&mut |line| seen.push(line));
        seen
    }

    #[rstest::rstest]
    #[case(&[&b"one\ntwo\n"[..]], &["one", "two"])]
    #[case(&[&b"on"[..], &b"e\ntw"[..], &b"o"[..]], &["one", "two"])]
    #[case(&[&b"\n\n  \nend"[..]], &["end"])]
    #[case(&[&b"10%\r50%\r100%\r\n"[..]], &["100%"])]
    #[case(&[&b"caf\xc3"[..], &b"\xa9\n\xff!\n"[..]], &["café", "\u{fffd}!"])]
    fn bytes_become_lines_however_they_arrive(#[case] chunks: &[&[u8]], #[case] lines: &[&str]) {
        assert_eq!(cut(chunks), lines);
    }

    #[test]
    fn a_line_is_kept_up_to_its_limit_and_the_next_one_is_whole() {
        let long = vec![b'x'; LINE_BYTES_MAX + 1];
        let lines = cut(&[&long, &long, b"\nnext\n", &long[1..], b"\n"]);
        assert_eq!(
            lines.iter().map(|line| line.chars().count()).collect::<Vec<_>>(),
            [LINE_BYTES_MAX + 1, 4, LINE_BYTES_MAX]
        );
        assert!(lines[0].ends_with('…'));
    }

    #[test]
    fn the_tail_forgets_the_oldest_lines_and_finds_the_cause() {
        let mut tail: Tail = (0..TAIL_LINES_MAX).map(|n| n.to_string()).collect();
        assert_eq!((tail.cause(), tail.lines().next()), (Some("19"), Some("0")));
        tail.push("Error: building at STEP 2".into());
        tail.push("a warning after it".into());
        assert_eq!((tail.cause(), tail.lines().next()), (Some("building at STEP 2"), Some("2")));
        assert!(tail.contains("at step") && !tail.contains("nothing"));
        assert_eq!(Tail::default().cause(), None);
    }
}
