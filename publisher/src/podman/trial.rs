//! Runs a container: only that shows that podman and its container runtime (crun) fit together.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::{Podman, PodmanError, host_architecture};

/// Programs that exit with status 0: architecture, its number in ELF headers, machine code.
const EXIT_PROGRAMS: [(&str, u16, &[u8]); 2] = [
    // mov eax, 60; xor edi, edi; syscall
    ("amd64", 62, &[0xb8, 0x3c, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05]),
    // mov x8, 93; mov x0, 0; svc 0
    ("arm64", 183, &[0xa8, 0x0b, 0x80, 0xd2, 0, 0, 0x80, 0xd2, 0x01, 0, 0, 0xd4]),
];
/// Where the program lies in memory.
const ADDRESS: u64 = 0x40_0000;
/// How long an ELF header and its one program header are, in bytes.
const HEADERS_BYTES: u64 = 120;

impl Podman {
    /// Runs a container of one tiny program, without an image and without a network. Nothing is tried on architectures whose
    /// machine code is not known here.
    ///
    /// # Errors
    /// The container did not run.
    pub async fn try_container(&self) -> Result<(), PodmanError> {
        let Some((_, machine, code)) = EXIT_PROGRAMS.iter().find(|(name, ..)| *name == host_architecture()) else {
            return Ok(());
        };
        let folder = tempfile::tempdir().map_err(PodmanError::Temporary)?;
        write_program(&folder.path().join("program"), *machine, code).map_err(PodmanError::Temporary)?;
        let files = folder.path().to_string_lossy();
        self.output("run", &["--rm", "--network=none", "--rootfs", &files, "/program"]).await.map(drop)
    }
}

/// Writes the code as a static executable for Linux: ELF of 64 bits, least significant byte first, with one segment.
fn write_program(file: &Path, machine: u16, code: &[u8]) -> std::io::Result<()> {
    let size = (HEADERS_BYTES + code.len() as u64).to_le_bytes();
    let program = [
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0",
        &2_u16.to_le_bytes()[..],
        &machine.to_le_bytes(),
        &1_u32.to_le_bytes(),
        &(ADDRESS + HEADERS_BYTES).to_le_bytes(),
        &64_u64.to_le_bytes(),
        &[0; 12],
        &[64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        // The segment: to be loaded, read and executed.
        &[1, 0, 0, 0, 5, 0, 0, 0],
        &[0; 8],
        &ADDRESS.to_le_bytes(),
        &ADDRESS.to_le_bytes(),
        &size,
        &size,
        &0x1000_u64.to_le_bytes(),
        code,
    ];
    fs::write(file, program.concat())?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::podman::tests::fake_podman;

    #[test]
    fn the_program_runs_on_this_machine() {
        let Some((_, machine, code)) = EXIT_PROGRAMS.iter().find(|(name, ..)| *name == host_architecture()) else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        write_program(&program, *machine, code).unwrap();
        assert!(std::process::Command::new(program).status().unwrap().success());
    }

    #[tokio::test]
    async fn a_runtime_that_refuses_is_quoted() {
        let (_folder, podman) =
            fake_podman("echo 'Error: OCI runtime error: crun: unknown version specified' >&2; exit 126");
        let error = podman.try_container().await.unwrap_err();
        assert_eq!(error.to_string(), "`podman run` failed: OCI runtime error: crun: unknown version specified");
    }
}
