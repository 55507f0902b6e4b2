//! HTTP/1.1 by hand, because a library would not let a connection break where a test wants it to.

use std::{fmt::Write as _, time::Duration};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use url::form_urlencoded;

use super::exchange::{Answer, Request};

/// One connection; it lives as long as both sides want.
pub(super) struct Wire(BufReader<TcpStream>);

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        // What is sent is there at once, also for a clock that does not wait.
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// The head of the next request; nothing when the client went away.
    pub(super) async fn head(&mut self) -> Option<Request> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut words = lines.first()?.split(' ');
        let (method, address) = (words.next()?.to_owned(), words.next()?);
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let mut headers = HeaderMap::new();
        for (name, value) in lines[1..].iter().filter_map(|line| line.split_once(": ")) {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Some(Request { method, path: path.into(), query, headers })
    }

    /// So many bytes of a body; fewer when the client goes away.
    pub(super) async fn body(&mut self, length: usize) -> Vec<u8> {
        let mut body = Vec::new();
        // What was read before the connection broke is what came.
        let _ = (&mut self.0).take(length as u64).read_to_end(&mut body).await;
        body
    }

    /// Answers, with the body cut after so many bytes. A body for `HEAD` is only announced.
    pub(super) async fn answer(&mut self, method: &str, answer: &Answer, cut: Option<usize>) {
        let mut head = format!("HTTP/1.1 {} scripted\r\n", answer.status);
        for (name, value) in &answer.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if answer.status != 204 && !answer.headers.iter().any(|(name, _)| name == "content-length") {
            write!(head, "content-length: {}\r\n", answer.body.len()).unwrap();
        }
        head.push_str("\r\n");
        let body = if method == "HEAD" { &[] } else { &answer.body[..cut.unwrap_or(answer.body.len())] };
        // A client that went away does not matter: the test looks at what it makes of that.
        let _ = self.0.get_mut().write_all(&[head.as_bytes(), body].concat()).await;
    }

    /// Answers with so many bytes of the body a second.
    pub(super) async fn trickle(&mut self, method: &str, answer: &Answer, bytes: usize) {
        self.answer(method, answer, Some(0)).await;
        for piece in answer.body.chunks(bytes) {
            if self.0.get_mut().write_all(piece).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Ends the connection as servers do that have not read all: what still comes is taken, so that the client gets to
    /// read its answer.
    pub(super) async fn linger(mut self) {
        let _ = self.0.get_mut().shutdown().await;
        let _ = tokio::io::copy(&mut self.0, &mut tokio::io::sink()).await;
    }

    /// Breaks the connection off: what the client has not read yet is lost to it.
    pub(super) fn reset(self) {
        self.0.into_inner().set_zero_linger().unwrap();
    }
}
