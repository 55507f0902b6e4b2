//! The configuration of the real registry, the same in a container and out of it.

use std::{fs, path::Path};

use serde_json::json;

use crate::harness::{error::HarnessError, token::Auth};

/// The configuration's file within the registry's folder.
pub(super) const FILE: &str = "config.yml";
/// Where the registry keeps everything, within its folder.
pub(super) const STORAGE: &str = "data";
/// The certificate of the token service's authority, within the registry's folder.
const AUTHORITY: &str = "authority.pem";
/// What the registry says, at level info, once it listens; the address follows.
pub(super) const LISTENING: &str = "listening on ";

/// Writes what a registry needs into its folder, which it sees as `seen_as`.
///
/// There is no cache of blob descriptors: what is removed from behind must be gone.
pub(super) fn write(folder: &Path, seen_as: &Path, address: &str, auth: Option<&Auth>) -> Result<(), HarnessError> {
    let mut config = json!({
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": true}},
        "storage": {
            "filesystem": {"rootdirectory": seen_as.join(STORAGE)},
            "delete": {"enabled": true},
            "maintenance": {"uploadpurging": {"enabled": false}},
        },
        "http": {"addr": address, "secret": format!("{:032x}", fastrand::u128(..))},
    });
    if let Some(auth) = auth {
        config["auth"] = json!({"token": {
            "realm": auth.realm,
            "service": auth.service(),
            "issuer": auth.issuer(),
            "rootcertbundle": seen_as.join(AUTHORITY),
        }});
        put(&folder.join(AUTHORITY), &auth.authority)?;
    }
    let storage = folder.join(STORAGE);
    fs::create_dir(&storage).map_err(HarnessError::at("make", &storage))?;
    // JSON is YAML.
    put(&folder.join(FILE), &config.to_string())
}

fn put(file: &Path, text: &str) -> Result<(), HarnessError> {
    fs::write(file, text).map_err(HarnessError::at("write", file))
}
