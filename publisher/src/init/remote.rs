//! The address of a git remote, as far as it tells a repository on GitHub.

const GITHUB: &str = "github.com";

/// `owner/name` on GitHub of a remote's address, in any of git's forms; nothing if it is elsewhere.
pub(super) fn on_github(url: &str) -> Option<String> {
    let (host, path) = parts(url)?;
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let (owner, name) = path.split_once('/')?;
    let whole = !owner.is_empty() && !name.is_empty() && !name.contains('/');
    (host.eq_ignore_ascii_case(GITHUB) && whole).then(|| format!("{owner}/{name}"))
}

/// The address without user and password.
pub(super) fn harmless(url: &str) -> String {
    match (url.split_once("://"), parts(url)) {
        (Some((scheme, _)), Some((host, path))) => format!("{scheme}://{host}{path}"),
        (None, Some((host, path))) => format!("{host}:{path}"),
        _ => "without a host".into(),
    }
}

/// Host and path of `scheme://user@host:port/path` and of `user@host:path`.
fn parts(url: &str) -> Option<(&str, &str)> {
    if let Some((_, rest)) = url.split_once("://") {
        let (server, path) = rest.split_at(rest.find('/')?);
        let host = server.rsplit_once('@').map_or(server, |(_, host)| host);
        return Some((host.split(':').next().unwrap_or(host), path));
    }
    let (server, path) = url.split_once(':')?;
    (!server.contains('/')).then(|| (server.rsplit_once('@').map_or(server, |(_, host)| host), path))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("git@github.com:Acme/Hello.git", Some("Acme/Hello"))]
    #[case("github.com:acme/hello", Some("acme/hello"))]
    #[case("ssh://git@github.com/acme/hello.git", Some("acme/hello"))]
    #[case("ssh://git@github.com:22/acme/hello", Some("acme/hello"))]
    #[case("https://github.com/acme/hello", Some("acme/hello"))]
    #[case("https://token@GitHub.com/acme/hello.git/", Some("acme/hello"))]
    #[case("https://gitlab.com/acme/hello", None)]
    #[case("https://github.com.evil.example/acme/hello", None)]
    #[case("https://github.com/acme", None)]
    #[case("https://github.com/acme/hello/tree", None)]
    #[case("/srv/git/hello.git", None)]
    #[case("../hello", None)]
    fn github_is_recognised(#[case] url: &str, #[case] expected: Option<&str>) {
        assert_eq!(on_github(url).as_deref(), expected);
    }

    #[rstest]
    #[case("https://me:secret@gitlab.com/acme/hello", "https://gitlab.com/acme/hello")]
    #[case("git@gitlab.com:acme/hello", "gitlab.com:acme/hello")]
    #[case("/srv/git/hello.git", "without a host")]
    fn no_password_is_shown(#[case] url: &str, #[case] expected: &str) {
        assert_eq!(harmless(url), expected);
    }
}
