//! How quick this machine is just now: a thread that does a little work every now and then, and looks how long it took.

use std::{
    fs, hint,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{evidence::LoadSample, history::Recorder};

/// How much work is done at once: more than a processor is given to anybody at a stretch.
const WORK: Duration = Duration::from_millis(15);
/// The time between two pieces of work: they take a thirtieth of a processor.
const BETWEEN: Duration = Duration::from_millis(450);
/// What says for how many nanoseconds this thread has had a processor, in its first word (proc(5)).
const WORKED: &str = "/proc/thread-self/schedstat";
/// How many rounds of work are done between two looks at the clock.
const ROUNDS: u32 = 20_000;

/// A thread that watches how quick the machine is until it is stopped or dropped.
#[derive(Debug)]
pub struct Pace {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Vec<LoadSample>>,
}

impl Pace {
    /// Begins to watch.
    pub fn watch(recorder: Recorder) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut beats = Vec::new();
            while let Some(beat) = beat(&recorder) {
                beats.push(beat);
                if stopped.recv_timeout(BETWEEN) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            beats
        });
        Self { stop, thread }
    }

    /// What was seen; nothing on a system that does not tell for how long a thread has worked.
    pub fn stop(self) -> Vec<LoadSample> {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

fn beat(recorder: &Recorder) -> Option<LoadSample> {
    let at_ms = recorder.now_ms();
    let (began, before) = (Instant::now(), worked()?);
    loop {
        for round in 0..ROUNDS {
            hint::black_box(round);
        }
        let worked = worked()?.saturating_sub(before);
        if worked >= WORK {
            let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            return Some(LoadSample { at_ms, worked_us: micros(worked), took_us: micros(began.elapsed()) });
        }
    }
}

fn worked() -> Option<Duration> {
    let said = fs::read_to_string(WORKED).ok()?;
    said.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_and_never_takes_less_than_it_is() {
        let recorder = Recorder::default();
        let pace = Pace::watch(recorder.clone());
        while recorder.now_ms() < 100 {
            thread::yield_now();
        }
        let beats = pace.stop();
        assert!(!beats.is_empty());
        for beat in beats {
            assert!(beat.worked_us >= 15_000 && beat.took_us * 11 / 10 >= beat.worked_us, "{beat:?}");
        }
    }
}
