//! What a published configuration says, and what it does not depend on.
//!
//! The recordings are what three podmans wrote for `Containerfile.rich` and `Containerfile.plain`, byte for byte. Each
//! made layers of its own, as their files' times differ; the tests give them one set of layers.

use rstest::rstest;
use serde_json::{Value, json};

use super::super::{Commit, config::normalise};

/// `rich-4.3.1.json` and so on.
macro_rules! recorded {
    ($name:literal) => {
        [
            include_str!(concat!("config/", $name, "-4.3.1.json")),
            include_str!(concat!("config/", $name, "-5.4.2.json")),
            include_str!(concat!("config/", $name, "-5.8.6.json")),
        ]
    };
}

fn commit() -> Commit {
    Commit { source: Some("https://github.com/acme/app".into()), revision: "0123abc".into(), time: Some(1_700_000_000) }
}

fn with_layers(config: &str, rootfs: &Value) -> String {
    let mut config: Value = serde_json::from_str(config).unwrap();
    config["rootfs"] = rootfs.clone();
    config.to_string()
}

fn normalised(config: &str) -> Value {
    serde_json::from_slice(&normalise(config.as_bytes(), &commit()).unwrap()).unwrap()
}

#[rstest]
#[case::rich(recorded!("rich"))]
#[case::plain(recorded!("plain"))]
fn three_podmans_give_the_same_bytes(#[case] recorded: [&str; 3]) {
    let rootfs = &serde_json::from_str::<Value>(recorded[0]).unwrap()["rootfs"];
    let bytes = recorded.map(|config| normalise(with_layers(config, rootfs).as_bytes(), &commit()).unwrap());
    // As text, so that a difference can be read.
    let [first, second, third] = bytes.map(|bytes| String::from_utf8(bytes.into()).unwrap());
    assert_equal(&first, &second);
    assert_equal(&first, &third);
}

fn assert_equal(one: &str, other: &str) {
    let lines = |text: &str| format!("{:#}", serde_json::from_str::<Value>(text).unwrap());
    assert_eq!(lines(one), lines(other));
    assert_eq!(one, other, "only the order of members differs");
}

#[test]
fn what_was_normalised_stays_as_it_is() {
    for config in recorded!("rich") {
        let once = normalise(config.as_bytes(), &commit()).unwrap();
        assert_eq!(normalise(&once, &commit()).unwrap(), once);
    }
}

#[test]
fn a_plain_image() {
    insta::assert_snapshot!(format!("{:#}", normalised(recorded!("plain")[0])), @r#"
    {
      "architecture": "amd64",
      "config": {
        "AttachStderr": false,
        "AttachStdin": false,
        "AttachStdout": false,
        "Domainname": "",
        "Env": [
          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        ],
        "Healthcheck": {
          "Test": [
            "NONE"
          ]
        },
        "Image": "",
        "Labels": {
          "org.opencontainers.image.created": "2023-11-14T22:13:20Z",
          "org.opencontainers.image.revision": "0123abc",
          "org.opencontainers.image.source": "https://github.com/acme/app"
        },
        "OpenStdin": false,
        "StdinOnce": false,
        "Tty": false,
        "User": "",
        "WorkingDir": "/"
      },
      "created": "2023-11-14T22:13:20Z",
      "history": [
        {
          "created": "2023-11-14T22:13:20Z",
          "created_by": "/bin/sh -c #(nop) COPY file in /"
        },
        {
          "created": "2023-11-14T22:13:20Z",
          "created_by": "/bin/sh -c #(nop) HEALTHCHECK NONE",
          "empty_layer": true
        }
      ],
      "os": "linux",
      "rootfs": {
        "diff_ids": [
          "sha256:bdc656e7a590d1fa45bc0f85ba5af5e49b6f1b78872073c690c79e8ce92180b4"
        ],
        "type": "layers"
      }
    }
    "#);
}

#[test]
fn what_means_something_is_kept() {
    let [config, ..] = recorded!("rich");
    let before: Value = serde_json::from_str(config).unwrap();
    let after = normalised(config);
    let settings = [
        "Cmd",
        "Entrypoint",
        "Env",
        "ExposedPorts",
        "Healthcheck",
        "OnBuild",
        "Shell",
        "StopSignal",
        "User",
        "Volumes",
        "WorkingDir",
    ];
    for name in settings {
        assert_eq!(after["config"][name], before["config"][name], "{name}");
        assert!(!after["config"][name].is_null(), "{name}");
    }
    for name in ["architecture", "author", "os", "rootfs"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert_eq!(
        after["config"]["Labels"],
        json!({
            "aa": "1",
            "org.opencontainers.image.created": "2023-11-14T22:13:20Z",
            "org.opencontainers.image.revision": "0123abc",
            "org.opencontainers.image.source": "https://github.com/acme/app",
            "org.opencontainers.image.title": "title & <text>",
            "org.opencontainers.image.version": "2",
        })
    );
    let steps = |config: &Value| config["history"].as_array().unwrap().len();
    assert_eq!(steps(&after), steps(&before));
}

#[test]
fn what_is_not_known_to_us_is_kept() {
    let config = json!({
        "architecture": "arm64", "variant": "v8", "new": {"b": [], "a": null, "created": "x"},
        "config": {"Healthcheck": {"Test": [], "New": 9_007_199_254_740_993_u64}, "New": [], "Cmd": ["", "x"]},
        "history": [{"created_by": "COPY file:0 in / # buildkit", "comment": "buildkit.dockerfile.v0", "new": 1}, "odd"],
    });
    let after = normalised(&config.to_string());
    assert_eq!(after["new"], config["new"]);
    assert_eq!(after["variant"], "v8");
    for name in ["Healthcheck", "New", "Cmd"] {
        assert_eq!(after["config"][name], config["config"][name], "{name}");
    }
    let mut history = config["history"].clone();
    history[0]["created"] = json!("2023-11-14T22:13:20Z");
    assert_eq!(after["history"], history);
}

const SUM: &str = "6b91b3aa43c15a5837d038815ca542051e4fb05a7eb7d2995e2d55d6673a40e1";

/// `SUM` stands for a checksum.
#[rstest]
#[case("/bin/sh -c #(nop) COPY file:SUM in /x      ", "/bin/sh -c #(nop) COPY file in /x")]
#[case("/bin/sh -c #(nop) COPY --link multi:SUM in /x ", "/bin/sh -c #(nop) COPY --link multi in /x")]
#[case("/bin/sh -c #(nop) ADD dir:SUM in /dir ", "/bin/sh -c #(nop) ADD dir in /dir")]
#[case(
    "/bin/sh -c --mount=type=bind,source=a,target=/b ls:sha256:SUM:sha256:SUM",
    "/bin/sh -c --mount=type=bind,source=a,target=/b ls"
)]
// What the Containerfile says itself.
#[case("/bin/sh -c check x:sha256:SUM", "/bin/sh -c check x:sha256:SUM")]
#[case("/bin/sh -c #(nop) ENV a=file:SUM", "/bin/sh -c #(nop) ENV a=file:SUM")]
#[case("/bin/sh -c #(nop) COPY file:0123 in  /x", "/bin/sh -c #(nop) COPY file:0123 in  /x")]
fn steps_say_what_the_containerfile_says(#[case] created_by: &str, #[case] expected: &str) {
    let [created_by, expected] = [created_by, expected].map(|text| text.replace("SUM", SUM));
    let config = json!({"history": [{"created_by": created_by}]});
    assert_eq!(normalised(&config.to_string())["history"][0]["created_by"], expected);
}

#[test]
fn a_commit_of_unknown_time_has_no_label_for_it() {
    let config = normalise(recorded!("plain")[0].as_bytes(), &Commit { time: None, source: None, ..commit() }).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["config"]["Labels"], json!({"org.opencontainers.image.revision": "0123abc"}));
    assert_eq!(config["created"], "1970-01-01T00:00:00Z");
}

#[rstest]
#[case("{}")]
#[case(r#"{"config":null,"history":null,"rootfs":null}"#)]
fn a_configuration_that_says_nothing_gets_labels(#[case] config: &str) {
    assert_eq!(normalised(config)["config"]["Labels"]["org.opencontainers.image.revision"], "0123abc");
}

#[test]
fn what_is_no_object_is_refused() {
    assert!(normalise(b"[]", &commit()).is_err() && normalise(b"", &commit()).is_err());
}
