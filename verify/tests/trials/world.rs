//! Where things are, at run time: tests are also run from a copy of the project, and from an archive.

use std::{collections::BTreeMap, env, future::Future, path::PathBuf, process::Command};

use verify::{
    harness::{registry::Backend, subject::Subject},
    target::{Local, LocalOptions, Shared},
};

/// The one seed of all trials: what fails once fails again.
pub(crate) const SEED: u64 = 20;

/// The project's folder.
pub(crate) fn project() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo or nextest")).join("..")
}

/// A subject of the project's own, under test.
pub(crate) fn local(name: &str, backend: Backend) -> Local {
    let (subject, environment) = (subject(name), environment());
    Local::new(LocalOptions { subject, environment, backend, image: project().join("fixtures/image"), seed: SEED })
}

/// A subject of the project's own.
pub(crate) fn subject(name: &str) -> Subject {
    let program = project().join("fixtures/subjects").join(name);
    Subject::new(&program).unwrap_or_else(|error| panic!("{error}"))
}

/// What our own subject has to be told: the programs that belong to the tests lie beside them.
pub(crate) fn environment() -> BTreeMap<String, String> {
    let target = env::current_exe().unwrap();
    let publisher = target.parent().unwrap().parent().unwrap().join("publisher");
    BTreeMap::from([("VERIFY_PUBLISHER".to_owned(), publisher.to_string_lossy().into_owned())])
}

/// The evidence of this run of the tests, where all its processes find it.
pub(crate) fn shared() -> Option<Shared> {
    let run = env::var("NEXTEST_RUN_ID").ok()?;
    let target = env::current_exe().unwrap();
    let all = target.parent().unwrap().parent().unwrap().parent().unwrap().join("tmp/verify-evidence");
    Some(Shared::open(&all, &run).unwrap())
}

/// The program under its tests, without this process's settings for it.
pub(crate) fn verify() -> Command {
    let program =
        env::var_os("NEXTEST_BIN_EXE_verify").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_verify")), Into::into);
    let mut command = Command::new(program);
    command.env_remove("VERIFY_LISTEN");
    command
}

/// Runs something to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}
