//! `publisher doctor`: what this machine lacks for building images without root, and how to fix it.
//!
//! Nothing is installed or changed; one container is run, as nothing else shows that podman and its runtime fit together.
//! podman's own view of its host (`podman info`) comes first; where podman is absent or fails, files and programs are
//! examined, so that one call shows everything that is missing. A warning is something that a build may do without.

mod emulation;
mod finding;
mod machine;
mod podman;

use crate::{
    auth,
    config::{Config, DEFAULT_PLATFORMS, Settings, load},
    environment::Environment,
    oci::Platform,
    podman::Podman,
};
pub use finding::{Diagnosis, Finding, Status};
use machine::{Machine, network, user};

/// Examines everything that a publish needs. Without a readable configuration the default platforms are examined, and the
/// configuration is a finding of its own.
pub async fn doctor(environment: &Environment, settings: &Settings) -> Diagnosis {
    let folder = std::env::current_dir().unwrap_or_default();
    let mut environment = environment.clone();
    let (platforms, of_configuration) = match load(&folder, settings, &environment) {
        Ok(config) => {
            environment = environment.withholding(config.passwords());
            (config.platforms.clone(), credentials(&environment, &config).await)
        }
        Err(failure) => {
            let detail = format!("{}: {failure}", folder.display());
            let finding = Finding { fix: failure.hint, ..Finding::warning("configuration", detail, "") };
            (DEFAULT_PLATFORMS.iter().filter_map(|text| text.parse().ok()).collect(), vec![finding])
        }
    };
    let user_id = rustix::process::getuid().as_raw();
    let machine = Machine::new(&environment, "/");
    let mut findings = examine(&machine, &Podman::new(&environment), &platforms, user_id).await;
    findings.extend(of_configuration);
    findings.into()
}

/// Examines the machine for building images for these platforms.
async fn examine(machine: &Machine<'_>, podman: &Podman, platforms: &[Platform], user_id: u32) -> Vec<Finding> {
    let answer = podman.info().await;
    let info = answer.as_ref().ok();
    // Without podman there is nothing to run.
    let ran = if info.is_some() { podman.try_container().await } else { Ok(()) };
    let git = "the commit and its time are taken from variables";
    [
        podman::findings(answer.as_ref(), ran.as_ref().copied()),
        user(machine, info, user_id),
        network(machine, info),
        emulation::findings(machine, platforms),
        vec![machine.examine_program("git", "git", "git", git).not_required()],
    ]
    .concat()
}

/// Where the credentials of each registry come from; never what they are.
async fn credentials(environment: &Environment, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for registry in &config.registries {
        let (name, repository) = (&registry.name, &registry.repository);
        findings.push(match auth::find(environment, repository, registry.secret_names()).await {
            Ok(found) => {
                let detail = format!("{repository}, credentials: {}", found.origin);
                if !found.credential.is_anonymous() || repository.host.is_loopback() {
                    Finding::ok(name, detail)
                } else {
                    Finding::warning(name, detail, format!("set the variables, or podman login {}", repository.host))
                }
            }
            Err(error) => Finding { fix: error.hint(), ..Finding::warning(name, error.to_string(), "") },
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::machine::tests::{environment, machine_with},
        podman::tests::{INFO, fake_podman, podman_named},
    };

    /// A user of this machine, an ordinary one.
    const USER: u32 = 1001;

    #[tokio::test]
    async fn a_machine_with_everything_is_fit() {
        let files = ["bin/newuidmap", "bin/newgidmap", "bin/pasta", "bin/git"];
        let files: Vec<_> = files.iter().map(|file| format!("/usr/{file}")).collect();
        let files: Vec<_> = files.iter().map(|file| (file.as_str(), "")).chain([("/dev/net/tun", "")]).collect();
        let (root, environment) = (machine_with(&files), environment());
        let (_folder, podman) = fake_podman(&format!("cat <<'JSON'\n{INFO}\nJSON\n"));
        let found = examine(&Machine::new(&environment, root.path()), &podman, &[], USER).await;
        let diagnosis = Diagnosis::from(found);
        assert!(diagnosis.fit, "{diagnosis}");
    }

    #[tokio::test]
    async fn an_empty_machine_lacks_everything_and_says_so_at_once() {
        let (root, environment) = (machine_with(&[]), environment());
        let podman = podman_named(&root.path().join("podman"));
        let found = examine(&Machine::new(&environment, root.path()), &podman, &[], USER).await;
        let missing: Vec<_> = found.iter().filter(|f| f.status == Status::Missing).map(|f| f.name.as_str()).collect();
        let expected =
            ["podman", "/etc/subuid", "/etc/subgid", "newuidmap", "newgidmap", "/dev/net/tun", "rootless network"];
        assert_eq!(missing, expected);
        assert!(!Diagnosis::from(found).fit);
    }
}
