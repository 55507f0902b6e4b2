//! Which rule applies to which request.

use rstest::rstest;

use crate::{
    harness::proxy::{Effect, FirstProxy, Rule, rule::Facts, table::Table},
    history::{Kind, Operation},
};

fn operation(kind: Kind, reference: &str) -> Operation {
    Operation { kind, repository: Some("acme/hello".into()), reference: Some(reference.into()) }
}

/// The name of the rule that applies to a request; it fires.
fn applied_to(table: &Table, operation: &Operation) -> Option<String> {
    let mut applied = table.find(&Facts { server: "ghcr", operation: Some(operation), authorized: false })?;
    applied.fire();
    Some(applied.rule().name.clone())
}

#[rstest]
#[case(Rule::on(Kind::ManifestPut), true)]
#[case(Rule::on(Kind::ManifestGet), false)]
#[case(Rule::on_any(&[Kind::ManifestGet, Kind::ManifestPut]), true)]
#[case(Rule::on_any(&[]), true)]
#[case(Rule::on(Kind::ManifestPut).repository("acme/hello"), true)]
#[case(Rule::on(Kind::ManifestPut).repository("acme/hello-cache"), false)]
#[case(Rule::on(Kind::ManifestPut).reference("latest"), true)]
#[case(Rule::on(Kind::ManifestPut).reference("1.0.0"), false)]
#[case(Rule::on(Kind::ManifestPut).any_tag(), true)]
#[case(Rule::on(Kind::ManifestPut).any_digest(), false)]
#[case(Rule::on(Kind::ManifestPut).reference("sha256:1"), false)]
#[case(Rule::on(Kind::ManifestPut).then(Effect::ExpireToken), false)]
#[case(Rule::on(Kind::ManifestPut).times(0), false)]
fn a_rule_matches_what_it_names(#[case] rule: Rule, #[case] matches: bool) {
    let table = Table::default();
    table.add(rule);
    assert_eq!(applied_to(&table, &operation(Kind::ManifestPut, "latest")).is_some(), matches);
}

#[test]
fn the_first_that_is_not_used_up_wins() {
    let table = Table::default();
    table.add_standing(Rule::on(Kind::ManifestPut).named("standing"));
    table.add(Rule::on(Kind::ManifestPut).named("first").times(2));
    table.add(Rule::on(Kind::ManifestPut).named("second").times(2));
    let put = operation(Kind::ManifestPut, "latest");
    let names: Vec<_> = (0..6).map(|_| applied_to(&table, &put).unwrap()).collect();
    assert_eq!(names, ["first", "first", "second", "second", "standing", "standing"]);
    let fired: Vec<_> = table.fired("ghcr").into_iter().map(|fired| (fired.rule, fired.times)).collect();
    assert_eq!(fired, [("first".to_owned(), 2), ("second".to_owned(), 2)]);
}

#[test]
fn what_did_not_fire_is_given_back() {
    let table = Table::default();
    let injected = table.add(Rule::on(Kind::ManifestPut).times(1));
    let put = operation(Kind::ManifestPut, "latest");
    let facts = Facts { server: "ghcr", operation: Some(&put), authorized: false };
    let applied = table.find(&facts).unwrap();
    assert!(table.find(&facts).is_none());
    drop(applied);
    assert_eq!(injected.times(), 0);
    assert!(applied_to(&table, &put).is_some());
    assert!(applied_to(&table, &put).is_none());
    assert_eq!(injected.times(), 1);
}

#[test]
fn a_rule_may_leave_out_the_proxy_that_is_asked_first() {
    let first = FirstProxy::default();
    let [ghcr, dockerhub] = [Table::default(), Table::default()];
    for table in [&ghcr, &dockerhub] {
        table.add(Rule::on(Kind::ManifestPut).not_first(&first));
    }
    let put = operation(Kind::ManifestPut, "latest");
    let applies =
        |table: &Table, server| table.find(&Facts { server, operation: Some(&put), authorized: false }).is_some();
    assert!(!applies(&dockerhub, "dockerhub"));
    assert!(applies(&ghcr, "ghcr"));
    assert!(!applies(&dockerhub, "dockerhub"));
}

#[test]
fn healing_releases_all_but_the_standing() {
    let table = Table::default();
    table.add_standing(Rule::on(Kind::ManifestPut).named("standing"));
    table.add(Rule::on(Kind::ManifestPut).named("added"));
    table.heal();
    assert_eq!(applied_to(&table, &operation(Kind::ManifestPut, "a")).as_deref(), Some("standing"));
    assert_eq!(table.fired("ghcr").len(), 1);
}
