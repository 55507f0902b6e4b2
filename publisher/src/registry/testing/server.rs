//! The listener: reads requests, lets faults have their way, records what came.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::Instant,
};

use super::{
    exchange::{Answer, Request, Seen},
    fault::{Effect, Fault},
    store::Store,
    target::Target,
    tokens::Tokens,
    wire::Wire,
};

/// A registry that runs until it is dropped, and then sees to it that all its faults came to pass.
pub(crate) struct Scripted {
    host: String,
    state: Arc<Mutex<State>>,
    listening: AbortHandle,
    /// Whether faults may be left over.
    lenient: bool,
}

struct State {
    host: String,
    store: Store,
    tokens: Option<Tokens>,
    faults: Vec<Fault>,
    seen: Vec<Seen>,
    unexpected: Vec<String>,
}

impl Scripted {
    /// An empty registry that wants no login.
    pub(crate) async fn start(faults: Vec<Fault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (store, seen, unexpected) = (Store::default(), Vec::new(), Vec::new());
        let state = Arc::new(Mutex::new(State { host: host.clone(), store, tokens: None, faults, seen, unexpected }));
        let shared = Arc::clone(&state);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&shared)));
            }
        });
        Self { host, state, listening: listening.abort_handle(), lenient: false }
    }

    /// Names uploads by absolute addresses.
    pub(crate) fn absolute(self) -> Self {
        self.state().store.absolute = Some(self.host.clone());
        self
    }

    /// Wants bearer tokens, which it gives to anybody.
    pub(crate) fn with_tokens(self) -> Self {
        self.state().tokens = Some(Tokens::new(&self.host));
        self
    }

    /// Stores whatever came under the digest that the client says.
    pub(crate) fn trusting(self) -> Self {
        self.state().store.trusting = true;
        self
    }

    /// Faults need not come to pass.
    pub(crate) fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Where it listens, as it stands in references.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Looks at what it holds, or changes it.
    pub(crate) fn store<T>(&self, look: impl FnOnce(&mut Store) -> T) -> T {
        look(&mut self.state().store)
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// Waits until so many requests came.
    pub(crate) async fn came(&self, requests: usize) {
        while self.state().seen.len() < requests {
            tokio::task::yield_now().await;
        }
    }

    /// The methods of all requests so far with the bytes of their bodies: `HEAD POST PATCH(5) PUT`.
    pub(crate) fn story(&self) -> String {
        let mut story = String::new();
        for seen in &self.state().seen {
            let separator = if story.is_empty() { "" } else { " " };
            let method = if seen.path == "/token" { "TOKEN" } else { &seen.method };
            write!(story, "{separator}{method}").unwrap();
            if seen.body > 0 {
                write!(story, "({})", seen.body).unwrap();
            }
        }
        story
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.listening.abort();
        if std::thread::panicking() {
            return;
        }
        let story = self.story();
        let state = self.state();
        assert!(state.unexpected.is_empty(), "not a registry's: {:?}", state.unexpected);
        let left: Vec<_> = state.faults.iter().filter(|fault| !fault.fired()).collect();
        assert!(self.lenient || left.is_empty(), "never came to pass: {left:?}, only: {story}");
    }
}

/// Serves a connection until one side has had enough.
async fn converse(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut wire = Wire::new(stream);
    while let Some(request) = wire.head().await {
        let at = Instant::now();
        let effect = state.lock().unwrap().effect(&request);
        let length = match &effect {
            Some(Effect::Break { after, .. }) => request.length().min(*after),
            Some(Effect::EarlyAnswer(_)) => 0,
            _ => request.length(),
        };
        let body = wire.body(length).await;
        let (answer, cut) = {
            let mut state = state.lock().unwrap();
            state.record(&request, body.len(), at);
            // A client that broke off in the middle gets nothing done.
            if body.len() < length { (None, None) } else { state.react(&request, body, effect.clone()) }
        };
        if matches!(effect, Some(Effect::Hold)) {
            return std::future::pending().await;
        }
        let Some(answer) = answer else { return wire.reset() };
        if let Some(Effect::Trickle(bytes) | Effect::TrickleAnswer(_, bytes)) = effect {
            wire.trickle(&request.method, &answer, bytes).await;
            continue;
        }
        wire.answer(&request.method, &answer, cut).await;
        if matches!(effect, Some(Effect::EarlyAnswer(_))) {
            return wire.linger().await;
        }
        if cut.is_some() {
            return;
        }
    }
}

impl State {
    fn effect(&mut self, request: &Request) -> Option<Effect> {
        // Every line counts every request, so that they do not depend on each other.
        let met: Vec<_> = self.faults.iter_mut().filter_map(|it| it.meets(&request.method, &request.path)).collect();
        met.into_iter().next()
    }

    fn record(&mut self, request: &Request, body: usize, at: Instant) {
        let Request { method, path, headers, .. } = request.clone();
        self.seen.push(Seen { method, path, headers, body, at });
    }

    /// The answer, if the client is to get one, and where its body breaks off.
    fn react(
        &mut self,
        request: &Request,
        mut body: Vec<u8>,
        effect: Option<Effect>,
    ) -> (Option<Answer>, Option<usize>) {
        match &effect {
            Some(Effect::Answer(answer) | Effect::EarlyAnswer(answer) | Effect::TrickleAnswer(answer, _)) => {
                return (Some(answer.at(&self.host)), None);
            }
            Some(Effect::Hold) => return (None, None),
            Some(Effect::Break { kept, .. }) => {
                if let (true, Some(Target::Upload(_, id))) = (kept, Target::of(&request.path)) {
                    self.store.keep(id, request, &body);
                }
                return (None, None);
            }
            Some(Effect::DamageBody) => damage(&mut body),
            Some(Effect::ExpireTokens) => self.tokens.iter_mut().for_each(Tokens::expire),
            _ => {}
        }
        let mut answer = self.answer(request, &body);
        match effect {
            Some(Effect::LoseAnswer) => (None, None),
            Some(Effect::Header(name, value)) => (Some(answer.header(name, value)), None),
            Some(Effect::CutAnswer(cut)) => (Some(answer), Some(cut)),
            Some(Effect::DamageAnswer) => {
                damage(&mut answer.body);
                (Some(answer), None)
            }
            _ => (Some(answer), None),
        }
    }

    fn answer(&mut self, request: &Request, body: &[u8]) -> Answer {
        if let Some(tokens) = &mut self.tokens {
            if request.path == "/token" {
                return tokens.issue(request);
            }
            if let Some(refusal) = tokens.refuse(request) {
                return refusal;
            }
        }
        self.store.answer(request, body).unwrap_or_else(|| {
            self.unexpected.push(format!("{} {}", request.method, request.path));
            // Not tried again, so that the test ends.
            Answer::status(418)
        })
    }
}

fn damage(bytes: &mut [u8]) {
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
}
