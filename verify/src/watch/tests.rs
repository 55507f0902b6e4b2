//! The service from outside: what it answers while rounds end, fail, hang.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, sync::Semaphore};

use super::{Status, Timing, probe, rounds, router};
use crate::{
    checks,
    oracle::Violation,
    report::{Looked, Outcome, Report},
    verdict::Verdict,
};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

fn report(verdict: Verdict) -> Report {
    let check = checks::all().into_iter().find(|check| check.claim == "every_tag_covers_both_platforms").unwrap();
    let outcome = Outcome::of(check, verdict, None, "verify live x".into());
    let looked = Looked { reference: "ghcr.io/acme/\"hello\"\\:latest".into(), digest: None, images: Vec::new() };
    Report {
        target: "live".into(),
        subject: "ghcr.io/acme/hello:latest".into(),
        outcomes: vec![outcome],
        looked: vec![looked],
        waits: Vec::new(),
        timelines: Vec::new(),
    }
}

fn failed() -> Verdict {
    Verdict::Fail { violations: vec![Violation::new("a", "b")] }
}

async fn serve(status: &Status) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(status.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://{address}{path}")).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A service whose rounds end when the test lets them.
async fn service(timing: Timing, verdict: Verdict) -> (Status, SocketAddr, Arc<Semaphore>) {
    let status = Status::new(timing, Instant::now());
    let address = serve(&status).await;
    let turns = Arc::new(Semaphore::new(0));
    let (looping, waiting) = (status.clone(), Arc::clone(&turns));
    tokio::spawn(async move {
        rounds(&looping, || {
            let (waiting, verdict) = (Arc::clone(&waiting), verdict.clone());
            async move {
                waiting.acquire().await.unwrap().forget();
                report(verdict)
            }
        })
        .await;
    });
    (status, address, turns)
}

/// Waits until so many rounds have ended.
async fn ended(status: &Status, rounds: u64) {
    while status.state().ended < rounds {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn before_the_first_round_has_ended_there_is_health_but_no_report() {
    let (_, address, _turns) = service(Timing { every: LONG, round_max: LONG }, Verdict::Pass).await;
    assert!(probe(address).await.unwrap().0);
    assert_eq!(get(address, "/").await, (503, "no round has ended yet\n".to_owned()));
    assert_eq!(get(address, "/report.json").await.0, 503);
    let (status, metrics) = get(address, "/metrics").await;
    assert!(
        status == 200 && metrics.contains("tallyman_up 1\n") && !metrics.contains("tallyman_verified"),
        "{metrics}"
    );
    assert_eq!(get(address, "/elsewhere").await.0, 404);
}

#[tokio::test]
async fn a_failing_image_shows_in_report_and_metrics_and_leaves_the_service_healthy() {
    let (status, address, turns) = service(Timing { every: LONG, round_max: LONG }, failed()).await;
    turns.add_permits(1);
    ended(&status, 1).await;
    let (healthy, said) = probe(address).await.unwrap();
    assert!(healthy && said.starts_with("ok: the last round ended"), "{said}");
    let (_, page) = get(address, "/").await;
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("not verified"), "{page}");
    let json: serde_json::Value = serde_json::from_str(&get(address, "/report.json").await.1).unwrap();
    assert_eq!((&json["green"], &json["counts"]["fail"]), (&false.into(), &1.into()));
    let (_, metrics) = get(address, "/metrics").await;
    for line in [
        "tallyman_up 1",
        "tallyman_rounds_total 1",
        "tallyman_verified 0",
        "tallyman_checks{verdict=\"fail\"} 1",
        "tallyman_checks{verdict=\"pass\"} 0",
        "tallyman_check_passed{check=\"fr_003::every_tag_covers_both_platforms\",requirement=\"FR-003\"} 0",
        "tallyman_image_info{reference=\"ghcr.io/acme/\\\"hello\\\"\\\\:latest\",digest=\"\"} 1",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn rounds_come_again() {
    let (status, _, turns) = service(Timing { every: Duration::from_millis(1), round_max: LONG }, Verdict::Pass).await;
    turns.add_permits(3);
    ended(&status, 3).await;
}

#[tokio::test]
async fn a_round_that_hangs_is_given_up_and_the_service_is_unhealthy_until_one_ends() {
    let timing = Timing { every: Duration::from_millis(1), round_max: Duration::from_millis(1) };
    let (status, address, turns) = service(timing, Verdict::Pass).await;
    while status.state().given_up < 3 || status.health(Instant::now()).is_ok() {
        tokio::task::yield_now().await;
    }
    let (healthy, said) = probe(address).await.unwrap();
    assert!(!healthy && said.starts_with("unhealthy: no round has ended for"), "{said}");
    let (code, metrics) = get(address, "/metrics").await;
    assert!(code == 200 && metrics.contains("tallyman_up 0\n"), "{metrics}");
    turns.add_permits(1);
    ended(&status, 1).await;
    assert!(status.health(status.state().last_sign_of_life).is_ok());
}

#[test]
fn a_loop_that_is_dead_shows_when_its_next_round_is_overdue() {
    let timing = Timing { every: Duration::from_secs(60), round_max: Duration::from_secs(30) };
    let began = Instant::now();
    let status = Status::new(timing, began);
    assert_eq!(status.health(began + Duration::from_secs(90)), Ok(Duration::from_secs(90)));
    assert_eq!(status.health(began + Duration::from_secs(91)), Err(Duration::from_secs(91)));
}

#[tokio::test]
async fn where_nobody_listens_the_probe_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = probe(address).await.unwrap_err();
    assert!(error.to_string().contains("nobody answers"), "{error}");
}
