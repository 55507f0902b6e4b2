//! The pages: `/healthz`, `/metrics`, the last report at `/` and `/report.json`. Nothing can be changed by asking.

use std::time::Instant;

use axum::{
    Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};

use super::{
    metrics::metrics,
    rounds::{Round, Status},
};
use crate::report::{html, json};

const TEXT: &str = "text/plain; charset=utf-8";
/// Prometheus' text format (exposition formats, version 0.0.4).
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All pages.
pub fn router(status: Status) -> Router {
    Router::new()
        .route("/", get(report_page))
        .route("/report.json", get(report_json))
        .route("/healthz", get(health))
        .route("/metrics", get(all_metrics))
        .with_state(status)
}

async fn health(State(status): State<Status>) -> Response {
    match (status.health(Instant::now()), status.state().ended) {
        (Ok(age), 0) => respond(StatusCode::OK, TEXT, format!("ok: the first round began {} s ago\n", age.as_secs())),
        (Ok(age), _) => respond(StatusCode::OK, TEXT, format!("ok: the last round ended {} s ago\n", age.as_secs())),
        (Err(age), _) => {
            let every = humantime::format_duration(status.timing().every);
            let age = age.as_secs();
            let body = format!("unhealthy: no round has ended for {age} s; there should be one every {every}\n");
            respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, body)
        }
    }
}

async fn all_metrics(State(status): State<Status>) -> Response {
    respond(StatusCode::OK, PROMETHEUS, metrics(&status.state(), status.health(Instant::now()).is_ok()))
}

async fn report_page(State(status): State<Status>) -> Response {
    last(&status, "text/html; charset=utf-8", |round| html(&round.report))
}

async fn report_json(State(status): State<Status>) -> Response {
    last(&status, "application/json", |round| json(&round.report) + "\n")
}

fn last(status: &Status, content_type: &'static str, page: impl Fn(&Round) -> String) -> Response {
    match status.state().last {
        Some(round) => respond(StatusCode::OK, content_type, page(&round)),
        None => respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, "no round has ended yet\n".to_owned()),
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}
