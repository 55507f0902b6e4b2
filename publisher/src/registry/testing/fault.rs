//! What goes wrong, and at which request.

use std::ops::RangeInclusive;

use super::exchange::Answer;

/// What happens to a request.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// It is answered so, and nothing is done. `{host}` in a header is where the registry listens.
    Answer(Answer),
    /// It is answered so before its body is read, and the connection ends after that.
    EarlyAnswer(Answer),
    /// The connection breaks after so many bytes of the body, which an upload keeps or not.
    Break { after: usize, kept: bool },
    /// It is done, but the connection breaks before the answer.
    LoseAnswer,
    /// It is done, but a header of the answer says something else.
    Header(&'static str, String),
    /// One bit of its body turns over before it is looked at.
    DamageBody,
    /// One bit of the answer's body turns over.
    DamageAnswer,
    /// The connection breaks after so many bytes of the answer's body.
    CutAnswer(usize),
    /// It is read, and nothing ever comes back.
    Hold,
    /// It is done, but of the answer's body so many bytes come each second.
    Trickle(usize),
    /// It is answered so, a body of so many bytes each second, and nothing is done.
    TrickleAnswer(Answer, usize),
    /// All tokens run out just before it.
    ExpireTokens,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Fault {
    method: &'static str,
    path: &'static str,
    /// Which of the requests that fit, counted from 1.
    at: RangeInclusive<u32>,
    effect: Effect,
    /// How many requests fitted.
    fitted: u32,
    fired: u32,
}

impl Fault {
    /// Happens to the `at`th request of this method whose path fits: `*` stands for any text.
    pub(crate) fn nth(at: u32, method: &'static str, path: &'static str, effect: Effect) -> Self {
        Self { method, path, at: at..=at, effect, fitted: 0, fired: 0 }
    }

    /// Happens to all requests of this method whose path fits.
    pub(crate) fn always(method: &'static str, path: &'static str, effect: Effect) -> Self {
        Self { method, path, at: 1..=u32::MAX, effect, fitted: 0, fired: 0 }
    }

    /// Counts a request; what happens to it, if this is the one.
    pub(super) fn meets(&mut self, method: &str, path: &str) -> Option<Effect> {
        if self.method != method || !fits(self.path, path) {
            return None;
        }
        self.fitted += 1;
        self.at.contains(&self.fitted).then(|| {
            self.fired += 1;
            self.effect.clone()
        })
    }

    /// Whether it came to pass.
    pub(super) fn fired(&self) -> bool {
        self.fired > 0
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((start, rest)) => path
            .strip_prefix(start)
            .is_some_and(|path| path.char_indices().any(|(at, _)| fits(rest, &path[at..])) || fits(rest, "")),
    }
}
