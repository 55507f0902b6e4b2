//! The loop: a round, a pause, a round. It has no end.

use std::time::{Instant, SystemTime};

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::board::{Board, Round};
use crate::report::Report;

/// Looks again and again. A round that takes too long is given up and counts as not ended; the next one comes in its time.
pub async fn rounds<L, F>(board: &Board, mut look: L)
where
    L: FnMut() -> F,
    F: Future<Output = Report>,
{
    let pace = board.pace();
    let mut ticks = interval(pace.every);
    // After a long round, a pause again: registries count requests.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let began = Instant::now();
        match timeout(pace.round_max, look()).await {
            Ok(report) => {
                let round = Round { report, at: SystemTime::now(), took: began.elapsed() };
                board.ended(round, Instant::now());
            }
            Err(_) => board.given_up(),
        }
    }
}
