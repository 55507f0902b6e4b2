//! How one thing names another: OCI image-spec 1.1 "descriptor" and "image index", Docker's manifest list. Read leniently,
//! for what is published may be anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The annotation by which buildx marks entries of an index that are no images.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// A manifest, configuration or layer, as something else names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its media type.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: String,
    /// How many bytes it has.
    pub size: u64,
    /// For what it is made; in entries of lists only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What else is said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// Whether it names an attestation about another entry: no image, and for no platform.
    pub fn is_attestation(&self) -> bool {
        self.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(REFERENCE_TYPE))
    }
}

/// Operating system and processor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`
    #[serde(default)]
    pub architecture: String,
    /// `v8`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// `linux/arm64`, `linux/arm64/v8`.
    pub fn name(&self) -> String {
        match self.variant.as_deref() {
            None | Some("") => format!("{}/{}", self.os, self.architecture),
            Some(variant) => format!("{}/{}/{variant}", self.os, self.architecture),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_named_as_users_name_them() {
        let platform: Platform = serde_json::from_str(r#"{"os":"linux","architecture":"arm64"}"#).unwrap();
        assert_eq!(platform.name(), "linux/arm64");
        assert_eq!(Platform { variant: Some("v8".into()), ..platform }.name(), "linux/arm64/v8");
    }
}
