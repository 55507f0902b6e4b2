//! What a test says in advance: answers in place of the usual ones, and what another user does at a chosen moment.

use axum::{body::Body, response::Response};

use super::Contents;

/// An answer that is given in place of the usual one.
struct Canned {
    contains: String,
    left: usize,
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

type Act = Box<dyn FnOnce(&mut Contents) + Send>;

/// Everything that was said in advance and has not happened yet.
#[derive(Default)]
pub(super) struct Script {
    answers: Vec<Canned>,
    acts: Vec<(String, Act)>,
}

impl Contents {
    /// From now on, so many requests whose line contains this text are answered so.
    pub(crate) fn answer(&mut self, contains: &str, times: usize, status: u16, body: &str) {
        let (contains, body) = (contains.into(), body.into());
        self.script.answers.push(Canned { contains, left: times, status, headers: Vec::new(), body });
    }

    /// The same, with a header.
    pub(crate) fn answer_with(&mut self, contains: &str, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.script.answers.push(Canned { contains: contains.into(), left: 1, status, headers, body: body.into() });
    }

    /// Another user acts right before the next request whose line contains this text is served.
    pub(crate) fn before(&mut self, contains: &str, act: impl FnOnce(&mut Self) + Send + 'static) {
        self.script.acts.push((contains.into(), Box::new(act)));
    }

    /// How many requests there were whose line contains this text.
    pub(crate) fn count(&self, contains: &str) -> usize {
        self.log.iter().filter(|line| line.contains(contains)).count()
    }

    /// Lets happen what was to happen before a request, notes the request, and gives the answer that was prepared for it.
    pub(super) fn meet(&mut self, line: &str) -> Option<Response> {
        if let Some(at) = self.script.acts.iter().position(|(contains, _)| line.contains(contains)) {
            let (_, act) = self.script.acts.remove(at);
            act(self);
        }
        self.log.push(line.into());
        let meant = |it: &&mut Canned| it.left > 0 && line.contains(&it.contains);
        let Canned { left, status, headers, body, .. } = self.script.answers.iter_mut().find(meant)?;
        *left -= 1;
        let builder = headers.iter().fold(Response::builder().status(*status), |it, (k, v)| it.header(*k, v.as_str()));
        Some(builder.body(Body::from(body.clone())).unwrap())
    }
}
