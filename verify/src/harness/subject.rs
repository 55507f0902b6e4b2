//! The pipeline under test: an executable that is called once for each stage, in a process group of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, test_kill_process_group, waitid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
    sync::watch as watch_channel,
};

use super::{
    secrets::Secrets,
    stage_process::{self, StageProcess},
    watch,
};
use crate::{
    evidence::{Exit, Stage, StageRun},
    history::Recorder,
};

/// How long one stage may take before it is ended.
pub const STAGE_MAX: Duration = Duration::from_secs(240);
/// The unit of processes' times on all machines that podman runs on (proc(5)).
const TICKS_PER_S: u64 = 100;
/// The largest file that is searched for secrets: files with logins are small.
const LEFT_FILE_BYTES_MAX: u64 = 1 << 20;
/// How often is checked whether the processes of a stage have ended.
const PROCESS_CHECKS_MAX: usize = 20;
/// The time between two such checks.
const BETWEEN_CHECKS: Duration = Duration::from_millis(50);
/// The variables that a subject gets from this process's environment.
const INHERITED: &[&str] =
    &["LANG", "USER", "LOGNAME", "XDG_RUNTIME_DIR", "CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE"];

/// An executable.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its name in reports.
    pub name: String,
    program: PathBuf,
}

/// The processes that run now, so that they can be signalled from elsewhere. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Running(Arc<watch_channel::Sender<Vec<Pid>>>);

impl Running {
    /// Sends a signal to each subject that runs now, as a runner does to a step that it cancels.
    pub fn signal(&self, signal: Signal) {
        for pid in self.0.borrow().iter() {
            // It may just have ended.
            let _ = kill_process(*pid, signal);
        }
    }

    /// Ends each subject that runs now and its children at once, as when a machine dies.
    pub fn kill(&self) {
        for pid in self.0.borrow().iter() {
            let _ = kill_process_group(*pid, Signal::KILL);
        }
    }

    /// The process groups of what runs now.
    pub fn groups(&self) -> Vec<Pid> {
        self.0.borrow().clone()
    }

    /// Waits until nothing runs.
    pub async fn ended(&self) {
        // Its sender is in `self`: it cannot be closed.
        let _ = self.0.subscribe().wait_for(Vec::is_empty).await;
    }
}

/// One call of a subject.
#[derive(Debug)]
pub struct StageCall<'a> {
    /// Which stage.
    pub stage: Stage,
    /// Of which platform, for builds.
    pub platform: Option<&'a str>,
    /// The checkout.
    pub checkout: &'a Path,
    /// A new folder of this call's own, for its output files.
    pub folder: &'a Path,
    /// The job's folder for temporary files.
    pub temporary: &'a Path,
    /// The folder for the hand-over.
    pub handover: &'a Path,
    /// The folder of watched programs.
    pub watched: &'a Path,
    /// All other variables.
    pub environment: &'a BTreeMap<String, String>,
    /// What must not leak.
    pub secrets: &'a Secrets,
    /// The clock.
    pub recorder: &'a Recorder,
    /// Where its process is listed while it runs.
    pub running: &'a Running,
}

impl Subject {
    /// The executable at a path.
    ///
    /// # Errors
    /// A path where there is no executable file.
    pub fn new(program: &Path) -> io::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", program.display()));
        // A symbolic link is kept: programs look at the name by which they are called.
        let program = std::path::absolute(program).map_err(at)?;
        let metadata = fs::metadata(&program).map_err(at)?;
        if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
            return Err(at(io::Error::new(io::ErrorKind::PermissionDenied, "not an executable file")));
        }
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, program })
    }

    /// Calls it and waits until it has ended, or kills it after [`STAGE_MAX`]. Processes that it leaves are killed and recorded.
    ///
    /// # Errors
    /// A process that cannot be started, files that cannot be read: the harness's own failures, never the subject's.
    pub async fn call(&self, call: &StageCall<'_>) -> io::Result<StageRun> {
        let (output, summary, calls) =
            (call.folder.join("output"), call.folder.join("summary"), call.folder.join("calls"));
        let home = call.folder.join("home");
        fs::create_dir_all(&home)?;
        fs::create_dir_all(call.handover)?;
        fs::write(&output, "")?;
        fs::write(&summary, "")?;
        let path = std::env::var("PATH").unwrap_or_default();
        let stage = stage_process::value(call.folder)?;
        let began_ms = call.recorder.now_ms();
        // A process in the background of a shell ignores SIGINT, and its children inherit that; a pipeline on a runner does not.
        let mut child = Command::new("env")
            .arg("--default-signal=INT,TERM")
            .arg(&self.program)
            .arg(call.stage.name())
            .current_dir(call.checkout)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs(call.environment)
            .env("PATH", format!("{}:{path}", call.watched.display()))
            .env(watch::REAL_PATH, &path)
            .env(watch::CALLS, &calls)
            .env(stage_process::VARIABLE, &stage)
            .env("HOME", &home)
            .env("GITHUB_WORKSPACE", call.checkout)
            .env("GITHUB_OUTPUT", &output)
            .env("GITHUB_STEP_SUMMARY", &summary)
            .env("VERIFY_DIGESTS", call.handover)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let group = group.ok_or_else(|| io::Error::other("a process without an id"))?;
        call.running.0.send_modify(|running| running.push(group));
        let stdout = tokio::spawn(read(stdout));
        let stderr = tokio::spawn(read(stderr));
        let ended = tokio::time::timeout(STAGE_MAX, ended(group)).await;
        call.running.0.send_modify(|running| running.retain(|known| *known != group));
        let (end, worked_ms) = match ended {
            Ok(worked_ms) => (end_of(child.wait().await?), worked_ms?),
            Err(_) => (Exit::TimedOut, 0),
        };
        // Processes that it left would keep its output open, and the registries busy. Any of them may just have ended.
        let mut left_behind =
            if end == Exit::TimedOut { stage_process::of_stage(&stage)? } else { left_behind(&stage, group).await? };
        for left in &left_behind {
            let _ = kill_process(left.pid, Signal::KILL);
        }
        if end == Exit::TimedOut {
            let _ = kill_process_group(group, Signal::KILL);
            left_behind.clear();
        }
        child.wait().await?;
        let ended_ms = call.recorder.now_ms();
        let (stdout, stderr) = (stdout.await.map_err(io::Error::other)??, stderr.await.map_err(io::Error::other)??);
        let mut run = StageRun {
            stage: call.stage,
            platform: call.platform.map(str::to_owned),
            began_ms,
            ended_ms,
            worked_ms,
            end,
            leaks: Vec::new(),
            stdout,
            stderr,
            outputs: BTreeMap::new(),
            summary: text(&summary)?,
            handover: files(call.handover)?,
            calls: watch::calls(&calls)?,
            left_behind: left_behind.into_iter().map(|it| it.command_line).collect(),
        };
        let output = text(&output)?;
        run.leaks = leaks(&run, &output, &left_files(&[call.checkout, call.temporary]), call.secrets);
        run.outputs = outputs(&output);
        redact(&mut run, call.secrets);
        Ok(run)
    }
}

/// The places where secrets were found in what a stage printed, wrote, called and left.
fn leaks(run: &StageRun, output: &str, left: &[(String, String)], secrets: &Secrets) -> Vec<String> {
    let printed = [("stdout", &*run.stdout), ("stderr", &run.stderr), ("summary", &run.summary), ("outputs", output)];
    let mut places: Vec<(String, String)> = printed.map(|(place, text)| (place.to_owned(), text.to_owned())).into();
    places.extend(run.calls.iter().map(|call| (format!("arguments of {}", call.words[0]), call.words.join("\n"))));
    places.extend(run.handover.iter().map(|(name, content)| (format!("hand-over file {name}"), content.clone())));
    places.extend(left.iter().map(|(name, content)| (format!("file {name} left behind"), content.clone())));
    let found = |(place, text): &(String, String)| {
        secrets.found_in(text).into_iter().map(|name| format!("{place}: {name}")).collect::<Vec<_>>()
    };
    let leaks: BTreeSet<String> = places.iter().flat_map(found).collect();
    leaks.into_iter().collect()
}

/// Replaces the secrets in what a stage printed, wrote and called.
fn redact(run: &mut StageRun, secrets: &Secrets) {
    let printed = [&mut run.stdout, &mut run.stderr, &mut run.summary].into_iter();
    let words = run.calls.iter_mut().flat_map(|call| &mut call.words);
    for text in printed.chain(run.outputs.values_mut()).chain(run.handover.values_mut()).chain(words) {
        *text = secrets.redact(text);
    }
}

/// Waits until a child has ended, and returns the processor time of it and of the children that it waited for, in milliseconds.
/// The child must still be waited for.
async fn ended(child: Pid) -> io::Result<u64> {
    let wait = move || {
        let left = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        rustix::io::retry_on_intr(|| waitid(WaitId::Pid(child), left))?;
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.as_raw_pid()))?;
        // Its own times and its children's, in user mode and in the kernel: the fields from the fourteenth on, the third being
        // the first behind the name in parentheses (proc(5)).
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: u64 = fields.skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(ticks * 1_000 / TICKS_PER_S)
    };
    tokio::task::spawn_blocking(wait).await.map_err(io::Error::other)?
}

async fn read(source: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(mut source) = source {
        source.read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn text(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}

/// The files of a folder, folders in it left out.
fn files(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.insert(entry.file_name().to_string_lossy().into_owned(), text(&entry.path())?);
        }
    }
    Ok(files)
}

/// The small files below some folders that this user can read, by name. Files of users in podman's namespace contain nothing that
/// a pipeline wrote.
fn left_files(folders: &[&Path]) -> Vec<(String, String)> {
    let mut ahead: Vec<PathBuf> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    let mut left = Vec::new();
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(it) if it.is_dir() => ahead.push(entry.path()),
                Ok(it) if it.is_file() && it.len() <= LEFT_FILE_BYTES_MAX => {
                    if let Ok(text) = text(&entry.path()) {
                        left.push((entry.file_name().to_string_lossy().into_owned(), text));
                    }
                }
                _ => {}
            }
        }
    }
    left
}

fn end_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

/// Reads what was written to `GITHUB_OUTPUT`: `name=value` lines, and `name<<END` blocks.
fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let block = line.split_once("<<").filter(|(name, _)| !name.contains('='));
        if let Some((name, end)) = block {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
            outputs.insert(name.to_owned(), value.join("\n"));
        } else if let Some((name, value)) = line.split_once('=') {
            outputs.insert(name.to_owned(), value.to_owned());
        }
    }
    outputs
}

/// The processes of a stage that do not end soon. A process that just becomes another program has no environment for a moment,
/// but is still in its group.
async fn left_behind(stage: &str, group: Pid) -> io::Result<Vec<StageProcess>> {
    for _ in 0..PROCESS_CHECKS_MAX {
        if test_kill_process_group(group).is_err() && stage_process::of_stage(stage)?.is_empty() {
            return Ok(Vec::new());
        }
        // There is no notice of the end of processes that are not children.
        tokio::time::sleep(BETWEEN_CHECKS).await;
    }
    stage_process::of_stage(stage)
}

#[cfg(test)]
mod tests;
