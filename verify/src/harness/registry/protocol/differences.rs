//! What the stand-in is meant to do otherwise than the real registry.

/// One difference.
pub(super) struct Difference {
    /// Of which behaviour: its claim.
    pub(super) claim: &'static str,
    /// What is seen of the stand-in.
    pub(super) embedded: &'static str,
    /// Why it is meant.
    pub(super) why: &'static str,
}

/// All of them.
pub(super) const DIFFERENCES: &[Difference] = &[
    Difference {
        claim: "a POST with a digest brings a whole blob at once",
        embedded: "201 200",
        why: "distribution-spec 1.1 has it; distribution 2.8 opens an upload, which the specification allows as well",
    },
    Difference {
        claim: "a chunk that belongs elsewhere is taken all the same",
        embedded: "416 RANGE_INVALID range=-",
        why: "distribution-spec 1.1 demands it; distribution 2.8 does not read Content-Range",
    },
    Difference {
        claim: "tags come in pages",
        embedded: r#"200 ["a","b"] link=</v2/REPOSITORY/tags/list?last=b&n=2>; rel="next" 200 ["c"] link=-"#,
        why: "distribution-spec 1.1 has it; distribution 2.8 always lists all tags",
    },
    Difference {
        claim: "who knows no schema 2 gets schema 1, made on the spot",
        embedded: "404 MANIFEST_UNKNOWN content-type=application/json; charset=utf-8",
        why: "schema 1 is long dead: a client that asks without Accept is better told so",
    },
];
