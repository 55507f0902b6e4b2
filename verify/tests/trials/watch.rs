//! `verify watch` as a process: it serves, answers its own probe, and ends when it is asked to.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use libtest_mimic::{Failed, Trial};
use rustix::process::{Pid, Signal, kill_process};

use crate::world::verify;

/// What the service says when it listens; the address follows.
const LISTENING: &str = "listening on http://";

/// One trial for each promise.
pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("watch::a_service_answers_its_probe_and_ends_by_sigterm_with_0", probed_and_ended)]
}

/// Nobody answers at the discard port (RFC 863): the image cannot be looked at, and the service is well all the same.
fn probed_and_ended() -> Result<(), Failed> {
    let watch = ["watch", "127.0.0.1:9/acme/hello:latest", "--listen", "127.0.0.1:0"];
    let mut service = Service(verify().args(watch).stderr(Stdio::piped()).spawn()?);
    let mut log = BufReader::new(service.0.stderr.take().unwrap()).lines();
    let line = log.next().ok_or("the service says nothing")??;
    let address = line.strip_prefix(LISTENING).and_then(|rest| rest.split(',').next());
    let address = address.ok_or_else(|| format!("the service says: {line}"))?;
    let probe = verify().args(["watch", "--probe", "--listen", address]).output()?;
    if !probe.status.success() || !probe.stdout.starts_with(b"ok: ") {
        return Err(format!("the probe says {probe:?}").into());
    }
    kill_process(Pid::from_child(&service.0), Signal::TERM)?;
    let status = service.0.wait()?;
    let last = log.last().ok_or("the service ends without a word")??;
    if status.code() != Some(0) || last != "ended" {
        return Err(format!("it ended with {status} and said {last}").into());
    }
    let probe = verify().args(["watch", "--probe", "--listen", address]).output()?;
    if probe.status.code() == Some(2) {
        Ok(())
    } else {
        Err(format!("nobody is there, but the probe says {probe:?}").into())
    }
}

/// The service; it ends with the trial.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
