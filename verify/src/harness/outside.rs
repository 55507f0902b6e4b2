//! What a pipeline asks for besides the servers that it was given: a proxy that refuses everything and notes each host.
//!
//! Programs find it in `HTTPS_PROXY` and `HTTP_PROXY`. A program that heeds neither goes past it unnoticed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::error::HarnessError;

/// Where the servers are that a pipeline was given.
const GIVEN: &str = "127.0.0.1,localhost,::1";
/// The longest first line that is read of a request.
const LINE_BYTES_MAX: u64 = 8 * 1024;
const REFUSAL: &[u8] = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A proxy that refuses until it is dropped.
#[derive(Debug)]
pub struct Outside {
    address: SocketAddr,
    hosts: Arc<Mutex<BTreeSet<String>>>,
    listening: JoinHandle<()>,
}

impl Outside {
    /// Starts it on a port of this machine.
    ///
    /// # Errors
    /// No port.
    pub async fn start() -> Result<Self, HarnessError> {
        let failed = || HarnessError::io("cannot start a proxy");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?;
        let hosts = Arc::<Mutex<BTreeSet<String>>>::default();
        let noted = Arc::clone(&hosts);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(refuse(stream, Arc::clone(&noted)));
            }
        });
        Ok(Self { address, hosts, listening })
    }

    /// The variables that send programs here, except to servers on this machine.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let proxy = format!("http://{}", self.address);
        let both_cases =
            |name: &str, value: &str| [name.to_owned(), name.to_lowercase()].map(|name| (name, value.to_owned()));
        [("HTTPS_PROXY", proxy.as_str()), ("HTTP_PROXY", &proxy), ("NO_PROXY", GIVEN)]
            .into_iter()
            .flat_map(|(name, value)| both_cases(name, value))
            .collect()
    }

    /// The hosts that were asked for, sorted, each with its port where the request named one: `ghcr.io:443`.
    pub fn hosts(&self) -> Vec<String> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Notes the host of a request and refuses it.
async fn refuse(stream: TcpStream, hosts: Arc<Mutex<BTreeSet<String>>>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    // Whoever sends no line asked for nothing.
    let _ = (&mut stream).take(LINE_BYTES_MAX).read_line(&mut line).await;
    if let Some(host) = host(&line) {
        hosts.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned());
    }
    let _ = stream.write_all(REFUSAL).await;
}

/// The host in the first line of a request to a proxy: `CONNECT ghcr.io:443 HTTP/1.1`, `GET http://ghcr.io/v2/ HTTP/1.1`
/// (RFC 9112, 3.2.2 and 3.2.3).
fn host(line: &str) -> Option<&str> {
    let target = line.split(' ').nth(1)?;
    let host = target.split_once("://").map_or(target, |(_, rest)| rest).split('/').next()?;
    Some(host).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("CONNECT ghcr.io:443 HTTP/1.1\r\n", Some("ghcr.io:443"))]
    #[case("GET http://registry.example/v2/ HTTP/1.1\r\n", Some("registry.example"))]
    #[case("GET / HTTP/1.1\r\n", None)]
    #[case("", None)]
    fn hosts(#[case] line: &str, #[case] expected: Option<&str>) {
        assert_eq!(host(line), expected);
    }

    #[tokio::test]
    async fn what_is_outside_is_refused_and_noted() {
        let outside = Outside::start().await.unwrap();
        assert_eq!(outside.hosts(), Vec::<String>::new());
        for host in ["ghcr.io:443", "ghcr.io:443", "docker.io:443"] {
            let mut stream = TcpStream::connect(outside.address).await.unwrap();
            stream.write_all(format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        }
        assert_eq!(outside.hosts(), ["docker.io:443", "ghcr.io:443"]);
    }
}
