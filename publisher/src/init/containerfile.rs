//! Which file describes the build.

use std::{fs, path::Path};

use super::InitError;

/// What it is called, the better name first.
pub(super) const NAMES: [&str; 2] = ["Containerfile", "Dockerfile"];
/// How many folders deep it is looked for.
const DEPTH_MAX: u32 = 3;
/// Folders of others' files.
const FOREIGN: [&str; 4] = ["node_modules", "target", "third_party", "vendor"];

/// The file to build from, its path starting at the root: the root's own, else the only one below it.
pub(super) fn find(root: &Path) -> Result<String, InitError> {
    if let Some(name) = NAMES.iter().find(|name| root.join(name).is_file()) {
        return Ok((*name).to_owned());
    }
    let mut found = Vec::new();
    look(root, "", DEPTH_MAX, &mut found)?;
    found.sort();
    match found.len() {
        0 => Err(InitError::NoContainerfile),
        1 => Ok(found.remove(0)),
        _ => Err(InitError::SeveralContainerfiles(found)),
    }
}

/// Adds the files in a folder and in those below it; of two names in one folder the first.
fn look(folder: &Path, prefix: &str, depth: u32, found: &mut Vec<String>) -> Result<(), InitError> {
    let unread = |source| InitError::File { action: "read", path: folder.into(), source };
    if let Some(name) = NAMES.iter().find(|name| folder.join(name).is_file()) {
        found.push(format!("{prefix}{name}"));
    }
    if depth == 0 {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A link is not followed: it may lead anywhere.
        let is_folder = entry.file_type().map_err(unread)?.is_dir();
        if is_folder && !name.starts_with('.') && !FOREIGN.contains(&name.as_str()) {
            look(&entry.path(), &format!("{prefix}{name}/"), depth - 1, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&["Dockerfile"], "Dockerfile")]
    #[case(&["Dockerfile", "Containerfile"], "Containerfile")]
    #[case(&["Dockerfile", "web/Dockerfile"], "Dockerfile")]
    #[case(&["images/api/Containerfile", "node_modules/x/Dockerfile", ".devcontainer/Dockerfile"], "images/api/Containerfile")]
    #[case(&["web/Dockerfile", "api/Dockerfile"], "there are several files to build from: api/Dockerfile, web/Dockerfile")]
    #[case(&["a/b/c/d/Dockerfile"], "there is no Containerfile and no Dockerfile")]
    fn one_file_is_found(#[case] files: &[&str], #[case] expected: &str) {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "FROM scratch\n").unwrap();
        }
        let found = find(root.path()).unwrap_or_else(|error| error.to_string());
        assert_eq!(found, expected);
    }
}
