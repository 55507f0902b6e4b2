//! `verify live` as a process: whom it trusts.

use libtest_mimic::{Failed, Trial};
use verify::{
    harness::{
        proxy::Proxy,
        registry::{Backend, Registry},
        tls::Authority,
    },
    history::{Recorder, Service},
};

use crate::world::{block_on, verify};

/// The exit code for an image that is not there.
const FAILED: i32 = 1;
/// The exit code for a registry that cannot be asked.
const UNKNOWN: i32 = 2;

/// One trial for each promise.
pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("live::ssl_cert_file_says_whom_to_trust", || block_on(trusted()))]
}

/// A registry with nothing on it: who trusts it learns that, nobody else does.
async fn trusted() -> Result<(), Failed> {
    let (authority, stranger) = (Authority::new()?, Authority::new()?);
    let registry = Registry::start(Backend::Process, None).await?;
    let proxy = Proxy::start_with("ghcr", Service::Registry, &Recorder::default(), Some(authority.server()?)).await?;
    proxy.set_upstream(registry.host());
    let reference = format!("https://{}/acme/hello:latest", proxy.address());
    for (trusted, expected) in [(&authority, FAILED), (&stranger, UNKNOWN)] {
        let folder = tempfile::tempdir()?;
        let file = trusted.write(folder.path())?;
        let mut live = verify();
        live.args(["live", &reference]).env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR");
        let output = tokio::task::spawn_blocking(move || live.output()).await??;
        if output.status.code() != Some(expected) {
            return Err(format!("expected {expected}, but {}", String::from_utf8_lossy(&output.stdout)).into());
        }
    }
    Ok(())
}
