//! Published images, which are only read.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use futures::future;
use tokio::sync::Mutex;

use super::Reference;
use crate::{
    check::{Check, Need},
    client::{Client, ClientError, Deadline, Depth, Environment, Publication, Reader, Repository, credentials},
    evidence::Evidence,
    harness::{
        HarnessError, owner,
        podman::{ContainerRun, PullTest},
    },
    oracle::Violation,
    scenario::{AMD64, ARM64},
    verdict::Verdict,
};

/// The argument with which images that can tell their machine are run.
const TELL_MACHINE: &str = "arch";
/// The check that a given digest makes stricter.
const SAME_DIGEST: &str = "a_tag_has_the_same_digest_on_all_registries";
/// The status of what does not exist, or not yet.
const NOT_FOUND: u16 = 404;

/// What is judged, and how.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// The images.
    pub references: Vec<Reference>,
    /// The digest that each of them must have.
    pub expect_digest: Option<String>,
    /// How long a registry may take to show it.
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
    /// Requests to one repository are sent one after the other, to several at once.
    repositories: Vec<References>,
}

/// The tags or digests that are read in one repository.
#[derive(Debug)]
struct References {
    repository: Repository,
    names: Vec<String>,
    reader: Mutex<Reader>,
}

impl Live {
    /// Prepares to read. Accounts come from the environment.
    ///
    /// # Errors
    /// Accounts and certificates that cannot be read.
    pub async fn new(options: LiveOptions, environment: &Environment) -> Result<Self, ClientError> {
        let mut grouped: BTreeMap<String, (Repository, Vec<String>)> = BTreeMap::new();
        for Reference { repository, name } in &options.references {
            let group = grouped.entry(repository.to_string());
            let (_, names) = group.or_insert_with(|| (repository.clone(), Vec::new()));
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let mut repositories = Vec::new();
        for (repository, names) in grouped.into_values() {
            let credentials = credentials(environment, &repository).await?;
            let repository = Repository { ca: options.ca.clone(), credentials, ..repository };
            let reader = Mutex::new(Reader::new(Client::new(repository.clone())?, Depth::Layers));
            repositories.push(References { repository, names, reader });
        }
        Ok(Self { options, repositories })
    }

    /// Reads everything. A registry that does not answer, or refuses, is trouble: nothing is known then.
    ///
    /// What was read before by digest is only asked for again.
    pub async fn take(&self) -> Evidence {
        let registries = self.repositories.iter().map(|it| it.repository.server.clone()).collect();
        let mut evidence = Evidence { registries, ..Evidence::default() };
        for part in future::join_all(self.repositories.iter().map(|it| it.read(&self.options))).await {
            evidence.publications.extend(part.publications);
            evidence.waits.extend(part.waits);
            evidence.trouble.extend(part.trouble);
        }
        if self.options.run && evidence.trouble.is_empty() {
            match self.run().await {
                Ok(containers) => evidence.containers = containers,
                Err(error) => evidence.trouble.push(error.with_causes()),
            }
        }
        evidence
    }

    /// Drops what was read, so that the next round reads everything again.
    pub async fn clear(&self) {
        for references in &self.repositories {
            references.reader.lock().await.clear();
        }
    }

    /// All references, as text.
    pub fn subject(&self) -> String {
        self.options.references.iter().map(Reference::to_string).collect::<Vec<_>>().join(" ")
    }

    async fn run(&self) -> Result<Vec<ContainerRun>, HarnessError> {
        let folder = owner::folder()?;
        let repositories: Vec<Repository> = self.repositories.iter().map(|it| it.repository.clone()).collect();
        let mut pull_test = PullTest::new(&folder.path().join("witness"), &repositories)?;
        let mut runs = Vec::new();
        for References { repository, names, .. } in &self.repositories {
            for name in names {
                for platform in [AMD64, ARM64] {
                    runs.push(pull_test.run(repository, name, platform, TELL_MACHINE).await?);
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
            Need::Subject | Need::Workflow | Need::Matrix => true,
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

    /// The verdicts of checks; those that need more than published images are not run.
    pub fn judge<'a>(&self, checks: &[&'a Check], evidence: &Evidence) -> Vec<(&'a Check, Verdict)> {
        let verdict = |check: &'a Check| match self.lacks(check) {
            Some(lack) => Verdict::NotRun { reason: lack.to_owned() },
            None => self.expected(check, evidence).unwrap_or_else(|| check.verdict(evidence)),
        };
        checks.iter().map(|check| (*check, verdict(check))).collect()
    }

    /// The verdict where a digest is given: each tag must have it.
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

impl References {
    async fn read(&self, options: &LiveOptions) -> Evidence {
        let mut evidence = Evidence::default();
        let mut reader = self.reader.lock().await;
        reader.next_round();
        for name in &self.names {
            if let Err(error) = read(&mut reader, name, options, &mut evidence).await {
                let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
                let failed = HarnessError::other(format!("cannot look at {}", self.repository))(error);
                evidence.trouble.push(failed.with_causes() + &hint);
                break;
            }
        }
        evidence
    }
}

/// Waits until a reference shows what it should, and reads what it shows then.
async fn read(
    reader: &mut Reader,
    name: &str,
    options: &LiveOptions,
    evidence: &mut Evidence,
) -> Result<(), ClientError> {
    let mut deadline = Deadline::after(options.wait);
    let client = reader.client().clone();
    let (digest, wait) = client.settled(name, options.expect_digest.as_deref(), &mut deadline).await?;
    evidence.waits.extend(wait);
    // A digest, unlike the tag, cannot become another image meanwhile.
    let reference = digest.as_deref().unwrap_or(name);
    let mut publication = reader.publication(reference).await?;
    let late = publication.missing.iter().filter(|it| digest.is_some() && it.status == Some(NOT_FOUND));
    let late: Vec<String> = late.filter_map(|it| it.path.clone()).collect();
    if let Some(wait) = client.arrived(name, &late, &mut deadline).await? {
        if wait.came {
            publication = reader.publication(reference).await?;
        }
        evidence.waits.push(wait);
    }
    name.clone_into(&mut publication.reference);
    evidence.publications.push(publication);
    Ok(())
}
