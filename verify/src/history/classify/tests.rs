use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// A digest, and the same in a query.
const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// What a request is for, about which repository, and what in it.
type Told = (Kind, Option<String>, Option<String>);

fn told(service: Service, method: &str, path: &str) -> Option<Told> {
    let path = path.replace("DIGEST", DIGEST).replace("ENCODED", &DIGEST.replace(':', "%3A"));
    let operation = classify(service, &method.parse().unwrap(), &path)?;
    let reference = operation.reference.map(|reference| reference.replace(DIGEST, "DIGEST"));
    Some((operation.kind, operation.repository, reference))
}

fn expected(kind: Kind, repository: &str, reference: &str) -> Told {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (kind, given(repository), given(reference))
}

#[rstest]
#[case("GET", "/v2/", Kind::Ping, "", "")]
#[case("GET", "/v2", Kind::Ping, "", "")]
#[case("HEAD", "/v2/", Kind::Ping, "", "")]
#[case("GET", "/token?service=a&scope=repository:acme/hello:pull", Kind::Token, "", "")]
#[case("GET", "/token", Kind::Token, "", "")]
#[case("POST", "/token", Kind::Token, "", "")]
#[case("GET", "/v2/_catalog?n=10", Kind::Catalog, "", "")]
#[case("GET", "/v2/acme/hello/tags/list", Kind::Tags, "acme/hello", "")]
#[case("GET", "/v2/acme/hello/tags/list?n=2&last=a", Kind::Tags, "acme/hello", "")]
#[case("GET", "/v2/hello/tags/list", Kind::Tags, "hello", "")]
#[case("GET", "/v2/a/b/c/d/tags/list", Kind::Tags, "a/b/c/d", "")]
#[case("GET", "/v2/acme/hello/referrers/DIGEST", Kind::Referrers, "acme/hello", "DIGEST")]
#[case("GET", "/v2/acme/hello/referrers/DIGEST?artifactType=a", Kind::Referrers, "acme/hello", "DIGEST")]
#[case("HEAD", "/v2/acme/hello/manifests/latest", Kind::ManifestHead, "acme/hello", "latest")]
#[case("GET", "/v2/acme/hello/manifests/latest", Kind::ManifestGet, "acme/hello", "latest")]
#[case("GET", "/v2/acme/hello/manifests/DIGEST", Kind::ManifestGet, "acme/hello", "DIGEST")]
#[case("GET", "/v2/acme/hello/manifests/ENCODED", Kind::ManifestGet, "acme/hello", "DIGEST")]
#[case("PUT", "/v2/acme/hello/manifests/1.2.0", Kind::ManifestPut, "acme/hello", "1.2.0")]
#[case("PUT", "/v2/acme/hello/manifests/DIGEST", Kind::ManifestPut, "acme/hello", "DIGEST")]
#[case("PUT", "/v2/acme/hello/manifests/DIGEST?tag=a", Kind::ManifestPut, "acme/hello", "DIGEST")]
#[case("PUT", "/v2/acme/hello/manifests/v1.2.0+build", Kind::ManifestPut, "acme/hello", "v1.2.0+build")]
#[case("PUT", "/v2/Acme/Hello/manifests/a", Kind::ManifestPut, "Acme/Hello", "a")]
#[case("DELETE", "/v2/acme/hello/manifests/DIGEST", Kind::ManifestDelete, "acme/hello", "DIGEST")]
#[case("DELETE", "/v2/acme/hello/manifests/latest", Kind::ManifestDelete, "acme/hello", "latest")]
#[case("HEAD", "/v2/acme/hello/blobs/DIGEST", Kind::BlobHead, "acme/hello", "DIGEST")]
#[case("GET", "/v2/acme/hello/blobs/DIGEST", Kind::BlobGet, "acme/hello", "DIGEST")]
#[case("DELETE", "/v2/acme/hello/blobs/DIGEST", Kind::BlobDelete, "acme/hello", "DIGEST")]
#[case("POST", "/v2/acme/hello/blobs/uploads/", Kind::UploadBegin, "acme/hello", "")]
#[case("POST", "/v2/acme/hello/blobs/uploads", Kind::UploadBegin, "acme/hello", "")]
#[case("POST", "/v2/acme/hello/blobs/uploads/?mount=ENCODED&from=acme/a", Kind::UploadMount, "acme/hello", "DIGEST")]
#[case("POST", "/v2/acme/hello/blobs/uploads/?from=acme/a&mount=DIGEST", Kind::UploadMount, "acme/hello", "DIGEST")]
#[case("POST", "/v2/acme/hello/blobs/uploads/?digest=ENCODED", Kind::UploadWhole, "acme/hello", "DIGEST")]
#[case("PATCH", "/v2/acme/hello/blobs/uploads/1-2-3?_state=abc", Kind::UploadAppend, "acme/hello", "")]
#[case("PATCH", "/v2/acme/hello/blobs/upload/opaque", Kind::UploadAppend, "acme/hello", "")]
#[case("PATCH", "/v2/acme/hello/blobs/uploads/opaque/with/slashes", Kind::UploadAppend, "acme/hello", "")]
#[case("PATCH", "/v2/acme/hello/blobs/uploads/1?digest=DIGEST", Kind::UploadAppend, "acme/hello", "")]
#[case("PUT", "/v2/acme/hello/blobs/uploads/1?_state=a&digest=ENCODED", Kind::UploadFinish, "acme/hello", "DIGEST")]
#[case("PUT", "/v2/acme/hello/blobs/uploads/1?digest=DIGEST", Kind::UploadFinish, "acme/hello", "DIGEST")]
#[case("PUT", "/v2/acme/hello/blobs/uploads/1", Kind::UploadFinish, "acme/hello", "")]
#[case("GET", "/v2/acme/hello/blobs/uploads/1", Kind::UploadStatus, "acme/hello", "")]
#[case("DELETE", "/v2/acme/hello/blobs/uploads/1", Kind::UploadCancel, "acme/hello", "")]
// Repositories whose names look like endpoints.
#[case("GET", "/v2/manifests/manifests/manifests", Kind::ManifestGet, "manifests", "manifests")]
#[case("GET", "/v2/tags/list/tags/list", Kind::Tags, "tags/list", "")]
#[case("PUT", "/v2/a/blobs/uploads/b/manifests/c", Kind::ManifestPut, "a/blobs/uploads/b", "c")]
#[case("POST", "/v2/blobs/uploads/blobs/uploads/", Kind::UploadBegin, "blobs/uploads", "")]
fn registries_are_understood(
    #[case] method: &str,
    #[case] path: &str,
    #[case] kind: Kind,
    #[case] repository: &str,
    #[case] reference: &str,
) {
    assert_eq!(told(Service::Registry, method, path), Some(expected(kind, repository, reference)));
}

#[rstest]
#[case("POST", "/v2/auth/token", Kind::HubLogin, "", "")]
#[case("POST", "/v2/users/login", Kind::HubLogin, "", "")]
#[case("POST", "/v2/users/login/", Kind::HubLogin, "", "")]
#[case("GET", "/v2/namespaces/acme/repositories/hello/tags?page=1&page_size=100", Kind::HubTags, "acme/hello", "")]
#[case("GET", "/v2/namespaces/acme/repositories/hello/tags/", Kind::HubTags, "acme/hello", "")]
#[case("GET", "/v2/repositories/acme/hello/tags", Kind::HubTags, "acme/hello", "")]
#[case("GET", "/v2/repositories/acme/hello/tags/latest", Kind::HubTag, "acme/hello", "latest")]
#[case("HEAD", "/v2/namespaces/acme/repositories/hello/tags/1.2.0", Kind::HubTag, "acme/hello", "1.2.0")]
#[case("DELETE", "/v2/repositories/acme/hello/tags/latest/", Kind::HubTagDelete, "acme/hello", "latest")]
#[case("DELETE", "/v2/repositories/acme/hello/tags/latest", Kind::HubTagDelete, "acme/hello", "latest")]
#[case("DELETE", "/v2/namespaces/acme/repositories/hello/tags/a", Kind::HubTagDelete, "acme/hello", "a")]
fn docker_hub_is_understood(
    #[case] method: &str,
    #[case] path: &str,
    #[case] kind: Kind,
    #[case] repository: &str,
    #[case] reference: &str,
) {
    assert_eq!(told(Service::DockerHub, method, path), Some(expected(kind, repository, reference)));
}

#[rstest]
#[case("GET", "/users/acme/packages/container/hello", Kind::Package, "acme/hello", "")]
#[case("GET", "/orgs/acme/packages/container/a%2Fb", Kind::Package, "acme/a/b", "")]
#[case("GET", "/orgs/acme/packages/container/a%2fb/versions", Kind::PackageVersions, "acme/a/b", "")]
#[case("GET", "/user/packages/container/hello", Kind::Package, "hello", "")]
#[case("DELETE", "/orgs/acme/packages/container/hello", Kind::PackageDelete, "acme/hello", "")]
#[case("POST", "/orgs/acme/packages/container/hello/restore", Kind::PackageRestore, "acme/hello", "")]
#[case("GET", "/users/acme/packages/container/hello/versions?per_page=100", Kind::PackageVersions, "acme/hello", "")]
#[case("GET", "/users/acme/packages/container/hello/versions/17", Kind::PackageVersion, "acme/hello", "17")]
#[case("DELETE", "/user/packages/container/hello/versions/17", Kind::PackageVersionDelete, "hello", "17")]
#[case("DELETE", "/orgs/acme/packages/container/a%2Fb/versions/17", Kind::PackageVersionDelete, "acme/a/b", "17")]
#[case("POST", "/users/acme/packages/container/hello/versions/17/restore", Kind::PackageRestore, "acme/hello", "17")]
fn github_is_understood(
    #[case] method: &str,
    #[case] path: &str,
    #[case] kind: Kind,
    #[case] repository: &str,
    #[case] reference: &str,
) {
    assert_eq!(told(Service::GitHub, method, path), Some(expected(kind, repository, reference)));
}

#[rstest]
#[case(Service::Registry, "GET", "/")]
#[case(Service::Registry, "GET", "/v1/_ping")]
#[case(Service::Registry, "POST", "/v2/")]
#[case(Service::Registry, "PUT", "/token")]
#[case(Service::Registry, "GET", "/v2/manifests/latest")]
#[case(Service::Registry, "GET", "/v2/acme/hello/manifests/")]
#[case(Service::Registry, "GET", "/v2/acme//hello/manifests/a")]
#[case(Service::Registry, "PATCH", "/v2/acme/hello/manifests/a")]
#[case(Service::Registry, "POST", "/v2/acme/hello/tags/list")]
#[case(Service::Registry, "PUT", "/v2/acme/hello/blobs/DIGEST")]
#[case(Service::Registry, "GET", "/v2/acme/hello/blobs/uploads")]
#[case(Service::Registry, "GET", "/v2/acme/hello/blobs/uploads/")]
#[case(Service::Registry, "POST", "/v2/acme/hello/blobs/uploads/1")]
#[case(Service::Registry, "DELETE", "/v2/acme/hello/blobs/uploads")]
#[case(Service::Registry, "PATCH", "/v2/blobs/uploads/1")]
#[case(Service::Registry, "GET", "/v2/acme/hello/sbom")]
#[case(Service::Registry, "GET", "/orgs/acme/packages/container/hello")]
#[case(Service::DockerHub, "GET", "/v2/auth/token")]
#[case(Service::DockerHub, "DELETE", "/v2/repositories/acme/hello")]
#[case(Service::DockerHub, "DELETE", "/v2/repositories/acme/hello/tags")]
#[case(Service::DockerHub, "POST", "/v2/repositories/acme/hello/tags/a")]
#[case(Service::DockerHub, "GET", "/v2/repositories/acme/hello/tags/a/images")]
#[case(Service::GitHub, "GET", "/users/acme")]
#[case(Service::GitHub, "GET", "/orgs/acme/packages/npm/hello")]
#[case(Service::GitHub, "GET", "/orgs/acme/packages/container")]
#[case(Service::GitHub, "DELETE", "/orgs/acme/packages/container/hello/versions")]
#[case(Service::GitHub, "DELETE", "/orgs/acme/packages/container/hello/versions/")]
#[case(Service::GitHub, "PUT", "/orgs/acme/packages/container/hello")]
#[case(Service::GitHub, "GET", "/repos/acme/hello")]
fn what_nobody_knows_is_none(#[case] service: Service, #[case] method: &str, #[case] path: &str) {
    assert_eq!(told(service, method, path), None);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(service in 0..3_u8, path in "\\PC{0,60}", method in "GET|PUT|POST|PATCH|DELETE|HEAD") {
        let service = [Service::Registry, Service::DockerHub, Service::GitHub][usize::from(service)];
        let _ = classify(service, &method.parse().unwrap(), &path);
        let _ = classify(service, &method.parse().unwrap(), &format!("/v2/{path}"));
    }

    #[test]
    fn any_repository_and_tag_are_told_apart(
        repository in "[a-z0-9]{1,8}(/(manifests|tags|list|blobs|uploads|[a-z0-9]{1,8})){0,4}",
        tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}",
    ) {
        let put = classify(Service::Registry, &Method::PUT, &format!("/v2/{repository}/manifests/{tag}")).unwrap();
        prop_assert_eq!(put.tag(), Some(tag.as_str()));
        prop_assert_eq!(put.repository.as_deref(), Some(repository.as_str()));
        let begin = classify(Service::Registry, &Method::POST, &format!("/v2/{repository}/blobs/uploads/")).unwrap();
        prop_assert_eq!((begin.kind, begin.repository), (Kind::UploadBegin, Some(repository)));
    }

    #[test]
    fn any_package_name_survives_its_encoding(owner in "[a-z]{1,9}", name in "[a-z0-9._-]{1,9}(/[a-z0-9._-]{1,9}){0,2}") {
        let path = format!("/orgs/{owner}/packages/container/{}/versions/1", name.replace('/', "%2F"));
        let operation = classify(Service::GitHub, &Method::GET, &path).unwrap();
        prop_assert_eq!(operation.repository, Some(format!("{owner}/{name}")));
    }
}
