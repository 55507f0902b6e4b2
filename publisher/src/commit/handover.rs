//! What the build jobs hand to the merge job: files, because a matrix's outputs overwrite each other.
//!
//! A build writes one digest file a registry, `arm64-ghcr`, about 70 bytes: the digest of the manifest and a line end.
//! Beside them stands one metadata file a platform, `arm64.json`, that says which run, attempt, commit and platform the
//! digest belongs to. The merge believes a digest only with its metadata file, so that files of another run, left in a
//! folder or picked up by mistake, are refused and never published. It also carries the image's manifest and
//! configuration, so that the merge can put them back where another clean-up has removed them meanwhile.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    exit::Failure,
    oci::{Digest, Platform, digest_of},
    podman::Steps,
    registry::Registry,
    stage::{Staged, StagedImage},
};

/// The layout of a metadata file; a merge refuses those of another.
const VERSION: u32 = 2;
/// Digest files and metadata files are small; more is not read, in bytes.
const FILE_MAX: u64 = 4 * 1024 * 1024;

const INCOMPLETE_HINT: &str =
    "every platform's `publisher build` must have succeeded, and all their files must lie in one folder";
const FOREIGN_HINT: &str = "empty the folder before the builds, and let each workflow run hand over its own files only";

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
    /// The image.
    #[serde(flatten)]
    pub image: StagedImage,
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

impl Record {
    /// What a run hands over of an image that it built in these steps and staged.
    pub fn new(staged: &Staged, steps: &Steps, registries: &[Arc<Registry>], identity: &Identity) -> Self {
        // Both are JSON, which is UTF-8; what is not would be found out by its digest.
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let repository = |registry: &Arc<Registry>| (registry.name.clone(), registry.repository.to_string());
        Self {
            version: VERSION,
            identity: identity.clone(),
            image: staged.image.clone(),
            steps: steps.total(),
            steps_reused: steps.reused(),
            cache_keys: steps.keys(),
            repositories: registries.iter().map(repository).collect(),
            manifest: text(&staged.manifest.bytes),
            config: text(&staged.config),
        }
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let record: Self = serde_json::from_str(&read(path)?).map_err(|error| damaged(path, error))?;
        if record.version == VERSION { Ok(record) } else { Err(foreign(path, "layout", record.version, VERSION)) }
    }
}

/// Writes the digest files and the metadata file of one platform into a folder. The metadata file comes last: without it,
/// nothing counts.
///
/// # Errors
/// When a file cannot be written.
pub fn hand_over(folder: &Path, record: &Record) -> Result<(), Failure> {
    let StagedImage { platform, digest, .. } = &record.image;
    let write = |name: String, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| failed("write", &path, error))
    };
    fs::create_dir_all(folder).map_err(|error| failed("create", folder, error))?;
    for registry in record.repositories.keys() {
        write(digest_file(platform, registry), format!("{digest}\n"))?;
    }
    let json = serde_json::to_string_pretty(record).map_err(refused)?;
    write(metadata_file(platform), json + "\n")
}

/// Reads and checks the records of all platforms, in their order.
///
/// # Errors
/// When the set is incomplete, or a file is damaged or belongs to another run, commit, platform or repository.
pub fn take_over(
    folder: &Path,
    platforms: &[Platform],
    registries: &[Arc<Registry>],
    identity: &Identity,
) -> Result<Vec<Record>, Failure> {
    let files = |platform: &Platform| {
        let digests = registries.iter().map(|registry| digest_file(platform, &registry.name));
        digests.chain([metadata_file(platform)]).collect::<Vec<_>>()
    };
    let missing: Vec<_> = platforms.iter().flat_map(files).filter(|name| !folder.join(name).exists()).collect();
    if !missing.is_empty() {
        let (folder, missing) = (folder.display(), missing.join(", no "));
        return Err(refused(format!("the set is incomplete: {folder} has no {missing}")).hint(INCOMPLETE_HINT));
    }
    let same = |path: &Path, field, seen: &str, expected: &str| {
        if seen == expected { Ok(()) } else { Err(foreign(path, field, seen, expected)) }
    };
    let mut records = Vec::new();
    for platform in platforms {
        let path = folder.join(metadata_file(platform));
        let record = Record::read(&path)?;
        let Record { identity: theirs, image, .. } = &record;
        same(&path, "platform", &image.platform.to_string(), &platform.to_string())?;
        same(&path, "run", &theirs.run_id, &identity.run_id)?;
        same(&path, "commit", &theirs.commit, &identity.commit)?;
        if digest_of(record.manifest.as_bytes()) != image.digest {
            return Err(damaged(&path, format!("its manifest is not {}", image.digest)));
        }
        // Records of an earlier attempt are accepted: "re-run failed jobs" keeps those of jobs that succeeded.
        if theirs.run_attempt > identity.run_attempt {
            return Err(foreign(&path, "attempt", theirs.run_attempt, format!("{} or less", identity.run_attempt)));
        }
        for registry in registries {
            let repository = record.repositories.get(&registry.name).map_or("none", String::as_str);
            same(&path, "repository", repository, &registry.repository.to_string())?;
            let path = folder.join(digest_file(platform, &registry.name));
            let digest: Digest = read(&path)?.trim_end().parse().map_err(|error| damaged(&path, error))?;
            same(&path, "digest", digest.as_ref(), image.digest.as_ref())?;
        }
        records.push(record);
    }
    Ok(records)
}

/// What builds staged on a registry, from all metadata files in a folder and in the folders in it.
///
/// # Errors
/// When one cannot be read: half of them prove nothing.
pub fn staged_on(folder: &Path, registry: &Registry) -> Result<Vec<Digest>, Failure> {
    let (mut staged, repository) = (Vec::new(), registry.repository.to_string());
    for path in metadata_files(folder, true)? {
        let Record { image, repositories, .. } = Record::read(&path)?;
        if repositories.values().any(|it| *it == repository) && !staged.contains(&image.digest) {
            staged.push(image.digest);
        }
    }
    Ok(staged)
}

fn read(path: &Path) -> Result<String, Failure> {
    let length = fs::metadata(path).map_err(|error| failed("read", path, error))?.len();
    if length > FILE_MAX {
        return Err(damaged(path, format!("{length} bytes are too many")));
    }
    fs::read_to_string(path).map_err(|error| failed("read", path, error))
}

/// The metadata files in a folder and, one level down, in its folders: where artifacts of several runs are unpacked.
fn metadata_files(folder: &Path, folders_too: bool) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| failed("read", folder, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() && folders_too {
            found.extend(metadata_files(&path, false)?);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn digest_file(platform: &Platform, registry: &str) -> String {
    format!("{}-{registry}", platform.short_name())
}

fn metadata_file(platform: &Platform) -> String {
    format!("{}.json", platform.short_name())
}

fn refused(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
    Failure::other("failed to take over the builds").because(cause)
}

fn failed(action: &str, path: &Path, error: io::Error) -> Failure {
    refused(Failure::other(format!("failed to {action} {}", path.display())).because(error))
}

fn damaged(path: &Path, reason: impl Display) -> Failure {
    refused(format!("{} is damaged: {reason}", path.display()))
}

fn foreign(path: &Path, field: &str, seen: impl Display, expected: impl Display) -> Failure {
    let path = path.display();
    refused(format!("{path} belongs elsewhere: its {field} is {seen}, expected {expected}")).hint(FOREIGN_HINT)
}
