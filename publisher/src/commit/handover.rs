//! What the build jobs hand to the merge job: files, because a matrix's outputs overwrite each other.
//!
//! A build writes one digest file a registry, `arm64-ghcr`, about 70 bytes: the digest of the manifest and a line end.
//! Beside them stands one metadata file a platform, `arm64.json`, that says which run, attempt, commit and platform the
//! digest belongs to. The merge believes a digest only with its metadata file, so that files of another run, left in a
//! folder or picked up by mistake, are refused and never published. It also carries the image's manifest and
//! configuration, so that the merge can put them back where another clean-up has removed them meanwhile.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    exit::{Exit, Failure},
    oci::{Digest, Platform, digest_of},
    podman::Steps,
    registry::Registry,
    stage::Staged,
};

/// The layout of a metadata file; a merge refuses those of another.
const VERSION: u32 = 2;
/// Digest files and metadata files are small; more is not read, in bytes.
const FILE_MAX: u64 = 4 * 1024 * 1024;

/// Which run a digest belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// GitHub's number of the run, the same in all its jobs and attempts; `local` outside GitHub.
    pub run_id: String,
    /// The attempt, from 1; a re-run of failed jobs counts it up and keeps the files of the jobs that succeeded.
    pub run_attempt: u32,
    /// The commit, in hexadecimal.
    pub commit: String,
}

/// A metadata file: what is known of one platform's image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    #[serde(flatten)]
    identity: Identity,
    /// The platform that the image was built for.
    pub platform: Platform,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Compressed bytes of configuration and layers.
    pub size: u64,
    /// How many layers the image has.
    pub layers: usize,
    /// How many of them every repository held before.
    pub layers_known: usize,
    /// Bytes sent to all registries together.
    pub bytes_uploaded: u64,
    /// How many steps its build has.
    #[serde(default)]
    pub steps: usize,
    /// How many of them were taken from a cache.
    #[serde(default)]
    pub steps_reused: usize,
    /// The keys of its steps in the layer cache; none where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cache_keys: Vec<String>,
    /// The repositories that hold it, by the registry's short name.
    repositories: BTreeMap<String, String>,
    /// The image's manifest, byte for byte.
    pub manifest: String,
    /// Its configuration, byte for byte.
    pub config: String,
}

/// A folder of digest files and metadata files.
#[derive(Debug, Clone)]
pub struct HandOver {
    folder: PathBuf,
}

/// Why a hand-over is not to be trusted.
#[derive(Debug, Error)]
pub enum HandOverError {
    /// A file could not be written or read.
    #[error("failed to {action} {}", .path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Platforms or registries are missing.
    #[error("the set is incomplete: {} has no {}", .folder.display(), .missing.join(", no "))]
    Incomplete {
        /// Where it was looked for.
        folder: PathBuf,
        /// The files that are not there.
        missing: Vec<String>,
    },
    /// A file holds something else than it should.
    #[error("{} is damaged: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file belongs to another run, commit, platform or repository.
    #[error("{} belongs elsewhere: its {field} is {seen}, expected {expected}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What differs.
        field: &'static str,
        /// What the file says.
        seen: String,
        /// What this run is.
        expected: String,
    },
}

impl Record {
    /// What a run hands over of an image that it built in these steps and staged.
    pub fn new(staged: &Staged, steps: &Steps, registries: &[impl AsRef<Registry>], identity: &Identity) -> Self {
        // Both are JSON, which is UTF-8; what is not would be found out by its digest.
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let repository = |registry: &Registry| (registry.name().to_owned(), registry.repository().to_string());
        Self {
            version: VERSION,
            identity: identity.clone(),
            platform: staged.platform.clone(),
            digest: staged.manifest.digest.clone(),
            size: staged.size,
            layers: staged.layers,
            layers_known: staged.layers_known,
            bytes_uploaded: staged.bytes_uploaded,
            steps: steps.total(),
            steps_reused: steps.reused(),
            cache_keys: steps.keys(),
            repositories: registries.iter().map(|registry| repository(registry.as_ref())).collect(),
            manifest: text(&staged.manifest.bytes),
            config: text(&staged.config),
        }
    }

    fn read(path: &Path) -> Result<Self, HandOverError> {
        let record: Self = serde_json::from_str(&read(path)?).map_err(|error| damaged(path, error))?;
        if record.version == VERSION {
            Ok(record)
        } else {
            Err(foreign(path, "layout", record.version.to_string(), VERSION.to_string()))
        }
    }
}

impl HandOver {
    /// A hand-over in a folder, which is made when something is written.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Writes the digest files and the metadata file of one platform, which comes last: without it, nothing counts.
    pub fn write(&self, record: &Record) -> Result<(), HandOverError> {
        let name = record.platform.short_name();
        fs::create_dir_all(&self.folder).map_err(file("create", &self.folder))?;
        for registry in record.repositories.keys() {
            self.put(&format!("{name}-{registry}"), &format!("{}\n", record.digest))?;
        }
        let path = self.folder.join(metadata_file(&record.platform));
        let json = serde_json::to_string_pretty(record).map_err(|error| damaged(&path, error))?;
        self.put(&metadata_file(&record.platform), &(json + "\n"))
    }

    /// Reads and checks the records of all platforms, in their order.
    pub fn read(
        &self,
        platforms: &[Platform],
        registries: &[impl AsRef<Registry>],
        identity: &Identity,
    ) -> Result<Vec<Record>, HandOverError> {
        let names = |platform: &Platform| {
            let name = platform.short_name();
            let files = registries.iter().map(move |registry| format!("{name}-{}", registry.as_ref().name()));
            files.chain([metadata_file(platform)]).collect::<Vec<_>>()
        };
        let expected = platforms.iter().flat_map(names);
        let missing: Vec<String> = expected.filter(|name| !self.folder.join(name).exists()).collect();
        if !missing.is_empty() {
            return Err(HandOverError::Incomplete { folder: self.folder.clone(), missing });
        }
        platforms.iter().map(|platform| self.read_platform(platform, registries, identity)).collect()
    }

    /// What builds staged on a registry, from all metadata files in this folder and in the folders in it.
    ///
    /// # Errors
    /// When one cannot be read: half of them prove nothing.
    pub fn staged_on(&self, registry: &Registry) -> Result<Vec<Digest>, HandOverError> {
        let mut staged = Vec::new();
        for path in metadata_files(&self.folder, true)? {
            let record = Record::read(&path)?;
            let repository = registry.repository().to_string();
            if record.repositories.values().any(|it| *it == repository) && !staged.contains(&record.digest) {
                staged.push(record.digest);
            }
        }
        Ok(staged)
    }

    fn read_platform(
        &self,
        platform: &Platform,
        registries: &[impl AsRef<Registry>],
        identity: &Identity,
    ) -> Result<Record, HandOverError> {
        let path = self.folder.join(metadata_file(platform));
        let record = Record::read(&path)?;
        let same = |field, seen: &dyn ToString, expected: &dyn ToString| {
            let (seen, expected) = (seen.to_string(), expected.to_string());
            if seen == expected { Ok(()) } else { Err(foreign(&path, field, seen, expected)) }
        };
        same("platform", &record.platform, platform)?;
        same("run", &record.identity.run_id, &identity.run_id)?;
        same("commit", &record.identity.commit, &identity.commit)?;
        if digest_of(record.manifest.as_bytes()) != record.digest {
            return Err(damaged(&path, format!("its manifest is not {}", record.digest)));
        }
        // Records of an earlier attempt are accepted: "re-run failed jobs" keeps those of jobs that succeeded.
        if record.identity.run_attempt > identity.run_attempt {
            let (seen, ours) = (record.identity.run_attempt, identity.run_attempt);
            return Err(foreign(&path, "attempt", seen.to_string(), format!("{ours} or less")));
        }
        for registry in registries.iter().map(AsRef::as_ref) {
            let repository = record.repositories.get(registry.name()).map_or("none", String::as_str);
            same("repository", &repository, registry.repository())?;
            let path = self.folder.join(format!("{}-{}", platform.short_name(), registry.name()));
            let digest: Digest = read(&path)?.trim_end().parse().map_err(|error| damaged(&path, error))?;
            if digest != record.digest {
                return Err(foreign(&path, "digest", digest.to_string(), record.digest.to_string()));
            }
        }
        Ok(record)
    }

    fn put(&self, name: &str, text: &str) -> Result<(), HandOverError> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(file("write", &path))
    }
}

fn read(path: &Path) -> Result<String, HandOverError> {
    let length = fs::metadata(path).map_err(file("read", path))?.len();
    if length > FILE_MAX {
        return Err(damaged(path, format!("{length} bytes are too many")));
    }
    fs::read_to_string(path).map_err(file("read", path))
}

impl From<HandOverError> for Failure {
    fn from(error: HandOverError) -> Self {
        let hint = match &error {
            HandOverError::Incomplete { .. } => Some(
                "every platform's `publisher build` must have succeeded, and all their files must lie in one folder",
            ),
            HandOverError::Foreign { .. } => {
                Some("empty the folder before the builds, and let each workflow run hand over its own files only")
            }
            HandOverError::File { .. } | HandOverError::Damaged { .. } => None,
        };
        let failure = Self::new(Exit::Failed, "failed to take over the builds").because(error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// The metadata files in a folder and, one level down, in its folders: where artifacts of several runs are unpacked.
fn metadata_files(folder: &Path, folders_too: bool) -> Result<Vec<PathBuf>, HandOverError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(file("read", folder))? {
        let path = entry.map_err(file("read", folder))?.path();
        if path.is_dir() && folders_too {
            found.extend(metadata_files(&path, false)?);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn metadata_file(platform: &Platform) -> String {
    format!("{}.json", platform.short_name())
}

fn file<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> HandOverError + use<'a> {
    move |source| HandOverError::File { action, path: path.into(), source }
}

fn damaged(path: &Path, reason: impl std::fmt::Display) -> HandOverError {
    HandOverError::Damaged { path: path.into(), reason: reason.to_string() }
}

fn foreign(path: &Path, field: &'static str, seen: String, expected: String) -> HandOverError {
    HandOverError::Foreign { path: path.into(), field, seen, expected }
}
