//! Asks a watching service how it is: for an image's HEALTHCHECK, where there is nothing else that could ask.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::harness::HarnessError;

/// How long the service may take to answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Whether the service that listens there is healthy, and what it says.
///
/// # Errors
/// No answer.
pub async fn probe(listen: SocketAddr) -> Result<(bool, String), HarnessError> {
    let failed = || HarnessError::other(format!("nobody answers at {listen}"));
    // Installing a second time fails and changes nothing: the provider is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Without certificates: none are needed for this machine, and there may be none.
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(PROBE_TIMEOUT).build();
    let answer = client.map_err(failed())?.get(format!("http://{}/healthz", reachable(listen))).send().await;
    let answer = answer.map_err(failed())?;
    let healthy = answer.status().is_success();
    Ok((healthy, answer.text().await.map_err(failed())?))
}

/// Who listens everywhere is reached on this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("0.0.0.0:9180", "127.0.0.1:9180")]
    #[case("[::]:9180", "[::1]:9180")]
    #[case("127.0.0.1:80", "127.0.0.1:80")]
    fn who_listens_everywhere_is_asked_here(#[case] listen: SocketAddr, #[case] asked: SocketAddr) {
        assert_eq!(reachable(listen), asked);
    }
}
