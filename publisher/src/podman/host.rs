//! Which platforms this machine runs without an emulator.

use crate::oci::Platform;

/// This machine's architecture by its Go name.
pub fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        same => same,
    }
}

/// Whether a machine of this architecture runs the platform's programs itself, its smaller sibling's included.
pub fn runs_natively(host: &str, platform: &Platform) -> bool {
    let wanted = platform.architecture();
    host == wanted || matches!((host, wanted), ("amd64", "386") | ("arm64", "arm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("amd64", "linux/amd64", true)]
    #[case("amd64", "linux/386", true)]
    #[case("amd64", "linux/arm64", false)]
    #[case("arm64", "linux/arm64/v8", true)]
    #[case("arm64", "linux/arm/v7", true)]
    #[case("386", "linux/amd64", false)]
    fn native_is_the_same_architecture_or_its_smaller_sibling(
        #[case] host: &str,
        #[case] platform: &str,
        #[case] native: bool,
    ) {
        assert_eq!(runs_natively(host, &platform.parse().unwrap()), native);
    }
}
