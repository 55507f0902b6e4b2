//! The time that a pipeline lost because the machine had other work to do.
//!
//! Times are judged as if the pipeline had the machine for itself. The loss is bounded: a process that works for a second
//! and gets a fifth of a processor loses four. Time in which it sleeps or waits is never taken off, however loaded the machine
//! is.

use serde::{Deserialize, Serialize};

use super::{Evidence, StageRun};

/// No machine is so slow that times on it say nothing at all.
const SLOWDOWN_MAX: f64 = 50.0;

/// How much of what work can have lost it has lost for certain. Seen where 1.1 s of work, slowed down 23 times, took 15 s:
/// processes of one pipeline wait at the same time as each other, and short ones wait less.
const CERTAIN: f64 = 0.5;

/// A piece of work that the harness did to see how quick the machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadSample {
    /// When it was done, in milliseconds since the scenario began.
    pub at_ms: u64,
    /// For how long a processor worked on it, in microseconds.
    pub worked_us: u64,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

impl Evidence {
    /// How many times longer work took between two moments than it would have with a processor for itself.
    fn slowdown(&self, began_ms: u64, ended_ms: u64) -> f64 {
        let samples = self.pace.iter().filter(|sample| (began_ms..=ended_ms).contains(&sample.at_ms));
        let (worked, took) =
            samples.fold((0, 0), |(worked, took), sample| (worked + sample.worked_us, took + sample.took_us));
        if worked == 0 { 1.0 } else { (as_f64(took) / as_f64(worked)).clamp(1.0, SLOWDOWN_MAX) }
    }

    /// What a time would have been at least, had the stages in it not waited for processors. Of stages at the same time, only
    /// the one counts that lost the most: they waited at the same time, too.
    pub fn at_ease_ms<'a>(&self, took_ms: u64, stages: impl IntoIterator<Item = &'a StageRun>) -> u64 {
        let mut stages: Vec<&StageRun> = stages.into_iter().collect();
        stages.sort_by_key(|stage| stage.began_ms);
        let (mut lost, mut together, mut until_ms) = (0.0, 0.0_f64, 0);
        for stage in stages {
            let here = self.lost_ms(stage);
            if stage.began_ms < until_ms {
                together = together.max(here);
            } else {
                lost += std::mem::replace(&mut together, here);
            }
            until_ms = until_ms.max(stage.ended_ms);
        }
        let lost = std::time::Duration::from_secs_f64((lost + together) / 1_000.0);
        took_ms.saturating_sub(u64::try_from(lost.as_millis()).unwrap_or(u64::MAX))
    }

    fn lost_ms(&self, stage: &StageRun) -> f64 {
        as_f64(stage.worked_ms) * (self.slowdown(stage.began_ms, stage.ended_ms) - 1.0) * CERTAIN
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of times needs no more digits")]
const fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Exit, Stage};

    fn stage(worked_ms: u64, ended_ms: u64) -> StageRun {
        StageRun { worked_ms, ..StageRun::silent(Stage::Build, 0, ended_ms, Exit::Code(0)) }
    }

    /// Beats of 10 ms, each slowed down like this.
    fn evidence(slowdowns: &[u64]) -> Evidence {
        let sample = |(number, slowdown): (u64, &u64)| LoadSample {
            at_ms: number * 100,
            worked_us: 10_000,
            took_us: 10_000 * slowdown,
        };
        Evidence { pace: (0..).zip(slowdowns).map(sample).collect(), ..Evidence::default() }
    }

    #[test]
    fn on_an_idle_machine_times_are_what_they_are() {
        assert_eq!(evidence(&[1, 1, 1]).at_ease_ms(5_000, &[stage(2_000, 200)]), 5_000);
        assert_eq!(Evidence::default().at_ease_ms(5_000, &[stage(2_000, 200)]), 5_000);
    }

    #[test]
    fn half_of_what_work_can_have_lost_to_others_is_taken_off() {
        assert_eq!(evidence(&[5, 5, 5]).at_ease_ms(9_000, &[stage(2_000, 200)]), 5_000);
        assert_eq!(evidence(&[5, 5, 5]).at_ease_ms(3_000, &[stage(2_000, 200)]), 0);
    }

    #[test]
    fn stages_at_the_same_time_lose_the_same_time() {
        let later = StageRun { began_ms: 200, ..stage(500, 300) };
        let stages = [later, stage(1_000, 200), stage(2_000, 200)];
        assert_eq!(evidence(&[5, 5, 5, 5]).at_ease_ms(9_000, &stages), 4_000);
    }

    #[test]
    fn a_sleep_is_as_long_on_a_loaded_machine() {
        assert_eq!(evidence(&[20, 20, 20]).at_ease_ms(15_000, &[stage(10, 200)]), 14_905);
    }

    #[test]
    fn only_the_load_in_a_stage_counts_for_it() {
        assert_eq!(evidence(&[1, 1, 1, 9, 9]).at_ease_ms(5_000, &[stage(1_000, 200)]), 5_000);
    }
}
