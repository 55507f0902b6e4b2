//! The image that containers run: made from this machine's `docker-registry` and its libraries, so that nothing has to be
//! pulled. A variable names another image.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use bytes::Bytes;
use futures::StreamExt as _;
use testcontainers::bollard::{Docker, body_full, errors::Error, query_parameters::BuildImageOptionsBuilder};
use tokio::task::spawn_blocking;

use super::process::PROGRAM;
use crate::harness::{error::HarnessError, lock};

/// Names another image, such as `docker.io/library/registry:2`.
const VARIABLE: &str = "VERIFY_REGISTRY_IMAGE";
/// The name of the image that is made here.
const NAME: &str = "localhost/tallyman/registry";
/// The folder in the build context that becomes the root of the image.
const ROOT: &str = "root";
/// The port that it listens on in its container.
pub(super) const PORT: u16 = 5000;
const EXECUTABLE: u32 = 0o755;
const READABLE: u32 = 0o644;

/// An image that is in the engine's store, or that the engine can pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) name: String,
    pub(super) tag: String,
}

impl Image {
    fn parse(reference: &str) -> Self {
        // A colon in the last part is before a tag; before that it is before a port.
        let (name, tag) = match reference.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (reference, "latest"),
        };
        Self { name: name.to_owned(), tag: tag.to_owned() }
    }

    fn reference(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }

    /// The image to use. It is built if it does not exist.
    pub(super) async fn provide(docker: &Docker) -> Result<Self, HarnessError> {
        if let Some(named) = std::env::var(VARIABLE).ok().filter(|name| !name.is_empty()) {
            return Ok(Self::parse(&named));
        }
        let (program, version) =
            spawn_blocking(program).await.map_err(HarnessError::other("cannot look for programs"))??;
        let image = Self { name: NAME.to_owned(), tag: tag(&version) };
        if image.is_there(docker).await? {
            return Ok(image);
        }
        let _lock = lock::exclusive("image").await?;
        if !image.is_there(docker).await? {
            image.build(docker, program).await?;
        }
        Ok(image)
    }

    async fn is_there(&self, docker: &Docker) -> Result<bool, HarnessError> {
        match docker.inspect_image(&self.reference()).await {
            Ok(_) => Ok(true),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(error) => Err(HarnessError::engine("look for an image")(error)),
        }
    }

    async fn build(&self, docker: &Docker, program: PathBuf) -> Result<(), HarnessError> {
        let context = spawn_blocking(move || context(&program));
        let context = context.await.map_err(HarnessError::other("cannot read programs"))?;
        let context = context.map_err(HarnessError::io(format!("cannot read {PROGRAM}")))?;
        let options = BuildImageOptionsBuilder::new().dockerfile("Containerfile").t(&self.reference()).rm(true).build();
        let mut progress = docker.build_image(options, None, Some(body_full(Bytes::from(context))));
        while let Some(step) = progress.next().await {
            step.map_err(HarnessError::engine("build the registry's image"))?;
        }
        Ok(())
    }
}

/// The program on this machine and its version.
fn program() -> Result<(PathBuf, String), HarnessError> {
    let missing = || HarnessError::ProgramMissing { program: PROGRAM.to_owned() };
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&paths).map(|folder| folder.join(PROGRAM)).find(|file| file.is_file());
    let program = program.ok_or_else(missing)?;
    let said = Command::new(&program).arg("--version").output().map_err(|_| missing())?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.split_whitespace().last().unwrap_or("unknown").trim_start_matches('v').to_owned();
    Ok((program, version))
}

/// A version as a tag, in which not all characters are allowed.
fn tag(version: &str) -> String {
    version.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' }).collect()
}

/// The build context: the program and its libraries, at their own paths.
fn context(program: &Path) -> io::Result<Vec<u8>> {
    let program = program.canonicalize()?;
    let containerfile =
        format!("FROM scratch\nCOPY {ROOT}/ /\nEXPOSE {PORT}\nENTRYPOINT [\"{}\", \"serve\"]\n", program.display());
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, "Containerfile", containerfile.as_bytes(), READABLE)?;
    for file in libraries(&program)?.iter().chain([&program]) {
        let path = format!("{ROOT}{}", file.display());
        append(&mut archive, &path, &fs::read(file)?, EXECUTABLE)?;
    }
    archive.into_inner()
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    archive.append_data(&mut header, path, bytes)
}

/// The libraries that the loader would load, and the loader itself; nothing for a static program.
fn libraries(program: &Path) -> io::Result<Vec<PathBuf>> {
    let said = Command::new("ldd").arg(program).output()?;
    Ok(paths(&String::from_utf8_lossy(&said.stdout)))
}

/// The absolute paths in what ldd says: `libc.so.6 => /lib/libc.so.6 (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`.
fn paths(said: &str) -> Vec<PathBuf> {
    said.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("docker.io/library/registry:2", "docker.io/library/registry", "2")]
    #[case("registry", "registry", "latest")]
    #[case("127.0.0.1:5000/registry", "127.0.0.1:5000/registry", "latest")]
    #[case("127.0.0.1:5000/registry:2.8.3", "127.0.0.1:5000/registry", "2.8.3")]
    fn a_reference_has_a_name_and_a_tag(#[case] reference: &str, #[case] name: &str, #[case] tag: &str) {
        assert_eq!(Image::parse(reference), Image { name: name.to_owned(), tag: tag.to_owned() });
    }

    #[test]
    fn a_version_becomes_a_tag() {
        assert_eq!(tag("2.8.3+ds1"), "2.8.3-ds1");
    }

    #[test]
    fn libraries_are_read_from_the_output_of_ldd() {
        let said = "\tlinux-vdso.so.1 (0x7f)\n\tlibc.so.6 => /usr/lib/libc.so.6 (0x7f)\n\t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
        assert_eq!(paths(said), [Path::new("/usr/lib/libc.so.6"), Path::new("/lib64/ld-linux-x86-64.so.2")]);
        assert!(paths("\tnot a dynamic executable\n").is_empty());
    }
}
