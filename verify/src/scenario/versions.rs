//! Git tags of every form, and what a pipeline must make of each (Semantic Versioning 2.0.0; the tag grammar of the
//! distribution specification 1.1; the form `v<major>.<minor>.<patch>`, without pre-release and build metadata).

/// What a pipeline must make of a git tag: the image's tag, or none if it must refuse it.
pub type Expected = Option<&'static str>;

/// Git tags with what must come of them.
pub const VERSIONS: &[(&str, Expected)] = &[
    ("v1.2.0", Some("1.2.0")),
    ("v0.0.0", Some("0.0.0")),
    ("v0.0.1", Some("0.0.1")),
    ("v0.1.0", Some("0.1.0")),
    ("v1.0.0", Some("1.0.0")),
    ("v1.2.3", Some("1.2.3")),
    ("v1.10.0", Some("1.10.0")),
    ("v10.0.0", Some("10.0.0")),
    ("v10.20.30", Some("10.20.30")),
    ("v2025.11.5", Some("2025.11.5")),
    ("v99.99.99", Some("99.99.99")),
    ("v1.0.100", Some("1.0.100")),
    ("v100.0.0", Some("100.0.0")),
    ("v1.2.999999", Some("1.2.999999")),
    ("v4294967296.0.0", Some("4294967296.0.0")),
    ("v0.0.9007199254740993", Some("0.0.9007199254740993")),
    // Too few or too many numbers.
    ("v1", None),
    ("v1.2", None),
    ("v1.", None),
    ("v1.2.", None),
    ("v1..3", None),
    ("v.2.3", None),
    ("v1.2.3.4", None),
    ("v1.2.3.", None),
    ("v", None),
    // Leading zeros.
    ("v01.2.3", None),
    ("v1.02.3", None),
    ("v1.2.03", None),
    ("v00.0.0", None),
    ("v1.2.00", None),
    // Pre-releases and build metadata.
    ("v1.2.3-rc.1", None),
    ("v1.2.3-rc1", None),
    ("v1.2.3-0", None),
    ("v1.2.3-alpha", None),
    ("v1.2.3-", None),
    ("v1.2.3+build.5", None),
    ("v1.2.3+", None),
    ("v1.2.3-rc.1+build", None),
    ("v1.2.0-SNAPSHOT", None),
    // Another prefix, or another case of it.
    ("1.2.3", None),
    ("V1.2.3", None),
    ("vv1.2.3", None),
    ("version1.2.3", None),
    ("v-1.2.3", None),
    ("v_1.2.3", None),
    ("release-1.2.3", None),
    ("release/v1.2.3", None),
    ("v1.2.3/v1.2.4", None),
    ("refs/tags/v1.2.3", None),
    // What is no number.
    ("v1.2.x", None),
    ("v1.x.0", None),
    ("v*.*.*", None),
    ("va.b.c", None),
    ("v1.2.3a", None),
    ("v1.2.a3", None),
    ("v1,2,3", None),
    ("v1-2-3", None),
    ("v1_2_3", None),
    ("v+1.2.3", None),
    ("v1.+2.3", None),
    ("v1.2.-3", None),
    ("v0x1.2.3", None),
    ("v1e2.0.0", None),
    ("v①.2.3", None),
    ("v１.２.３", None),
    ("v1.2.3é", None),
    // What a shell, a format or a registry might take for something else.
    ("v1.2.3;id", None),
    ("v1.2.3$(id)", None),
    ("v1.2.3`id`", None),
    ("v1.2.3%0a", None),
    ("v1.2.3@sha256", None),
    ("v1.2.3'", None),
    ("latest", None),
    ("vlatest", None),
    ("main", None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_large_and_has_no_row_twice() {
        let names: std::collections::HashSet<_> = VERSIONS.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), VERSIONS.len());
        assert!(VERSIONS.len() >= 60);
        assert!(VERSIONS.iter().filter(|(_, expected)| expected.is_some()).count() >= 15);
    }

    #[test]
    fn what_is_accepted_is_a_version_and_a_tag() {
        for (name, tag) in VERSIONS.iter().filter_map(|(name, expected)| Some((name, (*expected)?))) {
            assert_eq!(name.strip_prefix('v'), Some(tag));
            let version = semver::Version::parse(tag).unwrap();
            assert!(version.pre.is_empty() && version.build.is_empty());
        }
    }
}
