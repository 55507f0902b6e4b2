//! `verify watch`

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{
    arguments::{OWN_REPOSITORY, WatchArguments},
    exit,
    live::{look, named, references},
    local, printing,
};
use crate::{
    client::process_environment,
    harness::HarnessError,
    report::Report,
    target::{Live, LiveOptions},
    watch::{Status, Timing, probe, rounds, router},
};

/// The longest that a round may take.
const ROUND_MAX: Duration = Duration::from_secs(600);
/// How often everything is read again, and not only asked for.
const REREAD_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Serves until a signal ends it, or probes such a service.
pub(super) async fn run(mut arguments: WatchArguments) -> Result<u8, HarnessError> {
    if arguments.probe {
        let (healthy, said) = probe(arguments.listen).await?;
        printing::print(&said)?;
        return Ok(if healthy { exit::VERIFIED } else { exit::FAILED });
    }
    if let (Some(own), true, true) =
        (OWN_REPOSITORY, arguments.published.image.is_empty(), arguments.published.references.is_empty())
    {
        arguments.published.image.push(format!("ghcr.io/{}", own.to_ascii_lowercase()));
    }
    let Some(checks) = local::chosen_or_error(&arguments.published.only) else { return Ok(exit::USAGE) };
    let references = match references(&arguments.published) {
        Ok(references) => references,
        Err(error) => return Ok(printing::usage(&error, error.hint())),
    };
    let ca = arguments.published.ca_file.clone();
    let options = LiveOptions { references, expect_digest: None, wait: Duration::ZERO, ca, run: false };
    let live = Live::new(options, &process_environment()).await.map_err(HarnessError::other("cannot look"))?;
    let listener = TcpListener::bind(arguments.listen).await.map_err(HarnessError::io("cannot listen"))?;
    let address = listener.local_addr().map_err(HarnessError::io("cannot listen"))?;
    let every = humantime::format_duration(arguments.every);
    printing::progress(&format!("listening on http://{address}, looking at {} every {every}", live.subject()));

    let status = Status::new(Timing { every: arguments.every, round_max: ROUND_MAX }, Instant::now());
    let (live, named) = (Arc::new(live), Arc::new(named(&arguments.published)));
    let mut read = Instant::now();
    let looking = rounds(&status, || {
        let (live, named, checks) = (Arc::clone(&live), Arc::clone(&named), checks.clone());
        let reread = read.elapsed() >= REREAD_EVERY;
        if reread {
            read = Instant::now();
        }
        async move {
            if reread {
                live.clear().await;
            }
            logged(look(&live, &checks, &named).await)
        }
    });
    let served = axum::serve(listener, router(status.clone())).with_graceful_shutdown(asked_to_end()?);
    tokio::select! {
        served = served.into_future() => served.map_err(HarnessError::io("cannot serve"))?,
        () = looking => {}
    }
    printing::progress("ended");
    Ok(exit::VERIFIED)
}

/// Logs one line for each round.
fn logged(report: Report) -> Report {
    let word = if report.is_green() { "verified" } else { "not verified" };
    let counts = ["PASS", "FAIL", "UNKNOWN"].map(|word| report.count(word));
    printing::progress(&format!("{word}: {} passed, {} failed, {} unknown", counts[0], counts[1], counts[2]));
    report
}

/// Comes with SIGTERM, as container engines and supervisors send it, or SIGINT.
fn asked_to_end() -> Result<impl Future<Output = ()> + Send + 'static, HarnessError> {
    let listen = |kind| signal(kind).map_err(HarnessError::io("cannot listen for signals"));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
