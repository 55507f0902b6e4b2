//! Bodies stream: memory is flat, and an answer comes through even in the middle of an upload.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::support::{Setup, UPLOAD, read_until};

/// A blob.
const BLOB_BYTES: usize = 300 * 1024 * 1024;
/// More than two connections' socket buffers and the proxy's own: 64 KiB, whatever the kernel grants.
const BUFFERED_MAX_BYTES: usize = 64 * 1024 * 1024;
/// A sender that gets rid of nothing for so long is blocked. On a slow machine it is only slow, and the test sees less.
const STALL: Duration = Duration::from_secs(1);

/// Writes until nothing more is taken; gives how much was.
async fn write_until_blocked(stream: &mut TcpStream, bytes: usize) -> usize {
    let chunk = vec![7; 256 * 1024];
    let mut written = 0;
    while written < bytes {
        let part = chunk.len().min(bytes - written);
        match tokio::time::timeout(STALL, stream.write(&chunk[..part])).await {
            Ok(taken) => written += taken.unwrap(),
            Err(_) => break,
        }
    }
    written
}

#[tokio::test]
async fn an_upload_is_held_back_by_a_server_that_does_not_read() {
    let setup = Setup::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    setup.proxy.set_upstream(listener.local_addr().unwrap());
    let head = format!("PATCH {UPLOAD} HTTP/1.1\r\nHost: a\r\nContent-Length: {BLOB_BYTES}\r\n\r\n");
    let mut stream = setup.write(&head).await;
    let (mut behind, _) = listener.accept().await.unwrap();
    let buffered = write_until_blocked(&mut stream, BLOB_BYTES).await;
    assert!(buffered < BUFFERED_MAX_BYTES, "{buffered} bytes are somewhere between");
    // Read at last, everything arrives.
    let rest = tokio::spawn(async move {
        let chunk = vec![7; 256 * 1024];
        let mut left = BLOB_BYTES - buffered;
        while left > 0 {
            let part = chunk.len().min(left);
            left -= stream.write(&chunk[..part]).await.unwrap();
        }
        stream
    });
    read_until(&mut behind, "\r\n\r\n").await;
    let mut read = 0;
    let mut chunk = vec![0; 1024 * 1024];
    while read < BLOB_BYTES {
        let taken = behind.read(&mut chunk).await.unwrap();
        assert!(taken > 0 && chunk[..taken].iter().all(|byte| *byte == 7));
        read += taken;
    }
    behind.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let mut stream = rest.await.unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 202"));
    assert_eq!(setup.history().await[0].sent, BLOB_BYTES as u64);
}

#[tokio::test]
async fn a_download_is_held_back_by_a_client_that_does_not_read() {
    let setup = Setup::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    setup.proxy.set_upstream(listener.local_addr().unwrap());
    let stream = setup.write("GET /v2/acme/hello/blobs/sha256:1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (mut behind, _) = listener.accept().await.unwrap();
    read_until(&mut behind, "\r\n\r\n").await;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {BLOB_BYTES}\r\n\r\n");
    behind.write_all(head.as_bytes()).await.unwrap();
    let buffered = write_until_blocked(&mut behind, BLOB_BYTES).await;
    assert!(buffered < BUFFERED_MAX_BYTES, "{buffered} bytes are somewhere between");
    drop(stream);
    let exchange = setup.recorder.wait_for(|_| true).await;
    assert_eq!(exchange.status, Some(200));
    assert!(exchange.received <= buffered as u64);
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_in_the_middle_of_its_upload() {
    let setup = Setup::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    setup.proxy.set_upstream(listener.local_addr().unwrap());
    let refusing = tokio::spawn(async move {
        let (mut behind, _) = listener.accept().await.unwrap();
        read_until(&mut behind, "\r\n\r\n").await;
        behind.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
    });
    let bytes = 50 * 1024 * 1024;
    let head = format!("PATCH {UPLOAD} HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n");
    let mut stream = setup.write(&head).await;
    // A client that writes everything before it reads, as many do.
    stream.write_all(&vec![7; bytes]).await.unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 401"));
    refusing.await.unwrap();
    let history = setup.history().await;
    assert_eq!((history[0].status, history[0].forwarded), (Some(401), true));
}
