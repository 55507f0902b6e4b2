//! Which rule has which request.

use rstest::rstest;

use crate::{
    harness::proxy::{Profile, Rule, rule::Facts, table::Table},
    history::{Kind, Operation},
};

fn operation(kind: Kind, reference: &str) -> Operation {
    Operation { kind, repository: Some("acme/hello".into()), reference: Some(reference.into()) }
}

/// The name of the rule that has a request; it fires.
fn claimed(table: &Table, operation: &Operation) -> Option<String> {
    let mut claim = table.claim(&Facts { operation: Some(operation), authorized: false, chunk_bytes: None })?;
    claim.fire();
    Some(claim.rule().name.clone())
}

#[rstest]
#[case(Rule::on(Kind::ManifestPut), true)]
#[case(Rule::on(Kind::ManifestGet), false)]
#[case(Rule::on_any(&[Kind::ManifestGet, Kind::ManifestPut]), true)]
#[case(Rule::on_any(&[]), true)]
#[case(Rule::on(Kind::ManifestPut).repository("acme/hello"), true)]
#[case(Rule::on(Kind::ManifestPut).repository("acme/hello-cache"), false)]
#[case(Rule::on(Kind::ManifestPut).tag("latest"), true)]
#[case(Rule::on(Kind::ManifestPut).tag("1.0.0"), false)]
#[case(Rule::on(Kind::ManifestPut).any_tag(), true)]
#[case(Rule::on(Kind::ManifestPut).any_digest(), false)]
#[case(Rule::on(Kind::ManifestPut).digest("sha256:1"), false)]
#[case(Rule::on(Kind::ManifestPut).chunk_over(0), false)]
#[case(Rule::on(Kind::ManifestPut).expired_token(), false)]
#[case(Rule::on(Kind::ManifestPut).chance(1.0, 1), true)]
#[case(Rule::on(Kind::ManifestPut).chance(0.0, 1), false)]
#[case(Rule::on(Kind::ManifestPut).times(0), false)]
#[case(Rule::on(Kind::ManifestPut).skip(1), false)]
fn a_rule_meets_what_it_is_about(#[case] rule: Rule, #[case] meets: bool) {
    let table = Table::default();
    table.add(rule);
    assert_eq!(claimed(&table, &operation(Kind::ManifestPut, "latest")).is_some(), meets);
}

#[test]
fn the_first_that_is_not_used_up_wins() {
    let table = Table::default();
    table.stand(Rule::on(Kind::ManifestPut).named("standing"));
    table.add(Rule::on(Kind::ManifestPut).named("first").skip(1).times(2));
    table.add(Rule::on(Kind::ManifestPut).named("second").times(2));
    let put = operation(Kind::ManifestPut, "latest");
    let names: Vec<_> = (0..6).map(|_| claimed(&table, &put).unwrap()).collect();
    assert_eq!(names, ["second", "first", "first", "second", "standing", "standing"]);
    let fired: Vec<_> = table.fired("ghcr").into_iter().map(|fired| (fired.rule, fired.times)).collect();
    assert_eq!(fired, [("first".to_owned(), 2), ("second".to_owned(), 2)]);
}

#[test]
fn what_did_not_fire_is_given_back() {
    let table = Table::default();
    let injected = table.add(Rule::on(Kind::ManifestPut).times(1));
    let put = operation(Kind::ManifestPut, "latest");
    let facts = Facts { operation: Some(&put), authorized: false, chunk_bytes: None };
    let claim = table.claim(&facts).unwrap();
    assert!(table.claim(&facts).is_none());
    drop(claim);
    assert_eq!(injected.times(), 0);
    assert!(claimed(&table, &put).is_some());
    assert!(claimed(&table, &put).is_none());
    assert_eq!(injected.times(), 1);
}

#[test]
fn chances_come_from_the_seed_alone() {
    let drawn = |seed| {
        let table = Table::default();
        table.add(Rule::on(Kind::ManifestPut).chance(0.5, seed));
        (0..64).map(|_| claimed(&table, &operation(Kind::ManifestPut, "a")).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(drawn(7), drawn(7));
    assert_ne!(drawn(7), drawn(8));
    assert!((16..48).contains(&drawn(7).into_iter().filter(|fired| *fired).count()));
}

#[test]
fn healing_releases_all_but_the_standing() {
    let table = Table::default();
    table.stand(Rule::on(Kind::ManifestPut).named("standing"));
    table.add(Rule::on(Kind::ManifestPut).named("added"));
    table.heal();
    assert_eq!(claimed(&table, &operation(Kind::ManifestPut, "a")).as_deref(), Some("standing"));
    assert_eq!(table.fired("ghcr").len(), 1);
}

#[rstest]
#[case(Profile::Ghcr, Kind::ManifestDelete, "sha256:1", None, true)]
#[case(Profile::Ghcr, Kind::BlobDelete, "sha256:1", None, true)]
#[case(Profile::Ghcr, Kind::UploadAppend, "", Some(4 * 1024 * 1024), false)]
#[case(Profile::Ghcr, Kind::UploadAppend, "", Some(4 * 1024 * 1024 + 1), true)]
#[case(Profile::Ghcr, Kind::UploadAppend, "", None, false)]
#[case(Profile::Ghcr, Kind::ManifestPut, "latest", None, false)]
#[case(Profile::DockerHub, Kind::ManifestDelete, "sha256:1", None, false)]
#[case(Profile::DockerHub, Kind::ManifestDelete, "latest", None, true)]
#[case(Profile::DockerHub, Kind::UploadAppend, "", Some(u64::MAX), false)]
#[case(Profile::DockerHubKeepingManifests, Kind::ManifestDelete, "sha256:1", None, true)]
fn registries_of_the_world_refuse(
    #[case] profile: Profile,
    #[case] kind: Kind,
    #[case] reference: &str,
    #[case] chunk_bytes: Option<u64>,
    #[case] refused: bool,
) {
    let table = Table::default();
    profile.rules().into_iter().for_each(|rule| table.stand(rule));
    let operation = operation(kind, reference);
    let claim = table.claim(&Facts { operation: Some(&operation), authorized: true, chunk_bytes });
    assert_eq!(claim.is_some(), refused);
    assert_eq!(table.fired("ghcr"), []);
}
