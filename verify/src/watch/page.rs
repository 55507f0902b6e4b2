//! What is served: `/healthz`, `/metrics`, the last report at `/` and `/report.json`. Nothing can be changed by asking.

use std::time::{Duration, Instant};

use axum::{
    Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};

use super::{
    board::{Board, Round},
    metrics::metrics,
};
use crate::report::{html, json};

const TEXT: &str = "text/plain; charset=utf-8";
/// Prometheus' text format (exposition formats, version 0.0.4).
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All pages.
pub fn router(board: Board) -> Router {
    Router::new()
        .route("/", get(report_page))
        .route("/report.json", get(report_json))
        .route("/healthz", get(health))
        .route("/metrics", get(all_metrics))
        .with_state(board)
}

async fn health(State(board): State<Board>) -> Response {
    let seconds = |age: Duration| age.as_secs();
    match (board.health(Instant::now()), board.state().ended) {
        (Ok(age), 0) => respond(StatusCode::OK, TEXT, format!("ok: the first round began {} s ago\n", seconds(age))),
        (Ok(age), _) => respond(StatusCode::OK, TEXT, format!("ok: the last round ended {} s ago\n", seconds(age))),
        (Err(age), _) => {
            let every = humantime::format_duration(board.pace().every);
            let told =
                format!("unhealthy: no round has ended for {} s; there should be one every {every}\n", seconds(age));
            respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, told)
        }
    }
}

async fn all_metrics(State(board): State<Board>) -> Response {
    respond(StatusCode::OK, PROMETHEUS, metrics(&board.state(), board.health(Instant::now()).is_ok()))
}

async fn report_page(State(board): State<Board>) -> Response {
    last(&board, "text/html; charset=utf-8", |round| html(&round.report))
}

async fn report_json(State(board): State<Board>) -> Response {
    last(&board, "application/json", |round| json(&round.report) + "\n")
}

fn last(board: &Board, content_type: &'static str, page: impl Fn(&Round) -> String) -> Response {
    match board.state().last {
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
