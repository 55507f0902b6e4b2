//! Images that are published somewhere: only looked at.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use futures::future;
use tokio::sync::Mutex;

use super::Reference;
use crate::{
    check::{Check, Need},
    evidence::Evidence,
    harness::{
        HarnessError, owner,
        podman::{ContainerRun, PullTest},
    },
    look::{Depth, Environment, LookError, Looker, Missing, Patience, Place, Publication, Reader, Wait, account},
    oracle::Violation,
    scenario::{AMD64, ARM64},
    verdict::Verdict,
};

/// The argument with which images that can tell their machine are run.
const TELL_MACHINE: &str = "arch";
/// The check that a given digest makes stricter.
const SAME_DIGEST: &str = "a_tag_has_the_same_digest_on_all_registries";

/// What is looked at, and how.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// What is published.
    pub references: Vec<Reference>,
    /// The digest that each of them must have.
    pub expect_digest: Option<String>,
    /// For how long a registry may not show it yet.
    pub wait: Duration,
    /// A certificate authority that is trusted besides the machine's.
    pub ca: Option<PathBuf>,
    /// Whether images are pulled and run.
    pub run: bool,
}

/// Published images under test.
#[derive(Debug)]
pub struct Live {
    options: LiveOptions,
    /// One a repository: requests to one registry are sent one after the other, to several at once.
    repositories: Vec<Repository>,
}

/// A repository and the tags or digests that are looked at in it.
#[derive(Debug)]
struct Repository {
    place: Place,
    names: Vec<String>,
    reader: Mutex<Reader>,
}

/// What was seen in one repository.
#[derive(Debug, Default)]
struct Sight {
    publications: Vec<Publication>,
    waits: Vec<Wait>,
    trouble: Option<String>,
}

impl Live {
    /// Prepares to look. Accounts come from the environment.
    ///
    /// # Errors
    /// Accounts and certificates that cannot be read.
    pub async fn new(options: LiveOptions, environment: &Environment) -> Result<Self, LookError> {
        let mut asked: BTreeMap<(String, String), (Place, Vec<String>)> = BTreeMap::new();
        for Reference { place, name } in &options.references {
            let (_, names) =
                asked.entry((place.host.clone(), place.name.clone())).or_insert_with(|| (place.clone(), Vec::new()));
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let mut repositories = Vec::new();
        for (place, names) in asked.into_values() {
            let credentials = account(environment, &place).await?;
            let place = Place { ca: options.ca.clone(), credentials, ..place };
            let reader = Mutex::new(Reader::new(Looker::new(place.clone())?, Depth::Layers));
            repositories.push(Repository { place, names, reader });
        }
        Ok(Self { options, repositories })
    }

    /// Reads everything. Registries that do not answer, or not to us, are trouble: nothing is known then.
    ///
    /// What was read before by digest is only asked for again.
    pub async fn take(&self) -> Evidence {
        let registries = self.repositories.iter().map(|it| it.place.server.clone()).collect();
        let mut evidence = Evidence { registries, ..Evidence::default() };
        for sight in future::join_all(self.repositories.iter().map(|it| it.look(&self.options))).await {
            evidence.publications.extend(sight.publications);
            evidence.waits.extend(sight.waits);
            evidence.trouble.extend(sight.trouble);
        }
        if self.options.run && evidence.trouble.is_empty() {
            match self.run().await {
                Ok(containers) => evidence.containers = containers,
                Err(error) => evidence.trouble.push(error.with_causes()),
            }
        }
        evidence
    }

    /// Forgets what was read, so that the next round reads everything anew.
    pub async fn forget(&self) {
        for repository in &self.repositories {
            repository.reader.lock().await.forget();
        }
    }

    /// All references, in words.
    pub fn subject(&self) -> String {
        self.options.references.iter().map(Reference::to_string).collect::<Vec<_>>().join(" ")
    }

    async fn run(&self) -> Result<Vec<ContainerRun>, HarnessError> {
        let folder = owner::folder()?;
        let places: Vec<Place> = self.repositories.iter().map(|it| it.place.clone()).collect();
        let mut pull_test = PullTest::new(&folder.path().join("witness"), &places)?;
        let mut runs = Vec::new();
        for Repository { place, names, .. } in &self.repositories {
            for name in names {
                for platform in [AMD64, ARM64] {
                    runs.push(pull_test.run(place, name, platform, TELL_MACHINE).await?);
                }
            }
        }
        pull_test.remove().await?;
        Ok(runs)
    }

    /// What is missing for a check; none if it can be run.
    fn lacks(&self, check: &Check) -> Option<&'static str> {
        let need = check.needs.iter().find(|need| match need {
            Need::Image => false,
            Need::Podman => !self.options.run,
            Need::Subject | Need::Faults | Need::History | Need::Contents | Need::Workflow | Need::Matrix => true,
        });
        match need {
            Some(Need::Podman) => Some("podman and emulation: --run"),
            Some(need) => Some(need.name()),
            None if check.claim == SAME_DIGEST && !self.compares() => {
                Some("the same tag on another registry, or --expect-digest")
            }
            None => None,
        }
    }

    /// Whether there is anything that a digest can be compared with.
    fn compares(&self) -> bool {
        let mut names: Vec<&String> = self.repositories.iter().flat_map(|it| &it.names).collect();
        names.sort();
        self.options.expect_digest.is_some() || names.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// The verdicts of checks; those that need what published images alone do not give are not run.
    pub fn judge<'a>(&self, checks: &[&'a Check], evidence: &Evidence) -> Vec<(&'a Check, Verdict)> {
        let verdict = |check: &'a Check| match self.lacks(check) {
            Some(lack) => Verdict::NotRun { reason: lack.to_owned() },
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

impl Repository {
    async fn look(&self, options: &LiveOptions) -> Sight {
        let mut sight = Sight::default();
        let mut reader = self.reader.lock().await;
        reader.next_round();
        for name in &self.names {
            if let Err(error) = look_at(&mut reader, name, options, &mut sight).await {
                sight.trouble = Some(told(error, &self.place));
                break;
            }
        }
        sight
    }
}

/// Waits until a reference shows what it should, and reads what it shows then.
async fn look_at(reader: &mut Reader, name: &str, options: &LiveOptions, sight: &mut Sight) -> Result<(), LookError> {
    let mut patience = Patience::new(options.wait);
    let looker = reader.looker().clone();
    let (digest, wait) = looker.settled(name, options.expect_digest.as_deref(), &mut patience).await?;
    sight.waits.extend(wait);
    // Asked for by the digest that the tag has now, it cannot become another image on the way.
    let reference = digest.as_deref().unwrap_or(name);
    let mut publication = reader.publication(reference).await?;
    let late: Vec<String> =
        publication.missing.iter().filter(|it| digest.is_some() && it.is_absent()).filter_map(path).collect();
    if let Some(wait) = looker.arrived(name, &late, &mut patience).await? {
        if wait.came {
            publication = reader.publication(reference).await?;
        }
        sight.waits.push(wait);
    }
    name.clone_into(&mut publication.reference);
    sight.publications.push(publication);
    Ok(())
}

fn path(missing: &Missing) -> Option<String> {
    missing.path.clone()
}

fn told(error: LookError, place: &Place) -> String {
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    HarnessError::other(format!("cannot look at {}", place.repository()))(error).with_causes() + &hint
}
