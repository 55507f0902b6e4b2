//! The configuration of an image: exact bytes, and the fields that checks need.
//!
//! It is parsed here because models of OCI's configuration drop `Healthcheck`, which is Docker's.

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
    /// Why it cannot be parsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Its fields.
    pub facts: Facts,
}

/// The fields of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The image's platform.
    pub platform: Option<Platform>,
    /// Its working directory.
    pub working_folder: Option<String>,
    /// Its entry point.
    pub entrypoint: Vec<String>,
    /// The arguments of that, or the command.
    pub cmd: Vec<String>,
    /// Variables: `NAME=value`.
    pub env: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Docker's health check, as it is.
    pub healthcheck: Option<Value>,
    /// The digests of the unpacked layers, the lowest first.
    pub diff_ids: Vec<String>,
}

impl Config {
    /// Parses a configuration.
    pub fn parse(raw: Raw) -> Self {
        let digest = raw.digest();
        let (facts, problem) = match serde_json::from_slice::<Value>(raw.bytes()) {
            Ok(config) if config.is_object() => (Facts::of(&config), None),
            Ok(_) => (Facts::default(), Some("not a JSON object".to_owned())),
            Err(error) => (Facts::default(), Some(error.to_string())),
        };
        Self { raw, digest, problem, facts }
    }
}

impl Facts {
    fn of(config: &Value) -> Self {
        let container = &config["config"];
        let platform: Option<Platform> = serde_json::from_value(config.clone()).ok();
        let labels = container["Labels"].as_object().into_iter().flatten();
        Self {
            platform: platform.filter(|it| !it.os.is_empty() || !it.architecture.is_empty()),
            working_folder: text(&container["WorkingDir"]),
            entrypoint: texts(&container["Entrypoint"]),
            cmd: texts(&container["Cmd"]),
            env: texts(&container["Env"]),
            labels: labels.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect(),
            healthcheck: Some(container["Healthcheck"].clone()).filter(|it| !it.is_null()),
            diff_ids: texts(&config["rootfs"]["diff_ids"]),
        }
    }

    /// The value of a variable.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().find_map(|it| it.split_once('=').filter(|(it, _)| *it == name).map(|(_, value)| value))
    }

    /// The command that is run, with its arguments.
    pub fn command(&self) -> Vec<String> {
        [&self.entrypoint[..], &self.cmd].concat()
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
    fn a_configuration_is_parsed() {
        let bytes = br#"{"architecture":"arm64","os":"linux","variant":"v8","created":"2026-01-02T03:04:05Z",
            "config":{"User":"65532","Entrypoint":["/bin/app"],"Cmd":["serve"],"Env":["PATH=/bin","X=a=b"],
                      "WorkingDir":"/srv","Labels":{"a":"b"},
                      "Healthcheck":{"Test":["CMD","/bin/app","health"],"Interval":10000000000}},
            "rootfs":{"type":"layers","diff_ids":["sha256:1"]}}"#;
        let facts = Config::parse(Raw::from(bytes.to_vec())).facts;
        assert_eq!(facts.platform.as_ref().unwrap().name(), "linux/arm64/v8");
        assert_eq!(facts.command(), ["/bin/app", "serve"]);
        assert_eq!((facts.variable("X"), facts.variable("Y")), (Some("a=b"), None));
        assert_eq!(facts.healthcheck.as_ref().unwrap()["Interval"], 10_000_000_000_u64);
        assert_eq!(facts.labels["a"], "b");
        assert_eq!(facts.diff_ids, ["sha256:1"]);
        assert_eq!(facts.working_folder.as_deref(), Some("/srv"));
    }

    #[test]
    fn null_counts_as_absent() {
        let bytes = br#"{"os":"linux","config":{"Entrypoint":null,"Healthcheck":null,"Labels":null}}"#;
        let config = Config::parse(Raw::from(bytes.to_vec()));
        assert_eq!((config.problem, config.facts.healthcheck), (None, None));
        assert!(config.facts.labels.is_empty());
    }

    #[test]
    fn what_cannot_be_parsed_has_a_problem() {
        assert_eq!(Config::parse(Raw::from(b"[]".to_vec())).problem.unwrap(), "not a JSON object");
        assert!(Config::parse(Raw::from(b"{".to_vec())).problem.is_some());
    }
}
