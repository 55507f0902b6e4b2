//! Where programs and libraries are looked for: `execvp`'s `PATH`, and the folders of `ld.so(8)`.

use crate::look::config::Facts;

/// The `PATH` of a container whose image names none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where loaders look by default, by processor.
const LIBRARIES: &[&str] = &["/lib64", "/usr/lib64", "/lib/{}", "/usr/lib/{}", "/lib", "/usr/lib", "/usr/local/lib"];
/// Debian's names of processors, for its folders of libraries.
const TRIPLETS: &[&str] = &["x86_64-linux-gnu", "aarch64-linux-gnu", "i386-linux-gnu", "arm-linux-gnueabihf"];

/// Where a program of that name may be, the best first.
pub(super) fn programs(name: &str, facts: &Facts) -> Vec<String> {
    if name.starts_with('/') {
        return vec![name.to_owned()];
    }
    if name.contains('/') {
        return vec![format!("{}/{name}", facts.working_folder.as_deref().unwrap_or("/"))];
    }
    let path = facts.variable("PATH").unwrap_or(PATH);
    path.split(':').filter(|folder| folder.starts_with('/')).map(|folder| format!("{folder}/{name}")).collect()
}

/// Where a library of that name may be, for a program in a folder, the best first.
pub(super) fn libraries(name: &str, own_folders: &[String], origin: &str, facts: &Facts) -> Vec<String> {
    if name.contains('/') {
        return vec![name.to_owned()];
    }
    let own = own_folders.iter().map(|folder| folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin));
    let told = facts.variable("LD_LIBRARY_PATH").into_iter().flat_map(|it| it.split(':')).map(str::to_owned);
    let usual = LIBRARIES.iter().flat_map(|folder| {
        let triplets: &[&str] = if folder.contains("{}") { TRIPLETS } else { &[""] };
        triplets.iter().map(|triplet| folder.replace("{}", triplet))
    });
    own.chain(told).chain(usual).filter(|it| !it.is_empty()).map(|folder| format!("{folder}/{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(env: &[&str]) -> Facts {
        Facts {
            env: env.iter().map(|it| (*it).to_owned()).collect(),
            working_folder: Some("/srv".into()),
            ..Facts::default()
        }
    }

    #[test]
    fn programs_are_found_as_the_kernel_and_shells_find_them() {
        let facts = facts(&["PATH=/opt/bin:relative:/bin"]);
        assert_eq!(programs("app", &facts), ["/opt/bin/app", "/bin/app"]);
        assert_eq!(programs("/x/app", &facts), ["/x/app"]);
        assert_eq!(programs("./app", &facts), ["/srv/./app"]);
        assert_eq!(programs("app", &Facts::default()).len(), 6);
    }

    #[test]
    fn libraries_are_looked_for_in_a_programs_own_folders_first() {
        let found = libraries("libx.so", &["$ORIGIN/../lib".into()], "/opt/bin", &facts(&["LD_LIBRARY_PATH=/l"]));
        assert_eq!(found[..3], ["/opt/bin/../lib/libx.so", "/l/libx.so", "/lib64/libx.so"]);
        assert!(found.contains(&"/usr/lib/aarch64-linux-gnu/libx.so".to_owned()));
    }
}
