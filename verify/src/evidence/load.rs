//! What a time would have been on an idle machine: an interval, since it is only known how much others can have cost at most.
//!
//! A process that works for a second on a machine that is three times slower than it is when idle loses two seconds at most.
//! Time in which it sleeps, or waits for a server, is not taken off. So a time that is too long by more than that is too long
//! on any machine, one that is short enough as it was measured is short enough, and in between the claim is unknown.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Evidence, StageRun};
use crate::check::Inconclusive;

/// How the cause of an unknown verdict begins if only a busy machine is to blame.
pub const SLOW_MACHINE: &str = "the machine was too slow to tell";

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
        if worked == 0 { 1.0 } else { (as_f64(took) / as_f64(worked)).max(1.0) }
    }

    /// The least and the most that a time would have been on an idle machine, in milliseconds. `stages` are what worked in it.
    pub fn idle_ms<'a>(&self, took_ms: u64, stages: impl IntoIterator<Item = &'a StageRun>) -> RangeInclusive<u64> {
        let mut stages: Vec<&StageRun> = stages.into_iter().collect();
        stages.sort_by_key(|stage| stage.began_ms);
        // Of stages at the same time, only the one counts that lost the most: they waited at the same time, too.
        let (mut lost_ms, mut together_ms, mut until_ms) = (0, 0, 0);
        for stage in stages {
            if stage.began_ms >= until_ms {
                lost_ms += std::mem::take(&mut together_ms);
            }
            together_ms = together_ms.max(self.lost_ms(stage));
            until_ms = until_ms.max(stage.ended_ms);
        }
        took_ms.saturating_sub(lost_ms + together_ms)..=took_ms
    }

    /// What the processor time of a stage can have cost more than on an idle machine.
    fn lost_ms(&self, stage: &StageRun) -> u64 {
        let lost = as_f64(stage.worked_ms) / 1_000.0 * (self.slowdown(stage.began_ms, stage.ended_ms) - 1.0);
        u64::try_from(std::time::Duration::from_secs_f64(lost).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Whether a time is not longer than another; unknown if that depends on how much a busy machine cost.
///
/// # Errors
/// Intervals that overlap.
pub fn at_most(time_ms: &RangeInclusive<u64>, limit_ms: &RangeInclusive<u64>) -> Result<bool, Inconclusive> {
    if time_ms.end() <= limit_ms.start() {
        Ok(true)
    } else if time_ms.start() > limit_ms.end() {
        Ok(false)
    } else {
        let cause = format!(
            "{SLOW_MACHINE}: between {} and {} ms, where {} ms are allowed",
            time_ms.start(),
            time_ms.end(),
            limit_ms.start()
        );
        Err(Inconclusive(cause))
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
        assert_eq!(evidence(&[1, 1, 1]).idle_ms(5_000, &[stage(2_000, 200)]), 5_000..=5_000);
        assert_eq!(Evidence::default().idle_ms(5_000, &[stage(2_000, 200)]), 5_000..=5_000);
    }

    #[test]
    fn all_that_work_can_have_lost_is_uncertain() {
        assert_eq!(evidence(&[5, 5, 5]).idle_ms(9_000, &[stage(2_000, 200)]), 1_000..=9_000);
        assert_eq!(evidence(&[5, 5, 5]).idle_ms(3_000, &[stage(2_000, 200)]), 0..=3_000);
    }

    #[test]
    fn stages_at_the_same_time_lose_the_same_time() {
        let later = StageRun { began_ms: 200, ..stage(500, 300) };
        let stages = [later, stage(250, 200), stage(1_000, 200)];
        assert_eq!(evidence(&[5, 5, 5, 5]).idle_ms(9_000, &stages), 3_000..=9_000);
    }

    #[test]
    fn only_the_load_in_a_stage_counts_for_it() {
        assert_eq!(evidence(&[1, 1, 1, 9, 9]).idle_ms(5_000, &[stage(1_000, 200)]), 5_000..=5_000);
    }

    /// Fifty times slower: nothing that would have been too long is excused, a sleep is still too long.
    #[test]
    fn a_busy_machine_makes_no_pass_of_a_time_that_is_too_long() {
        let busy = evidence(&[50, 50, 50]);
        let limit = 10_000..=10_000;
        assert!(at_most(&busy.idle_ms(30_000, &[stage(1_000, 200)]), &limit).is_err());
        assert_eq!(at_most(&busy.idle_ms(30_000, &[stage(10, 200)]), &limit), Ok(false));
        assert_eq!(at_most(&busy.idle_ms(10_000, &[stage(1_000, 200)]), &limit), Ok(true));
        assert_eq!(at_most(&evidence(&[1]).idle_ms(10_001, &[stage(1_000, 200)]), &limit), Ok(false));
    }
}
