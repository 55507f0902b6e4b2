//! Which request is answered with what.

use std::{collections::BTreeSet, io, time::SystemTime};

use axum::http::{Method, StatusCode};
use humantime::format_rfc3339_seconds;
use serde_json::{Value, json};

use super::{
    super::{
        message::{Answer, Request},
        page::{Page, Sizes},
    },
    deleted::{DeletedVersion, is_list},
    lag::Listed,
    refusal::{
        LAST, LAST_TAGGED, NO_PERSON, POPULAR_PACKAGE, POPULAR_VERSION, bad_request, forbidden, not_found,
        package_not_found, unauthorized,
    },
    stand_in::{Moving, Owner, State},
    token::{GitHubToken, TokenKind},
    versions::{Package, sort, version_id},
};

const SIZES: Sizes = Sizes { parameter: "per_page", default: 30, max: 100 };
/// What a public version may have been downloaded at most so that it can be deleted.
const DOWNLOADS_MAX: u32 = 5_000;

impl State {
    pub(super) fn answer(&self, request: &Request) -> io::Result<Answer> {
        if let Some(refusal) = self.moving().limits.secondary() {
            return Ok(refusal);
        }
        let shown = request.token.as_deref();
        let Some(token) = self.settings.tokens.iter().find(|token| Some(token.secret.as_str()) == shown) else {
            return Ok(unauthorized(shown.is_some()));
        };
        let allowance = self.moving().limits.count(token, self.settings.requests_max);
        let answer = match allowance.primary() {
            Some(refusal) => refusal,
            None => self.allowed(request, token)?,
        };
        Ok(allowance.told_with(answer))
    }

    /// Finds the package that is asked for.
    fn allowed(&self, request: &Request, token: &GitHubToken) -> io::Result<Answer> {
        let kind = self.settings.owner;
        match (request.route().as_slice(), kind, &token.kind) {
            (["user", "packages", ..], _, TokenKind::Workflow) => Ok(forbidden(NO_PERSON)),
            (["user", "packages", "container", name, rest @ ..], Owner::Person, TokenKind::Classic { login }) => {
                self.of_package(request, token, &Package { owner: login, name, kind }, rest)
            }
            (["orgs", owner, "packages", "container", name, rest @ ..], Owner::Organization, _)
            | (["users", owner, "packages", "container", name, rest @ ..], Owner::Person, _) => {
                self.of_package(request, token, &Package { owner, name, kind }, rest)
            }
            _ => Ok(not_found()),
        }
    }

    fn of_package(
        &self,
        request: &Request,
        token: &GitHubToken,
        package: &Package<'_>,
        rest: &[&str],
    ) -> io::Result<Answer> {
        let repository = package.repository();
        let versions = self.versions(&repository)?;
        match (&request.method, rest) {
            (&Method::POST, ["restore"]) if !token.may_delete => Ok(forbidden(token.denial())),
            (&Method::POST, ["restore"]) => self.restore_package(&repository, &versions),
            _ if versions.is_empty() => Ok(package_not_found()),
            (&Method::GET, []) => Ok(self.show_package(request, package, &versions)),
            (&Method::GET, ["versions"]) => Ok(self.list(request, package, versions)),
            (&Method::GET, ["versions", id]) => Ok(self.show_version(request, package, &versions, id)),
            (&Method::DELETE | &Method::POST, _) if !token.may_delete => Ok(forbidden(token.denial())),
            (&Method::DELETE, []) => self.delete_package(&repository, &versions),
            (&Method::DELETE, ["versions", id]) => self.delete_version(&repository, &versions, id),
            (&Method::POST, ["versions", id, "restore"]) => self.restore_version(&repository, &versions, id),
            _ => Ok(not_found()),
        }
    }

    fn show_package(&self, request: &Request, package: &Package<'_>, versions: &Listed) -> Answer {
        let moving = self.moving();
        let sightings = &moving.sightings[&package.repository()];
        let created = versions.keys().map(|digest| sightings.time(digest)).min().unwrap_or_default();
        Answer::json(StatusCode::OK, package.json(request, versions.len(), self.settings.public, &created))
    }

    fn show_version(&self, request: &Request, package: &Package<'_>, versions: &Listed, id: &str) -> Answer {
        match find(&package.repository(), versions, id) {
            Some((digest, tags)) => {
                let sightings = &self.moving().sightings[&package.repository()];
                Answer::json(StatusCode::OK, package.active(request, digest, tags, sightings))
            }
            None => package_not_found(),
        }
    }

    fn list(&self, request: &Request, package: &Package<'_>, versions: Listed) -> Answer {
        let repository = package.repository();
        let page = Page::of(&request.query, SIZES);
        let mut moving = self.moving();
        let (length, shown) = if request.query.get("state").is_some_and(|state| state == "deleted") {
            let deleted = moving.deleted.of(&repository, |digest| versions.contains_key(digest));
            let shown = &deleted[page.range(deleted.len())];
            (deleted.len(), shown.iter().map(|version| package.deleted(request, version)).collect::<Vec<Value>>())
        } else {
            let lagging = moving.lagging.entry(repository.clone()).or_default();
            let versions = lagging.show(versions, page.number == 1, self.settings.lag);
            let sightings = &moving.sightings[&repository];
            let mut digests: Vec<&String> = versions.keys().collect();
            sort(&mut digests, sightings);
            let shown = &digests[page.range(digests.len())];
            let json = |digest: &&String| package.active(request, digest, &versions[*digest], sightings);
            (digests.len(), shown.iter().map(json).collect())
        };
        let answer = Answer::json(StatusCode::OK, json!(shown));
        match links(request, page, length) {
            Some(links) => answer.with("link", &links),
            None => answer,
        }
    }

    fn delete_version(&self, repository: &str, versions: &Listed, id: &str) -> io::Result<Answer> {
        let Some((digest, tags)) = find(repository, versions, id) else { return Ok(package_not_found()) };
        let tagged = versions.values().filter(|tags| !tags.is_empty()).count();
        if self.is_popular(repository, digest) {
            Ok(bad_request(POPULAR_VERSION))
        } else if !tags.is_empty() && tagged == 1 {
            Ok(bad_request(LAST_TAGGED))
        } else if versions.len() == 1 {
            Ok(bad_request(LAST))
        } else {
            self.remove(repository, digest, tags, false)?;
            Ok(Answer::no_content())
        }
    }

    fn delete_package(&self, repository: &str, versions: &Listed) -> io::Result<Answer> {
        if versions.keys().any(|digest| self.is_popular(repository, digest)) {
            return Ok(bad_request(POPULAR_PACKAGE));
        }
        for (digest, tags) in versions {
            self.remove(repository, digest, tags, true)?;
        }
        Ok(Answer::no_content())
    }

    fn restore_version(&self, repository: &str, versions: &Listed, id: &str) -> io::Result<Answer> {
        let deleted = self.deleted(repository, versions);
        let found = deleted.iter().find(|version| version_id(repository, &version.digest).to_string() == id);
        self.restore(repository, found.into_iter())
    }

    fn restore_package(&self, repository: &str, versions: &Listed) -> io::Result<Answer> {
        if !versions.is_empty() {
            // Somebody has pushed to that name again.
            return Ok(package_not_found());
        }
        let deleted = self.deleted(repository, versions);
        let (lists, others): (Vec<_>, Vec<_>) =
            deleted.iter().filter(|version| version.with_package).partition(|version| is_list(version));
        self.restore(repository, others.into_iter().chain(lists))
    }

    /// Puts versions back; what is to be restored must be there and restorable.
    fn restore<'a>(&self, repository: &str, versions: impl Iterator<Item = &'a DeletedVersion>) -> io::Result<Answer> {
        let mut versions = versions.peekable();
        let Some(restore) = self.settings.restore.as_ref().filter(|_| versions.peek().is_some()) else {
            return Ok(package_not_found());
        };
        for version in versions {
            restore(repository, version)?;
        }
        Ok(Answer::no_content())
    }

    fn deleted(&self, repository: &str, versions: &Listed) -> Vec<DeletedVersion> {
        self.moving().deleted.of(repository, |digest| versions.contains_key(digest))
    }

    /// Takes a manifest and all its tags off the registry, and keeps what restoring it needs. Whether others name it does
    /// not matter.
    fn remove(&self, repository: &str, digest: &str, tags: &BTreeSet<String>, with_package: bool) -> io::Result<()> {
        let manifest = self.contents.manifest(repository, digest)?;
        let removed = self.contents.remove_manifest(repository, digest)?;
        if let Some(manifest) = manifest.filter(|_| removed) {
            let Moving { deleted, sightings, .. } = &mut *self.moving();
            let version = DeletedVersion {
                digest: digest.to_owned(),
                tags: tags.iter().cloned().collect(),
                manifest,
                created: sightings[repository].time(digest),
                deleted: format_rfc3339_seconds(SystemTime::now()).to_string(),
                with_package,
            };
            deleted.add(repository, version);
        }
        Ok(())
    }

    fn is_popular(&self, repository: &str, digest: &str) -> bool {
        let moving = self.moving();
        let downloads = moving.downloads.get(&(repository.to_owned(), digest.to_owned()));
        self.settings.public && downloads.is_some_and(|times| *times > DOWNLOADS_MAX)
    }
}

/// The version with an id.
fn find<'a>(repository: &str, versions: &'a Listed, id: &str) -> Option<(&'a String, &'a BTreeSet<String>)> {
    versions.iter().find(|(digest, _)| version_id(repository, digest).to_string() == id)
}

/// The header `Link` (RFC 8288); none if there is one page alone.
fn links(request: &Request, page: Page, length: usize) -> Option<String> {
    let last = page.last(length);
    let link = |name: &str, number: usize| {
        let address = request.address_with(&[("page", number), (SIZES.parameter, page.size)]);
        format!("<{address}>; rel=\"{name}\"")
    };
    let before = [("prev", page.number - 1)].into_iter().filter(|_| page.number > 1);
    let behind = [("next", page.number + 1), ("last", last)].into_iter().filter(|_| page.number < last);
    let first = [("first", 1)].into_iter().filter(|_| page.number > 1);
    let links: Vec<String> = before.chain(behind).chain(first).map(|(name, number)| link(name, number)).collect();
    (!links.is_empty()).then(|| links.join(", "))
}
