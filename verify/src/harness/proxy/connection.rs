//! One client's connection: its requests, one after the other, and what becomes of each.

use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{Either, Full};
use hyper::{
    Request, Response, StatusCode, Version,
    body::Incoming,
    header::{AUTHORIZATION, EXPECT, HOST, HeaderName, HeaderValue},
    http::request,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::{
    answer::Answer,
    exchange::PendingExchange,
    interceptor::{Decision, Ending},
    request_body::RequestBody,
    response_body::{ResponseBody, Source},
    rule::{Effect, Facts},
    stale_tags,
    state::State,
    table::Applied,
    upstream::{BUFFER_MAX_BYTES, Upstream, remove_hop_by_hop},
};
use crate::history::redact;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HTTPS: HeaderValue = HeaderValue::from_static("https");
/// The name of an interceptor's faults in histories.
const INTERCEPTED: &str = "interceptor";

/// A client's TCP connection, with TLS on it or without.
pub(super) type Transport = tokio_util::either::Either<TcpStream, TlsStream<TcpStream>>;

/// A client's connection. It keeps one upstream connection.
struct Connection {
    state: Arc<State>,
    upstream: Mutex<Option<Upstream>>,
    ending: Mutex<Ending>,
}

/// A request that is being handled.
struct Handled {
    head: request::Parts,
    body: RequestBody,
    exchange: PendingExchange,
}

/// The connection ends in place of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection ends")]
struct Ended;

type Answered = Result<Response<ResponseBody>, Ended>;

/// Why there is no answer from upstream.
enum ForwardError {
    /// The client went away.
    ClientGone,
    /// The request was cut, as planned.
    Cut,
    /// The harness failed.
    Trouble(String),
}

/// Serves a connection to its end.
pub(super) async fn serve(state: Arc<State>, transport: Transport) {
    let connection =
        Arc::new(Connection { state: Arc::clone(&state), upstream: Mutex::default(), ending: Mutex::default() });
    let service = |request| {
        let connection = Arc::clone(&connection);
        async move { connection.handle(request).await }
    };
    let mut http = http1::Builder::new()
        .max_buf_size(BUFFER_MAX_BYTES)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(transport), service_fn(service));
    // What goes wrong on a connection shows in the exchange.
    let _ = (&mut http).await;
    let ending = *connection.ending.lock().unwrap_or_else(PoisonError::into_inner);
    if ending == Ending::Reset {
        let reset = match http.into_parts().io.into_inner() {
            Transport::Left(tcp) => tcp.set_zero_linger(),
            Transport::Right(tls) => tls.get_ref().0.set_zero_linger(),
        };
        if let Err(error) = reset {
            state.trouble(&format!("a connection cannot be reset: {error}"));
        }
    }
}

impl Connection {
    async fn handle(&self, request: Request<Incoming>) -> Answered {
        let (head, incoming) = request.into_parts();
        let exchange = PendingExchange::new(Arc::clone(&self.state), &head);
        let body = RequestBody::new(incoming, Arc::clone(&exchange.arrived));
        let mut handled = Handled { head, body, exchange };
        let Some(interceptor) = self.state.interceptor.get() else { return self.by_rules(handled).await };
        handled.body.read_ahead().await.map_err(|_| Ended)?;
        let intercepted = interceptor.intercept(handled.exchange.operation()).await;
        handled.exchange.until_ended = Some(intercepted.until_ended);
        if !matches!(intercepted.decision, Decision::Pass) {
            handled.exchange.fault(INTERCEPTED);
        }
        match intercepted.decision {
            Decision::Pass => self.by_rules(handled).await,
            Decision::Answer(answer) => self.answer(handled, None, answer).await,
            Decision::End(ending) => self.end(ending),
            Decision::LoseAnswer(action, ending) => {
                let answer = self.by_rules(handled).await;
                action();
                drop(answer);
                self.end(ending)
            }
        }
    }

    /// Handles a request according to the rules.
    async fn by_rules(&self, mut handled: Handled) -> Answered {
        if let Some(rule) = self.state.expired_tokens.replace(&mut handled.head.headers) {
            handled.exchange.fault(&rule);
            return self.pass(handled).await;
        }
        let facts = Facts {
            server: &self.state.name,
            operation: handled.exchange.operation(),
            authorized: handled.head.headers.contains_key(AUTHORIZATION),
        };
        match self.state.table.find(&facts) {
            Some(applied) => self.apply(handled, applied).await,
            None => self.pass(handled).await,
        }
    }

    /// Applies a rule to a request.
    async fn apply(&self, mut handled: Handled, mut applied: Applied) -> Answered {
        match applied.rule().effect.clone() {
            Effect::Forward => {
                applied.fire();
                self.pass(handled).await
            }
            Effect::Answer(decide) => match decide(handled.exchange.operation()) {
                Some(answer) => self.answer(handled, Some(applied), answer).await,
                None => self.pass(handled).await,
            },
            Effect::ExpireToken => {
                self.state.expired_tokens.add(&handled.head.headers, applied.active());
                self.state.expired_tokens.replace(&mut handled.head.headers);
                handled.exchange.fire(&mut applied);
                self.pass(handled).await
            }
            Effect::Reset(action) => {
                action();
                handled.exchange.fire(&mut applied);
                self.end(Ending::Reset)
            }
            Effect::CutRequest(bytes) => {
                handled.body.cut_after(bytes);
                match self.forward(&mut handled).await {
                    Err(ForwardError::Cut) => {
                        handled.exchange.fire(&mut applied);
                        self.end(Ending::Reset)
                    }
                    other => self.finish(handled, other).await,
                }
            }
            Effect::LoseAnswer => match self.forward(&mut handled).await {
                Ok(_) => {
                    handled.exchange.fire(&mut applied);
                    self.end(Ending::Reset)
                }
                lost => self.finish(handled, lost).await,
            },
            Effect::StaleReads(reads) => self.put_late(handled, applied, reads).await,
            Effect::Hold => {
                handled.body.read_ahead().await.map_err(|_| Ended)?;
                handled.exchange.fire(&mut applied);
                applied.active().released().await;
                self.pass(handled).await
            }
        }
    }

    /// Forwards, and gives the client what comes back.
    async fn pass(&self, mut handled: Handled) -> Answered {
        let answer = self.forward(&mut handled).await;
        self.finish(handled, answer).await
    }

    /// Puts a manifest whose tag is to show late what it points at.
    async fn put_late(&self, mut handled: Handled, mut applied: Applied, reads: usize) -> Answered {
        let before = match stale_tags::current(&self.state, &handled.head).await {
            Ok(before) => before,
            Err(words) => return self.finish(handled, Err(ForwardError::Trouble(words))).await,
        };
        let answer = self.forward(&mut handled).await;
        if let (Ok(answer), Some(put)) = (&answer, handled.exchange.operation().cloned())
            && answer.status().is_success()
        {
            handled.exchange.fire(&mut applied);
            self.state.stale_tags.add(&put, before, reads, applied.active());
        }
        self.finish(handled, answer).await
    }

    /// Answers when the whole request is here: a client in the middle of an upload might not read the answer otherwise.
    async fn answer(&self, mut handled: Handled, applied: Option<Applied>, answer: Answer) -> Answered {
        let body = std::mem::replace(&mut handled.body, RequestBody::empty());
        // A client that asks before it sends will not send a body that is refused.
        if handled.head.headers.contains_key(EXPECT) {
            body.refuse();
        } else {
            body.drain().await;
        }
        if let Some(mut applied) = applied {
            handled.exchange.fire(&mut applied);
        }
        Ok(respond(handled.exchange, own(answer)))
    }

    /// Gives the client an answer, or ends the connection.
    async fn finish(&self, handled: Handled, answer: Result<Response<Source>, ForwardError>) -> Answered {
        match answer {
            Ok(answer) => Ok(respond(handled.exchange, answer)),
            Err(ForwardError::ClientGone | ForwardError::Cut) => self.end(Ending::Close),
            Err(ForwardError::Trouble(words)) => {
                self.state.trouble(&words);
                self.answer(handled, None, Answer::text(StatusCode::BAD_GATEWAY, "the harness failed")).await
            }
        }
    }

    /// Ends the connection: hyper closes it when a service fails.
    fn end(&self, ending: Ending) -> Answered {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = ending;
        Err(Ended)
    }

    /// Forwards a request and awaits the head of the answer.
    async fn forward(&self, handled: &mut Handled) -> Result<Response<Source>, ForwardError> {
        let stale = handled.exchange.operation().and_then(|operation| self.state.stale_tags.read(operation));
        if let Some((answer, rule)) = stale {
            handled.exchange.fault(&rule);
            return Ok(own(answer));
        }
        let host = self.state.host(handled.head.uri.path()).map_err(ForwardError::Trouble)?;
        let mut upstream = self.connect(&host).await.map_err(ForwardError::Trouble)?;
        let body = std::mem::replace(&mut handled.body, RequestBody::empty());
        let request = self.request(&handled.head, body).map_err(|error| ForwardError::Trouble(error.to_string()))?;
        handled.exchange.record.forwarded = true;
        let arrived = &handled.exchange.arrived;
        match upstream.send(request).await {
            Ok(answer) => {
                self.state.record_change(handled.exchange.operation());
                *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = Some(upstream);
                let (mut head, body) = answer.into_parts();
                remove_hop_by_hop(&mut head.headers);
                head.version = Version::HTTP_11;
                Ok(Response::from_parts(head, Either::Right(body)))
            }
            Err(_) if arrived.is_cut() => Err(ForwardError::Cut),
            Err(_) if arrived.has_failed() => Err(ForwardError::ClientGone),
            Err(words) => Err(ForwardError::Trouble(words)),
        }
    }

    /// The connection to the server behind: the last one if it is still good.
    async fn connect(&self, host: &str) -> Result<Upstream, String> {
        let last = self.upstream.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut upstream) = last
            && upstream.is_ready(host).await
        {
            return Ok(upstream);
        }
        Upstream::connect(host).await
    }

    /// The request as the server behind gets it. It keeps the client's `Host`, so that addresses in answers lead back here.
    fn request(&self, head: &request::Parts, body: RequestBody) -> hyper::http::Result<Request<RequestBody>> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder().method(head.method.clone()).uri(path).body(body)?;
        let headers = request.headers_mut();
        headers.clone_from(&head.headers);
        remove_hop_by_hop(headers);
        // The proxy answers it itself, as soon as the server behind reads.
        headers.remove(EXPECT);
        if self.state.is_secure {
            headers.insert(FORWARDED_PROTO, HTTPS);
        }
        if let (false, Some(authority)) = (headers.contains_key(HOST), head.uri.authority()) {
            headers.insert(HOST, HeaderValue::try_from(authority.as_str())?);
        }
        Ok(request)
    }
}

fn own(answer: Answer) -> Response<Source> {
    let mut response = Response::new(Either::Left(Full::new(answer.body)));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

fn respond(mut exchange: PendingExchange, answer: Response<Source>) -> Response<ResponseBody> {
    exchange.record.status = Some(answer.status().as_u16());
    exchange.record.answer_headers = redact::headers(answer.headers());
    answer.map(|source| ResponseBody { source, exchange })
}
