//! A platform as it is written on the command line: `os/architecture[/variant]`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Operating system, architecture and, rarely, a variant: `linux/amd64`, `linux/arm/v7`.
///
/// The names are Go's (`GOOS`, `GOARCH`), as the image specification wants them. `linux/arm64` and `linux/arm64/v8` are
/// the same platform; the variant is dropped when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    /// The operating system, `linux`.
    pub os: String,
    /// The architecture by its Go name: `amd64`, `arm64`.
    pub architecture: String,
    /// The variant, where the architecture has several: `v7` of `arm`.
    variant: Option<String>,
}

impl Platform {
    /// The short name that hand-over files carry: `amd64`, `arm-v7`, and with the system where it is not Linux.
    pub fn short_name(&self) -> String {
        let name = self.to_string();
        name.strip_prefix("linux/").unwrap_or(&name).replace('/', "-")
    }

    /// Whether an image configuration that names this architecture and variant belongs to this platform.
    pub fn is(&self, os: &str, architecture: &str, variant: Option<&str>) -> bool {
        let other = Self::new(os, architecture, variant);
        self.os == other.os
            && self.architecture == other.architecture
            && (self.variant.is_none() || self.variant == other.variant)
    }

    fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let variant = variant.filter(|v| !v.is_empty() && (architecture, *v) != ("arm64", "v8"));
        Self { os: os.into(), architecture: architecture.into(), variant: variant.map(Into::into) }
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let good = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [os, architecture] if parts.iter().all(good) => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] if parts.iter().all(good) => Ok(Self::new(os, architecture, Some(variant))),
            _ => {
                Err(format!("`{text}` is not a platform, expected os/architecture such as linux/amd64 or linux/arm64"))
            }
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl TryFrom<String> for Platform {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("linux/amd64", "linux/amd64", "amd64")]
    #[case("linux/arm64/v8", "linux/arm64", "arm64")]
    #[case("linux/arm/v7", "linux/arm/v7", "arm-v7")]
    #[case("windows/amd64", "windows/amd64", "windows-amd64")]
    fn platforms_are_read_and_named(#[case] text: &str, #[case] shown: &str, #[case] short: &str) {
        let platform: Platform = text.parse().unwrap();
        assert_eq!((platform.to_string().as_str(), platform.short_name().as_str()), (shown, short));
    }

    #[rstest::rstest]
    #[case("amd64")]
    #[case("linux/")]
    #[case("linux/amd64/")]
    #[case("linux/AMD64")]
    #[case("linux/a/b/c")]
    #[case("linux/../etc")]
    #[case("")]
    fn what_is_no_platform_is_refused(#[case] text: &str) {
        assert!(text.parse::<Platform>().unwrap_err().starts_with(&format!("`{text}` is not a platform, ")));
    }

    #[test]
    fn a_platform_without_variant_accepts_any_but_one_with_variant_only_its_own() {
        let arm64: Platform = "linux/arm64".parse().unwrap();
        let arm_v7: Platform = "linux/arm/v7".parse().unwrap();
        assert!(arm64.is("linux", "arm64", Some("v8")) && arm64.is("linux", "arm64", None));
        assert!(arm_v7.is("linux", "arm", Some("v7")) && !arm_v7.is("linux", "arm", Some("v6")));
        assert!(!arm64.is("linux", "amd64", None));
    }
}
