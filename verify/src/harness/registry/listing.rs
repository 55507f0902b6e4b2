//! Lists containers with nothing but their ids and labels.
//!
//! bollard refuses the whole list when one container is in a state that Docker does not have. podman has one: a container is
//! `stopped` from its end until podman has cleaned up after it.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

use crate::harness::error::HarnessError;

/// How long the engine may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(20);
const END_OF_HEADERS: &[u8] = b"\r\n\r\n";

/// A container as the engine lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::harness) struct ContainerEntry {
    pub(in crate::harness) id: String,
    #[serde(default)]
    pub(in crate::harness) labels: HashMap<String, String>,
}

/// The containers with all these labels, running or not, that the engine at this socket has.
pub(super) fn containers(socket: &Path, labels: &[&str]) -> Result<Vec<ContainerEntry>, HarnessError> {
    let answer = ask(socket, labels).map_err(HarnessError::engine("list containers"))?;
    let body = answer.windows(END_OF_HEADERS.len()).position(|bytes| bytes == END_OF_HEADERS);
    let body = body.map_or(&[][..], |at| &answer[at + END_OF_HEADERS.len()..]);
    serde_json::from_slice(body).map_err(HarnessError::engine("list containers"))
}

/// The answer as it came. HTTP/1.0: it ends with the connection and comes in one piece.
fn ask(socket: &Path, labels: &[&str]) -> std::io::Result<Vec<u8>> {
    let filters = serde_json::json!({ "label": labels }).to_string();
    let filters: String = byte_serialize(filters.as_bytes()).collect();
    let mut engine = UnixStream::connect(socket)?;
    engine.set_read_timeout(Some(ANSWER_MAX))?;
    engine.write_all(format!("GET /v1.41/containers/json?all=true&filters={filters} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    engine.read_to_end(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, thread};

    use super::*;

    /// Answers one request on a socket.
    fn listed(answer: &'static str) -> Result<Vec<ContainerEntry>, HarnessError> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let engine = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = client.read(&mut request).unwrap();
            client.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let found = containers(&socket, &["a=b", "c"]);
        let request = engine.join().unwrap();
        assert!(
            request.starts_with(
                "GET /v1.41/containers/json?all=true&filters=%7B%22label%22%3A%5B%22a%3Db%22%2C%22c%22%5D%7D HTTP"
            ),
            "{request}"
        );
        found
    }

    #[test]
    fn a_container_that_podman_has_not_cleaned_up_yet_is_listed() {
        let found = listed(
            "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n\
             [{\"Id\":\"1\",\"State\":\"stopped\",\"Labels\":{\"a\":\"b\"}},{\"Id\":\"2\",\"State\":\"running\"}]",
        )
        .unwrap();
        let ids: Vec<_> = found.iter().map(|it| (it.id.as_str(), it.labels.len())).collect();
        assert_eq!(ids, [("1", 1), ("2", 0)]);
    }

    #[rstest::rstest]
    #[case::refused("HTTP/1.0 500 Internal Server Error\r\n\r\n{\"message\":\"no\"}")]
    #[case::silent("")]
    fn an_engine_that_does_not_answer_is_an_error(#[case] answer: &'static str) {
        listed(answer).unwrap_err();
    }
}
