//! The configuration of an image: exact bytes, and what they say.
//!
//! It is read with a reader of our own because models of OCI's configuration drop `Healthcheck`, which is Docker's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Platform, Raw};

/// A configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Its exact bytes.
    pub raw: Raw,
    /// Its digest, computed over them.
    pub digest: String,
    /// Why nothing can be read from it; none if all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What it says.
    pub facts: Facts,
}

/// What a configuration says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// What the image is made for, by its own account.
    pub platform: Option<Platform>,
    /// When it was made.
    pub created: Option<String>,
    /// As whom it runs.
    pub user: Option<String>,
    /// Where it runs.
    pub working_folder: Option<String>,
    /// What it runs.
    pub entrypoint: Vec<String>,
    /// The arguments of that, or what it runs.
    pub cmd: Vec<String>,
    /// Variables: `NAME=value`.
    pub env: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Docker's health check, as it stands there.
    pub healthcheck: Option<Value>,
    /// The digests of the layers when unpacked, the lowest first.
    pub diff_ids: Vec<String>,
    /// How it was made, step by step.
    pub history: Vec<Step>,
}

/// A step of an image's making.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When it was made.
    #[serde(default)]
    pub created: Option<String>,
    /// By what instruction.
    #[serde(default)]
    pub created_by: Option<String>,
    /// Whether it made no layer.
    #[serde(default)]
    pub empty_layer: bool,
}

impl Config {
    /// Reads a configuration's bytes.
    pub fn read(raw: Raw) -> Self {
        let digest = raw.digest();
        let (facts, problem) = match serde_json::from_slice::<Value>(raw.bytes()) {
            Ok(Value::Object(config)) => (Facts::read(&Value::Object(config)), None),
            Ok(_) => (Facts::default(), Some("not a JSON object".to_owned())),
            Err(error) => (Facts::default(), Some(error.to_string())),
        };
        Self { raw, digest, problem, facts }
    }
}

impl Facts {
    fn read(config: &Value) -> Self {
        let running = &config["config"];
        let platform = Platform {
            os: text(&config["os"]).unwrap_or_default(),
            architecture: text(&config["architecture"]).unwrap_or_default(),
            variant: text(&config["variant"]),
        };
        let labels = running["Labels"].as_object();
        Self {
            platform: Some(platform).filter(|it| !it.os.is_empty() || !it.architecture.is_empty()),
            created: text(&config["created"]),
            user: text(&running["User"]),
            working_folder: text(&running["WorkingDir"]),
            entrypoint: texts(&running["Entrypoint"]),
            cmd: texts(&running["Cmd"]),
            env: texts(&running["Env"]),
            labels: labels
                .into_iter()
                .flatten()
                .filter_map(|(name, value)| Some((name.clone(), text(value)?)))
                .collect(),
            healthcheck: Some(running["Healthcheck"].clone()).filter(|it| !it.is_null()),
            diff_ids: texts(&config["rootfs"]["diff_ids"]),
            history: serde_json::from_value(config["history"].clone()).unwrap_or_default(),
        }
    }

    /// The value of a variable.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().find_map(|it| it.split_once('=').filter(|(it, _)| *it == name).map(|(_, value)| value))
    }

    /// The command that is run, with its arguments.
    pub fn command(&self) -> impl Iterator<Item = &str> {
        self.entrypoint.iter().chain(&self.cmd).map(String::as_str)
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_configuration_says_is_read() {
        let bytes = br#"{"architecture":"arm64","os":"linux","variant":"v8","created":"2026-01-02T03:04:05Z",
            "config":{"User":"65532","Entrypoint":["/bin/app"],"Cmd":["serve"],"Env":["PATH=/bin","X=a=b"],
                      "WorkingDir":"/srv","Labels":{"a":"b"},
                      "Healthcheck":{"Test":["CMD","/bin/app","health"],"Interval":10000000000}},
            "rootfs":{"type":"layers","diff_ids":["sha256:1"]},
            "history":[{"created_by":"COPY"},{"created_by":"ENV","empty_layer":true}]}"#;
        let facts = Config::read(Raw::from(bytes.to_vec())).facts;
        assert_eq!(facts.platform.as_ref().unwrap().name(), "linux/arm64/v8");
        assert_eq!(facts.command().collect::<Vec<_>>(), ["/bin/app", "serve"]);
        assert_eq!((facts.variable("X"), facts.variable("Y")), (Some("a=b"), None));
        assert_eq!(facts.healthcheck.as_ref().unwrap()["Interval"], 10_000_000_000_u64);
        assert_eq!(facts.labels["a"], "b");
        assert_eq!(facts.diff_ids, ["sha256:1"]);
        assert_eq!((facts.user.as_deref(), facts.working_folder.as_deref()), (Some("65532"), Some("/srv")));
        assert!(facts.history[1].empty_layer);
    }

    #[test]
    fn nulls_and_what_is_left_out_are_nothing() {
        let bytes = br#"{"os":"linux","config":{"Entrypoint":null,"Healthcheck":null,"Labels":null}}"#;
        let config = Config::read(Raw::from(bytes.to_vec()));
        assert_eq!((config.problem, config.facts.healthcheck), (None, None));
        assert!(config.facts.labels.is_empty());
    }

    #[test]
    fn what_is_no_configuration_is_told() {
        assert_eq!(Config::read(Raw::from(b"[]".to_vec())).problem.unwrap(), "not a JSON object");
        assert!(Config::read(Raw::from(b"{".to_vec())).problem.is_some());
    }
}
