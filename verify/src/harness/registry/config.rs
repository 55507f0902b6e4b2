//! The configuration of distribution, the same in a container and out of it.

use std::{fs, path::Path};

use serde_json::json;

use super::storage::{DATA, Storage};
use crate::harness::{error::HarnessError, token::Auth};

/// What the registry logs, at level info, once it listens; the address follows.
pub(super) const LISTENING: &str = "listening on ";

/// Settings of Go's runtime, as environment variables. A registry lives for seconds and serves one pipeline: collecting its
/// garbage, and moving it between processors, took a third of its time.
pub(super) const RUNTIME: [(&str, &str); 3] = [("GOGC", "off"), ("GOMEMLIMIT", "128MiB"), ("GOMAXPROCS", "1")];

/// Writes a registry's configuration into its storage's folder, which the registry sees as `seen_as`. The file's name: several
/// registries may share a storage.
///
/// There is no cache of blob descriptors: what is removed from the storage must be gone.
pub(super) fn write(
    storage: &Storage,
    seen_as: &Path,
    address: &str,
    auth: Option<&Auth>,
) -> Result<String, HarnessError> {
    let id = fastrand::u64(..);
    let (name, authority) = (format!("config-{id:016x}.yml"), format!("authority-{id:016x}.pem"));
    let mut config = json!({
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": true}},
        "storage": {
            "filesystem": {"rootdirectory": seen_as.join(DATA)},
            "delete": {"enabled": true},
            "maintenance": {"uploadpurging": {"enabled": false}},
        },
        "http": {"addr": address, "secret": format!("{id:016x}")},
    });
    let put = |name: &str, text: &str| {
        let file = storage.folder().join(name);
        fs::write(&file, text).map_err(HarnessError::at("write", &file))
    };
    if let Some(auth) = auth {
        config["auth"] = json!({"token": {
            "realm": auth.realm,
            "service": auth.service,
            "issuer": auth.issuer,
            "rootcertbundle": seen_as.join(&authority),
        }});
        put(&authority, &auth.authority)?;
    }
    // JSON is YAML.
    put(&name, &config.to_string())?;
    Ok(name)
}
