//! One client's connection: its requests, one after the other, and what becomes of each.

use std::{
    convert::Infallible,
    future::pending,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use hyper::{
    HeaderMap, Request, Response, StatusCode, Version,
    body::Incoming,
    header::{
        CONNECTION, CONTENT_RANGE, EXPECT, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
        TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
    http::request,
    server::conn::http1,
    service::Service,
};
use hyper_util::rt::TokioIo;

use super::{
    Answer, Ending, Verdict,
    download::{Download, Source, Tamper, Way},
    entry::Entry,
    expiry,
    pace::Pace,
    rule::{Effect, Facts},
    site::Site,
    stale,
    table::Claim,
    upload::{Progress, Upload},
    upstream::{BUFFER_MAX_BYTES, Link, UpstreamError},
    wire::{Fate, Transport, Wire, drive},
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HTTPS: HeaderValue = HeaderValue::from_static("https");
/// What concerns one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] =
    [CONNECTION, KEEP_ALIVE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// What histories call an arbiter.
const ARBITER: &str = "arbiter";

/// A client's connection. The one to the server behind lives as long.
struct Connection {
    site: Arc<Site>,
    fate: Arc<Fate>,
    link: Mutex<Option<Link<Upload>>>,
}

/// A request under way.
struct Turn {
    head: request::Parts,
    upload: Upload,
    entry: Entry,
    bytes_per_second: Option<u64>,
}

/// Why there is no answer from behind.
enum Lost {
    /// The client went away.
    Client,
    /// The request was broken off, as planned.
    Broken,
    /// The harness failed.
    Trouble(String),
}

/// Serves a connection to its end.
pub(super) async fn serve(site: Arc<Site>, transport: impl Transport) {
    let fate = Arc::<Fate>::default();
    let wire = TokioIo::new(Wire::to_client(transport, Arc::clone(&fate)));
    let connection = Connection { site: Arc::clone(&site), fate: Arc::clone(&fate), link: Mutex::default() };
    let mut http = http1::Builder::new()
        .max_buf_size(BUFFER_MAX_BYTES)
        .header_read_timeout(None)
        .serve_connection(wire, Turns(Arc::new(connection)));
    if let Some(ending) = drive(&mut http, &fate).await
        && let Err(error) = http.into_parts().io.into_inner().end(ending)
    {
        site.trouble(&format!("a connection cannot be ended: {error}"));
    }
}

struct Turns(Arc<Connection>);

impl Service<Request<Incoming>> for Turns {
    type Response = Response<Download>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Download>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let connection = Arc::clone(&self.0);
        Box::pin(async move { Ok(connection.turn(request).await) })
    }
}

impl Connection {
    async fn turn(&self, request: Request<Incoming>) -> Response<Download> {
        let (head, incoming) = request.into_parts();
        let entry = Entry::new(Arc::clone(&self.site), &head);
        let upload = Upload::new(incoming, entry.arrived());
        let mut turn = Turn { head, upload, entry, bytes_per_second: None };
        let Some(arbiter) = self.site.arbiter.get() else { return self.by_rules(turn).await };
        let mut ruled = arbiter.rule(turn.entry.operation());
        let ruling = tokio::select! {
            ruling = &mut ruled => ruling,
            // A client that waits for its turn must not stop in the middle of its request.
            never = turn.upload.read_ahead() => match never {},
        };
        turn.entry.keep(ruling.until_ended);
        if !matches!(ruling.verdict, Verdict::Pass) {
            turn.entry.interfered(ARBITER);
        }
        match ruling.verdict {
            Verdict::Pass => self.by_rules(turn).await,
            Verdict::Answer(answer) => self.answer(turn, None, answer).await,
            Verdict::End(ending) => self.end(ending).await,
            Verdict::Lose(action, ending) => {
                let answer = self.by_rules(turn).await;
                action();
                drop(answer);
                self.end(ending).await
            }
        }
    }

    /// What becomes of a request that nobody has decided about before.
    async fn by_rules(&self, turn: Turn) -> Response<Download> {
        if let Some(rule) = self.site.expired.by(&turn.head.headers) {
            return self.refuse_token(turn, None, &rule).await;
        }
        let facts = Facts {
            operation: turn.entry.operation(),
            authorized: turn.head.headers.contains_key(hyper::header::AUTHORIZATION),
            chunk_bytes: chunk_bytes(&turn.head.headers),
        };
        match self.site.table.claim(&facts) {
            Some(claim) => self.interfere(turn, claim).await,
            None => self.pass(turn).await,
        }
    }

    /// Does to a request what a rule wants.
    async fn interfere(&self, mut turn: Turn, mut claim: Claim) -> Response<Download> {
        if let Some(delay) = claim.rule().delay {
            tokio::time::sleep(delay).await;
        }
        if let Some(rate) = claim.rule().bytes_per_second {
            turn.upload.limit_pace(rate);
            turn.bytes_per_second = Some(rate);
        }
        match claim.rule().effect.clone() {
            Effect::Forward => {
                turn.entry.fire(&mut claim);
                self.pass(turn).await
            }
            Effect::Answer(answer) => self.answer(turn, Some(claim), answer).await,
            Effect::Decide(decision) => match turn.entry.operation().and_then(|operation| decision(operation)) {
                Some(answer) => self.answer(turn, Some(claim), answer).await,
                None => self.pass(turn).await,
            },
            Effect::Limit(limit) => self.answer(turn, Some(claim), limit.answer(SystemTime::now())).await,
            Effect::ExpireToken => {
                let rule = claim.rule().name.clone();
                self.refuse_token(turn, Some(claim), &rule).await
            }
            Effect::Break(ending) => {
                turn.entry.fire(&mut claim);
                self.end(ending).await
            }
            Effect::BreakRequestAfter(bytes) => match self.forward(&mut turn, Some(bytes)).await {
                Err(Lost::Broken) => {
                    turn.entry.fire(&mut claim);
                    self.end(Ending::Reset).await
                }
                other => self.finish(turn, other, None).await,
            },
            Effect::LoseAnswer(ending) => match self.forward(&mut turn, None).await {
                Ok(_) => {
                    turn.entry.fire(&mut claim);
                    self.end(ending).await
                }
                lost => self.finish(turn, lost, None).await,
            },
            Effect::TruncateAnswerAfter(left_bytes) => self.tamper(turn, claim, Way::Truncate, left_bytes).await,
            Effect::CorruptAnswerAt(left_bytes) => self.tamper(turn, claim, Way::Corrupt, left_bytes).await,
            Effect::StaleReads(reads) => self.put_late(turn, claim, reads).await,
            Effect::Hold => {
                turn.entry.fire(&mut claim);
                let slot = claim.slot();
                tokio::select! {
                    () = slot.released() => {}
                    never = turn.upload.read_ahead() => match never {},
                }
                self.pass(turn).await
            }
            Effect::HoldAnswer => {
                let answer = self.forward(&mut turn, None).await;
                if answer.is_ok() {
                    turn.entry.fire(&mut claim);
                    claim.slot().released().await;
                }
                self.finish(turn, answer, None).await
            }
        }
    }

    /// Forwards, and gives the client what comes back.
    async fn pass(&self, mut turn: Turn) -> Response<Download> {
        let answer = self.forward(&mut turn, None).await;
        self.finish(turn, answer, None).await
    }

    async fn tamper(&self, mut turn: Turn, claim: Claim, way: Way, left_bytes: u64) -> Response<Download> {
        let answer = self.forward(&mut turn, None).await;
        self.finish(turn, answer, Some(Tamper { claim, way, left_bytes })).await
    }

    /// Puts a manifest whose tag is to show late what it points at.
    async fn put_late(&self, mut turn: Turn, mut claim: Claim, reads: Option<usize>) -> Response<Download> {
        let before = match self.site.behind(turn.head.uri.path()) {
            Some(host) => stale::now(&host, &turn.head).await,
            None => Err(UpstreamError::Unknown.in_words()),
        };
        let before = match before {
            Ok(before) => before,
            Err(words) => return self.finish(turn, Err(Lost::Trouble(words)), None).await,
        };
        let answer = self.forward(&mut turn, None).await;
        if let (Ok(answer), Some(put)) = (&answer, turn.entry.operation().cloned())
            && answer.status().is_success()
        {
            turn.entry.fire(&mut claim);
            self.site.stale.add(&put, before, reads, claim.slot());
        }
        self.finish(turn, answer, None).await
    }

    /// Answers that the token is expired.
    async fn refuse_token(&self, mut turn: Turn, claim: Option<Claim>, rule: &str) -> Response<Download> {
        let answer = match self.site.behind(turn.head.uri.path()) {
            Some(host) => expiry::answer(&host, &turn.head, turn.entry.operation()).await,
            None => Err(UpstreamError::Unknown.in_words()),
        };
        match answer {
            Ok(answer) => {
                if let Some(claim) = &claim {
                    self.site.expired.add(&turn.head.headers, claim.slot());
                }
                turn.entry.interfered(rule);
                self.answer(turn, claim, answer).await
            }
            Err(words) => self.finish(turn, Err(Lost::Trouble(words)), None).await,
        }
    }

    /// Answers itself, when the whole request is here: a client in the middle of an upload might not read it otherwise.
    async fn answer(&self, mut turn: Turn, claim: Option<Claim>, answer: Answer) -> Response<Download> {
        let upload = std::mem::replace(&mut turn.upload, Upload::none());
        // Who asks first will not send what is refused.
        if turn.head.headers.contains_key(EXPECT) {
            upload.refuse();
        } else {
            upload.drain().await;
        }
        if let Some(mut claim) = claim {
            turn.entry.fire(&mut claim);
        }
        self.respond(turn, whole(answer), None)
    }

    /// Gives the client an answer, or the end that is left.
    async fn finish(
        &self,
        turn: Turn,
        answer: Result<Response<Source>, Lost>,
        tamper: Option<Tamper>,
    ) -> Response<Download> {
        match answer {
            Ok(answer) => self.respond(turn, answer, tamper),
            Err(Lost::Client | Lost::Broken) => self.end(Ending::Cut).await,
            Err(Lost::Trouble(words)) => {
                turn.entry.trouble(&words);
                self.answer(turn, None, Answer::text(StatusCode::BAD_GATEWAY, "the harness failed")).await
            }
        }
    }

    fn respond(&self, mut turn: Turn, answer: Response<Source>, tamper: Option<Tamper>) -> Response<Download> {
        turn.entry.answered(answer.status(), answer.headers());
        answer.map(|source| Download {
            source,
            entry: turn.entry,
            fate: Arc::clone(&self.fate),
            pace: turn.bytes_per_second.map(Pace::new),
            tamper,
            ended: false,
        })
    }

    /// Ends the connection when all is out that was written, and never returns: the connection takes this along.
    async fn end(&self, ending: Ending) -> Response<Download> {
        self.fate.plan(ending);
        pending().await
    }

    /// Forwards a request and awaits the head of the answer.
    async fn forward(&self, turn: &mut Turn, break_after: Option<u64>) -> Result<Response<Source>, Lost> {
        if let Some((answer, rule)) = turn.entry.operation().and_then(|operation| self.site.stale.read(operation)) {
            turn.entry.interfered(&rule);
            return Ok(whole(answer));
        }
        let host = self.site.behind(turn.head.uri.path());
        let host = host.ok_or_else(|| Lost::Trouble(UpstreamError::Unknown.in_words()))?;
        let mut link = self.link_to(&host).await.map_err(|error| Lost::Trouble(error.in_words()))?;
        let mut upload = std::mem::replace(&mut turn.upload, Upload::none());
        if let Some(bytes) = break_after {
            upload.break_after(bytes, link.fate());
        }
        let arrived = turn.entry.arrived();
        let request = self.request(&turn.head, upload).map_err(|error| Lost::Trouble(error.to_string()))?;
        turn.entry.forwarded();
        match (link.send(request).await, arrived.progress()) {
            (Ok(answer), _) => {
                *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
                let (mut head, body) = answer.into_parts();
                remove_hop_by_hop(&mut head.headers);
                head.version = Version::HTTP_11;
                Ok(Response::from_parts(head, Source::Behind(body)))
            }
            (Err(_), Progress::Broken) => Err(Lost::Broken),
            (Err(_), Progress::Failed) => Err(Lost::Client),
            (Err(error), Progress::Arriving | Progress::Whole) => Err(Lost::Trouble(error.in_words())),
        }
    }

    /// The connection to the server behind, the last one if it still is good.
    async fn link_to(&self, host: &str) -> Result<Link<Upload>, UpstreamError> {
        let last = self.link.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut link) = last
            && link.is_ready(host).await
        {
            return Ok(link);
        }
        Link::connect(host).await
    }

    /// The request as the server behind gets it. It keeps the client's `Host`, so that the addresses that the server gives
    /// out lead back here.
    fn request(&self, head: &request::Parts, upload: Upload) -> hyper::http::Result<Request<Upload>> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder().method(head.method.clone()).uri(path).body(upload)?;
        let headers = request.headers_mut();
        headers.clone_from(&head.headers);
        remove_hop_by_hop(headers);
        // The proxy answers it itself, as soon as the server behind reads.
        headers.remove(EXPECT);
        if self.site.is_secure {
            headers.insert(FORWARDED_PROTO, HTTPS);
        }
        if let (false, Some(authority)) = (headers.contains_key(HOST), head.uri.authority()) {
            headers.insert(HOST, HeaderValue::try_from(authority.as_str())?);
        }
        Ok(request)
    }
}

fn whole(answer: Answer) -> Response<Source> {
    let mut response = Response::new(Source::Whole(Some(answer.body)));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

/// Removes what concerns one connection only.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').filter_map(|name| name.trim().parse().ok()))
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// The length of a chunk: `Content-Range: 0-1023`, with or without `bytes`.
fn chunk_bytes(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (from, to) = range.trim_start_matches("bytes").trim().split_once('-')?;
    let to = to.split_once('/').map_or(to, |(to, _)| to);
    to.parse::<u64>().ok()?.checked_sub(from.parse().ok()?)?.checked_add(1)
}
