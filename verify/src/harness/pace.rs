//! How loaded this machine is: a thread does a little work at intervals, and measures how long it took.

use std::{
    fs, hint,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{evidence::LoadSample, history::Recorder};

/// The processor time of one sample: more than a scheduler's time slice.
const WORK: Duration = Duration::from_millis(15);
/// The time between two samples, which take a thirtieth of a processor.
const BETWEEN: Duration = Duration::from_millis(450);
/// Its first word is the processor time of this thread in nanoseconds (proc(5)).
const WORKED: &str = "/proc/thread-self/schedstat";
/// How many rounds of work are done between two readings of the clock.
const ROUNDS: u32 = 20_000;

/// A thread that takes samples until it is stopped or dropped.
#[derive(Debug)]
pub struct Pace {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Vec<LoadSample>>,
}

impl Pace {
    /// Starts the thread.
    pub fn watch(recorder: Recorder) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut samples = Vec::new();
            while let Some(sample) = sample(&recorder) {
                samples.push(sample);
                if stopped.recv_timeout(BETWEEN) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            samples
        });
        Self { stop, thread }
    }

    /// The samples; none on a system without processor times of threads.
    pub fn stop(self) -> Vec<LoadSample> {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

fn sample(recorder: &Recorder) -> Option<LoadSample> {
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
        let samples = pace.stop();
        assert!(!samples.is_empty());
        for sample in samples {
            assert!(sample.worked_us >= 15_000 && sample.took_us * 11 / 10 >= sample.worked_us, "{sample:?}");
        }
    }
}
