//! FR-010: images have Docker's format, not OCI's, so that HEALTHCHECK survives.

use std::collections::BTreeMap;

use super::{
    images::{containers, images},
    prelude::*,
    workflows::each_step,
};
use crate::workflow::{Command, Step, commands};

/// Docker's image manifest, version 2, schema 2.
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's image configuration.
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker's layers: the one kind that every runtime reads.
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("no_step_makes_ocis_format", &["FR-010"], formats),
    Check::image("every_image_has_dockers_media_types", &["FR-010"], media_types),
    Check::image("the_health_check_is_in_every_image", &["FR-010", "FR-012"], health_check),
    Check::container("every_container_turns_healthy", &["FR-010", "SC-003"], healthy),
];

/// Of manifests, configurations and layers, by what their own bytes and their descriptors say.
fn media_types(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (image, child) in images(evidence)? {
        let mut expect = |what: &str, is: Option<&str>, should: &str| {
            let expected = format!("{image}: {what} is {should}");
            violations.extend(unless(is == Some(should), expected, is.unwrap_or("nothing")));
        };
        let own = child.manifest.as_ref().and_then(|it| it.own_media_type.as_deref());
        expect("the manifest", own, DOCKER_MANIFEST);
        if let Some(descriptor) = &child.descriptor {
            expect("the list's entry", Some(&descriptor.media_type), DOCKER_MANIFEST);
        }
        let config = child.config_descriptor.as_ref().map(|it| it.media_type.as_str());
        expect("the configuration", config, DOCKER_CONFIG);
        for layer in &child.layers {
            expect("each layer", Some(&layer.descriptor.media_type), DOCKER_LAYER);
        }
    }
    violations.dedup();
    Ok(violations)
}

/// On the raw bytes of the configuration: many a library drops it in passing.
fn health_check(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (image, child) in images(evidence)? {
        // A configuration that cannot be read is missing (FR-011); what it says is unknown.
        let Some(config) = &child.config else { continue };
        let healthcheck = config.facts.healthcheck.as_ref();
        let test = healthcheck.and_then(|it| it.get("Test")?.as_array()?.first());
        let seen = healthcheck.map_or_else(|| "it has none".into(), ToString::to_string);
        violations.extend(unless(test.is_some_and(|word| word != "NONE"), format!("{image} has a health check"), seen));
    }
    Ok(violations)
}

fn healthy(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for it in containers(evidence)? {
        let expected = format!("{}:{} turns healthy on {}", it.server, it.reference, it.platform);
        let healthy = it.health.as_deref() == Some("healthy");
        violations.extend(unless(healthy, expected, format!("it is {:?}", it.health)));
    }
    Ok(violations)
}

/// Commands of podman and buildah whose format is OCI's unless another is asked for.
const FORMATTED: &[(&str, &[&str], &[&str])] = &[
    ("podman", &["build"], &["docker"]),
    ("podman", &["commit"], &["docker"]),
    ("podman", &["manifest", "push"], &["v2s2"]),
    ("buildah", &["build"], &["docker"]),
    ("buildah", &["bud"], &["docker"]),
    ("buildah", &["commit"], &["docker"]),
    ("buildah", &["manifest", "push"], &["v2s2"]),
];
/// The variable that changes what they make.
const FORMAT_VARIABLE: &str = "BUILDAH_FORMAT";

fn formats(evidence: &Evidence) -> Judgement {
    each_step(evidence, |workflow, step| {
        let expected = format!("{}: {} makes Docker's format", workflow.path, step.place);
        let commands = commands(step.script().unwrap_or_default());
        let oci = commands.iter().filter(|command| makes_oci(command, step)).map(|command| command.words.join(" "));
        oci.chain(asked_for_oci(step)).map(|seen| Violation::new(&*expected, seen)).collect()
    })
}

/// What an action that builds is asked for. Attestations, which Docker's own adds by default, exist in OCI's format alone:
/// `BuildKit` changes to it when there are any.
fn asked_for_oci(step: &Step) -> Option<String> {
    let is = |with: &BTreeMap<String, String>, input: &str, value: &str| with.get(input).is_some_and(|it| it == value);
    if let Some(with) = step.with("redhat-actions/buildah-build") {
        return is(with, "oci", "true").then(|| "oci is true".to_owned());
    }
    let with = step.with("docker/build-push-action")?;
    if with.get("outputs").is_some_and(|outputs| outputs.contains("oci-mediatypes=true")) {
        return Some("outputs ask for oci-mediatypes".to_owned());
    }
    let attests = !is(with, "provenance", "false") || with.get("sbom").is_some_and(|it| it != "false");
    let never = step.env.get("BUILDX_NO_DEFAULT_ATTESTATIONS").is_some_and(|it| it == "1" || it == "true");
    (attests && !never).then(|| "it adds attestations: provenance is not false".to_owned())
}

fn makes_oci(command: &Command, step: &Step) -> bool {
    let Some((program, given)) = command.called() else { return false };
    let Some((_, words, good)) = FORMATTED.iter().find(|(name, words, _)| *name == program && given.starts_with(words))
    else {
        return false;
    };
    let asked = given.iter().enumerate().find_map(|(at, word)| match word.strip_prefix("--format") {
        Some("") => given.get(at + 1).copied(),
        Some(rest) => rest.strip_prefix('='),
        None => None,
    });
    let usual = step.env.get(FORMAT_VARIABLE).map(String::as_str).filter(|_| words.len() == 1);
    !asked.or(usual).is_some_and(|format| good.contains(&format.trim_matches('"')))
}
