//! Bearer tokens: given out at `/token`, wanted everywhere else (distribution specification, "token authentication").

use std::collections::HashMap;

use super::{
    exchange::{Answer, Request},
    target::Target,
};

/// The tokens that are good now, with the scopes that they were asked for.
#[derive(Debug)]
pub(super) struct Tokens {
    host: String,
    granted: HashMap<String, Vec<String>>,
    counter: u32,
}

impl Tokens {
    pub(super) fn new(host: &str) -> Self {
        Self { host: host.into(), granted: HashMap::new(), counter: 0 }
    }

    /// Grants what is asked for.
    pub(super) fn issue(&mut self, request: &Request) -> Answer {
        self.counter += 1;
        let token = format!("token-{}", self.counter);
        let scopes = request.query.iter().filter(|(key, _)| key == "scope").map(|(_, scope)| scope.clone());
        self.granted.insert(format!("Bearer {token}"), scopes.collect());
        Answer::status(200).body(format!(r#"{{"token":"{token}","expires_in":300}}"#))
    }

    /// No token that was given out so far is good any longer.
    pub(super) fn expire(&mut self) {
        self.granted.clear();
    }

    /// The refusal of a request that does not carry what it needs.
    pub(super) fn refuse(&self, request: &Request) -> Option<Answer> {
        let wanted = wanted(request)?;
        let granted = self.granted.get(request.header("authorization"));
        let error = match granted {
            Some(granted) if wanted.iter().all(|wanted| allows(granted, wanted)) => return None,
            Some(_) => ",error=\"insufficient_scope\"",
            None => "",
        };
        let scope = wanted.iter().map(|(name, action)| format!("repository:{name}:{action}")).collect::<Vec<_>>();
        let (host, scope) = (&self.host, scope.join(" "));
        let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"scripted\",scope=\"{scope}\"{error}");
        Some(Answer::error(401, "UNAUTHORIZED").header("www-authenticate", challenge))
    }
}

/// The repositories that a request touches, with the action that it takes there.
fn wanted(request: &Request) -> Option<Vec<(String, &'static str)>> {
    let action = match request.method.as_str() {
        "DELETE" => "delete",
        "HEAD" | "GET" => "pull",
        _ => "push",
    };
    let name = Target::of(&request.path)?.repository().to_owned();
    let source = request.parameter("from").map(|from| (from.to_owned(), "pull"));
    Some([(name, action)].into_iter().chain(source).collect())
}

fn allows(granted: &[String], (name, action): &(String, &'static str)) -> bool {
    let of_repository = |scope: &String| {
        let actions = scope.strip_prefix(&format!("repository:{name}:"))?.to_owned();
        Some(actions.split(',').any(|granted| granted == *action))
    };
    granted.iter().filter_map(of_repository).any(|allowed| allowed)
}
