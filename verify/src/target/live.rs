//! Images that are published somewhere: only looked at.

use std::path::PathBuf;

use crate::{
    check::{Check, Need},
    evidence::Evidence,
    harness::{
        HarnessError,
        podman::{ContainerRun, Witness},
        sweep,
    },
    look::{Depth, Looker, Place, Publication},
    oracle::Violation,
    scenario::{AMD64, ARM64},
    verdict::Verdict,
};

/// The variables with the account for a registry that wants one; `{}` is the host in capitals, other characters as `_`.
const USER_VARIABLE: &str = "VERIFY_USER_";
/// See [`USER_VARIABLE`].
const PASSWORD_VARIABLE: &str = "VERIFY_PASSWORD_";
/// The argument with which images that can tell their machine are run.
const TELL_MACHINE: &str = "arch";

/// What is looked at, and how.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// References: `ghcr.io/acme/hello:1.2.0`, `docker.io/acme/hello@sha256:…`.
    pub references: Vec<String>,
    /// The digest that each of them must have.
    pub expect_digest: Option<String>,
    /// The one certificate authority that is trusted, if not the machine's.
    pub ca: Option<PathBuf>,
    /// Whether images are pulled and run.
    pub run: bool,
}

/// Published images under test.
#[derive(Debug)]
pub struct Live {
    options: LiveOptions,
    /// Repository and tag or digest of each.
    places: Vec<(Place, String)>,
}

impl Live {
    /// Reads references.
    ///
    /// # Errors
    /// The first that names no registry, or no tag and no digest, in words.
    pub fn new(options: LiveOptions) -> Result<Self, String> {
        let place = |reference: &String| {
            let (repository, name) =
                split(reference).ok_or_else(|| format!("`{reference}` has neither tag nor digest"))?;
            let server = repository.split('/').next().unwrap_or_default();
            let place = Place::open(server, repository).ok_or_else(|| format!("`{reference}` names no registry"))?;
            let place = match &options.ca {
                Some(ca) => place.with_ca(ca.clone()),
                None => place,
            };
            Ok::<_, String>((with_account(place), name.to_owned()))
        };
        let places = options.references.iter().map(place).collect::<Result<_, _>>()?;
        Ok(Self { options, places })
    }

    /// Reads everything. Registries that do not answer are trouble: nothing is known then.
    pub async fn take(&self) -> Evidence {
        let registries = self.places.iter().map(|(place, _)| place.server.clone()).collect();
        let mut evidence = Evidence { registries, ..Evidence::default() };
        for (place, name) in &self.places {
            match look(place, name).await {
                Ok(publication) => evidence.publications.push(publication),
                Err(error) => evidence.trouble.push(error.with_causes()),
            }
        }
        if self.options.run && evidence.trouble.is_empty() {
            match self.run().await {
                Ok(containers) => evidence.containers = containers,
                Err(error) => evidence.trouble.push(error.with_causes()),
            }
        }
        evidence
    }

    async fn run(&self) -> Result<Vec<ContainerRun>, HarnessError> {
        let folder = sweep::folder()?;
        let places: Vec<Place> = self.places.iter().map(|(place, _)| place.clone()).collect();
        let mut witness = Witness::new(&folder.path().join("witness"), &places)?;
        let mut runs = Vec::new();
        for (place, name) in &self.places {
            for platform in [AMD64, ARM64] {
                runs.push(witness.see(place, name, platform, TELL_MACHINE).await?);
            }
        }
        witness.remove().await?;
        Ok(runs)
    }

    /// What this target has.
    const fn has(&self, need: Need) -> bool {
        match need {
            Need::Image => true,
            Need::Podman => self.options.run,
            Need::Subject | Need::Faults | Need::History | Need::Contents | Need::Workflow | Need::Matrix => false,
        }
    }

    /// The verdicts of checks; those that need what published images alone do not give are not run.
    pub fn judge<'a>(&self, checks: &[&'a Check], evidence: &Evidence) -> Vec<(&'a Check, Verdict)> {
        let verdict = |check: &'a Check| match check.needs.iter().find(|need| !self.has(**need)) {
            Some(Need::Podman) => Verdict::NotRun { reason: format!("{}: --run", Need::Podman.name()) },
            Some(need) => Verdict::NotRun { reason: need.name().to_owned() },
            None => self.expected(check, evidence).unwrap_or_else(|| check.verdict(evidence)),
        };
        checks.iter().map(|check| (*check, verdict(check))).collect()
    }

    /// A given digest is one more thing that a tag must be on all registries.
    fn expected(&self, check: &Check, evidence: &Evidence) -> Option<Verdict> {
        let expected = self.options.expect_digest.as_deref().filter(|_| check.claim == SAME_DIGEST)?;
        if !evidence.trouble.is_empty() {
            return None;
        }
        let other = evidence.publications.iter().filter(|publication| publication.digest() != Some(expected));
        let violation = |publication: &Publication| {
            let seen = publication.digest().unwrap_or("it is not there");
            Violation::new(format!("{} is {expected}", publication.name()), seen)
        };
        Some(Verdict::of(other.map(violation).collect()))
    }
}

/// The check that a given digest makes stricter.
const SAME_DIGEST: &str = "a_tag_has_the_same_digest_on_all_registries";

async fn look(place: &Place, name: &str) -> Result<Publication, HarnessError> {
    let cannot = || format!("cannot look at {}", place.repository());
    let looker = Looker::new(place.clone()).map_err(HarnessError::other(cannot()))?;
    looker.publication(name, Depth::Layers).await.map_err(HarnessError::other(cannot()))
}

/// Repository and tag or digest: a colon behind the last slash is a tag's, one before it a port's.
fn split(reference: &str) -> Option<(&str, &str)> {
    if let Some((repository, digest)) = reference.split_once('@') {
        return Some((repository, digest));
    }
    let at = reference.rfind(':').filter(|at| !reference[*at..].contains('/'))?;
    Some((&reference[..at], &reference[at + 1..]))
}

fn with_account(place: Place) -> Place {
    let host: String =
        place.host.chars().map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_uppercase() } else { '_' }).collect();
    let variable = |prefix: &str| std::env::var(format!("{prefix}{host}")).ok();
    match (variable(USER_VARIABLE), variable(PASSWORD_VARIABLE)) {
        (Some(user), Some(password)) => place.with_credentials(&user, &password),
        _ => place,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ghcr.io/acme/hello:1.2.0", Some(("ghcr.io/acme/hello", "1.2.0")))]
    #[case("127.0.0.1:5000/acme/hello:latest", Some(("127.0.0.1:5000/acme/hello", "latest")))]
    #[case("ghcr.io/acme/hello@sha256:ab", Some(("ghcr.io/acme/hello", "sha256:ab")))]
    #[case("127.0.0.1:5000/acme/hello", None)]
    #[case("ghcr.io/acme/hello", None)]
    fn references_are_read(#[case] reference: &str, #[case] expected: Option<(&str, &str)>) {
        assert_eq!(split(reference), expected);
    }
}
