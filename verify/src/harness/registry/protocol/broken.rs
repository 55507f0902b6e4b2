//! Requests as they are on the wire: broken off, or with an expectation.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    behaviour::behaviours,
    client::{It, sha256},
};

/// The head of a PATCH with a body of ten bytes.
fn head(it: &It, location: &str, more: &str) -> String {
    let path = location.split_once(&it.host).unwrap().1;
    format!("PATCH {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 10\r\n{more}\r\n", it.host)
}

behaviours! {
    "after a PATCH that broke off its location is refused",
    "404 BLOB_UPLOAD_INVALID",
    |it| {
        let location = it.open().await;
        let request = format!("{}hello", head(&it, &location, ""));
        it.raw(&request).await;
        it.get(&location).await.seen()
    };

    "a PUT that broke off leaves no blob",
    "404 BLOB_UNKNOWN",
    |it| {
        let (location, digest) = (it.open().await, sha256(b"hellohello"));
        let request = head(&it, &format!("{location}&digest={digest}"), "").replacen("PATCH", "PUT", 1);
        it.raw(&format!("{request}hello")).await;
        it.get(&it.path(&format!("blobs/{digest}"))).await.seen()
    };

    "who expects to be told to continue is told",
    "HTTP/1.1 100 Continue HTTP/1.1 202 Accepted",
    |it| {
        let location = it.open().await;
        let mut stream = TcpStream::connect(&it.host).await.unwrap();
        let request = head(&it, &location, "Expect: 100-continue\r\nConnection: close\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut told = [0; 25];
        stream.read_exact(&mut told).await.unwrap();
        stream.write_all(b"hellohello").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        format!("{} {}", String::from_utf8_lossy(&told).trim(), answer.lines().next().unwrap())
    };
}
