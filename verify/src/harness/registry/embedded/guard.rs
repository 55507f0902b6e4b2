//! What a request needs a token for (distribution 2.8: registry/handlers/app.go).

use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};

use super::{call::Call, refusal::Code, route::Route};
use crate::harness::token::{Access, Auth};

/// The answer to a request that is not allowed; none if it is.
pub(super) fn refused(auth: &Auth, route: &Route, call: &Call) -> Option<Response> {
    let wanted = wanted(route, call);
    let refusal = auth.check(call.header(header::AUTHORIZATION), &wanted).err()?;
    let mut answer = Code::Unauthorized.about(detail(&wanted)).into_response();
    if let Ok(challenge) = HeaderValue::from_str(&auth.challenge(refusal, &wanted)) {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    Some(answer)
}

fn wanted(route: &Route, call: &Call) -> Vec<Access> {
    let Some(name) = route.repository() else {
        return if *route == Route::Catalog { vec![Access::catalog()] } else { Vec::new() };
    };
    let actions: &[&str] = match call.method {
        Method::GET | Method::HEAD => &["pull"],
        Method::POST | Method::PUT | Method::PATCH => &["pull", "push"],
        Method::DELETE => &["delete"],
        _ => &[],
    };
    let mut wanted = vec![Access::repository(name, actions)];
    // A mount reads the other repository.
    wanted.extend(call.query("from").filter(|from| *from != name).map(|from| Access::repository(from, &["pull"])));
    wanted
}

fn detail(wanted: &[Access]) -> serde_json::Value {
    let one = |access: &Access, action: &str| serde_json::json!({"Type": access.kind, "Class": "", "Name": access.name, "Action": action});
    wanted.iter().flat_map(|access| access.actions.iter().map(|action| one(access, action))).collect()
}
