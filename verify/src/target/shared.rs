//! Evidence that several processes share: a test runner that starts a process for each check makes each scenario once,
//! not once a check.
//!
//! The evidence of a scenario is a file; the process that holds the lock beside it takes it. A process that finds it locked
//! does not wait idly: it takes the evidence of the next scenario that is not locked.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::{evidence::Evidence, scenario::Scenario};

/// A folder of evidence, one for each run of the tests.
#[derive(Debug, Clone)]
pub struct Shared {
    folder: PathBuf,
    /// While it is locked, no other process removes the folder.
    _in_use: Arc<File>,
}

/// The answer to a claim on a scenario.
#[derive(Debug)]
pub enum Claim {
    /// Its evidence is ready.
    Ready(Box<Evidence>),
    /// The caller takes its evidence, then calls [`Shared::put`].
    Make(Lock),
    /// Another process takes it.
    Busy,
}

/// The right to take the evidence of a scenario. It ends when this is dropped, or when its process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    target: PathBuf,
}

impl Shared {
    /// The folder of one run below a folder for all runs. Those of runs that have no process left are removed.
    ///
    /// # Errors
    /// Folders that cannot be made or removed.
    pub fn open(all: &Path, run: &str) -> io::Result<Self> {
        let folder = all.join(run);
        let in_use = occupy(&folder)?;
        for entry in fs::read_dir(all)? {
            let path = entry?.path();
            if path != folder && path.is_dir() {
                remove_unused(&path)?;
            }
        }
        Ok(Self { folder, _in_use: Arc::new(in_use) })
    }

    /// Claims a subject's evidence of a scenario.
    ///
    /// # Errors
    /// Files that cannot be read or made.
    pub fn claim(&self, subject: &str, scenario: Scenario) -> io::Result<Claim> {
        let target = self.folder.join(format!("{subject}-{}.json", scenario.name()));
        if let Some(evidence) = read(&target)? {
            return Ok(Claim::Ready(evidence));
        }
        let file = File::create(target.with_extension("lock"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // It may have been made between the look and the lock.
            Ok(()) => match read(&target)? {
                Some(evidence) => Ok(Claim::Ready(evidence)),
                None => Ok(Claim::Make(Lock { _file: file, target })),
            },
            Err(Errno::WOULDBLOCK) => Ok(Claim::Busy),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until no process takes a subject's evidence of a scenario.
    ///
    /// # Errors
    /// Files that cannot be made.
    pub fn wait(&self, subject: &str, scenario: Scenario) -> io::Result<()> {
        let path = self.folder.join(format!("{subject}-{}.lock", scenario.name()));
        Ok(flock(File::create(path)?, FlockOperation::LockExclusive)?)
    }

    /// Saves evidence for all processes, whole or not at all.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn put(lock: &Lock, evidence: &Evidence) -> io::Result<()> {
        let unfinished = lock.target.with_extension("new");
        let mut file = io::BufWriter::new(File::create(&unfinished)?);
        serde_json::to_writer(&mut file, evidence)?;
        file.flush()?;
        fs::rename(unfinished, &lock.target)
    }
}

fn read(path: &Path) -> io::Result<Option<Box<Evidence>>> {
    match unless_gone(fs::read(path))? {
        Some(bytes) => Ok(Some(Box::new(serde_json::from_slice(&bytes)?))),
        None => Ok(None),
    }
}

/// Makes a folder and locks it, so that no process removes it.
fn occupy(folder: &Path) -> io::Result<File> {
    loop {
        fs::create_dir_all(folder)?;
        let Some(held) = unless_gone(File::open(folder))? else { continue };
        flock(&held, FlockOperation::LockShared)?;
        // Somebody may have removed it before it was held.
        let Some(there) = unless_gone(fs::metadata(folder))? else { continue };
        if there.ino() == held.metadata()?.ino() {
            return Ok(held);
        }
    }
}

/// Removes a folder that no process holds. Two processes may do that at once.
fn remove_unused(folder: &Path) -> io::Result<()> {
    let Some(held) = unless_gone(File::open(folder))? else { return Ok(()) };
    match flock(&held, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => unless_gone(fs::remove_dir_all(folder)).map(drop),
        Err(Errno::WOULDBLOCK) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_taken_once_and_shared() {
        let folder = tempfile::tempdir().unwrap();
        let shared = Shared::open(folder.path(), "run").unwrap();
        let Claim::Make(lock) = shared.claim("ours", Scenario::Manual).unwrap() else { panic!("it is ready") };
        assert!(matches!(shared.claim("ours", Scenario::Manual).unwrap(), Claim::Busy));
        assert!(matches!(shared.claim("ours", Scenario::Cached).unwrap(), Claim::Make(_)));
        assert!(matches!(shared.claim("others", Scenario::Manual).unwrap(), Claim::Make(_)));
        Shared::put(&lock, &Evidence { seed: 7, ..Evidence::default() }).unwrap();
        drop(lock);
        shared.wait("ours", Scenario::Manual).unwrap();
        let Claim::Ready(evidence) = shared.claim("ours", Scenario::Manual).unwrap() else { panic!("it is not ready") };
        assert_eq!(evidence.seed, 7);
    }

    #[test]
    fn a_dropped_claim_is_free_again_and_earlier_runs_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let shared = Shared::open(folder.path(), "run").unwrap();
        drop(shared.claim("ours", Scenario::Manual).unwrap());
        assert!(matches!(shared.claim("ours", Scenario::Manual).unwrap(), Claim::Make(_)));
        drop(shared);
        Shared::open(folder.path(), "next").unwrap();
        assert!(!folder.path().join("run").exists());
    }

    #[test]
    fn runs_at_the_same_time_keep_their_folders() {
        let folder = tempfile::tempdir().unwrap();
        let one = Shared::open(folder.path(), "one").unwrap();
        let other = Shared::open(folder.path(), "other").unwrap();
        for shared in [&one, &other] {
            let Claim::Make(lock) = shared.claim("ours", Scenario::Manual).unwrap() else { panic!("it is ready") };
            Shared::put(&lock, &Evidence::default()).unwrap();
        }
        assert!(matches!(one.claim("ours", Scenario::Manual).unwrap(), Claim::Ready(_)));
    }
}
