//! The decision on the repositories that clean-ups are known to have broken.

use rstest::rstest;

use crate::{
    clean::{
        Graph, Node, Outcome, decide,
        graph::{fallback_subject, fallback_tag},
    },
    oci::{Digest, Tag, digest_of, short},
};

fn digest(name: &str) -> Digest {
    digest_of(name.as_bytes())
}

/// A repository, written as `tag=manifest` and `manifest>child,child` and `referrer~subject`, divided by blanks. A tag
/// `@manifest` is that manifest's fallback tag.
fn graph(text: &str) -> Graph {
    let mut graph = Graph::default();
    for word in text.split_whitespace() {
        if let Some((tag, target)) = word.split_once('=') {
            let tag: Tag = tag.strip_prefix('@').map_or_else(|| tag.parse().unwrap(), |it| fallback_tag(&digest(it)));
            graph.tags.entry(tag).or_default().push(digest(target));
            graph.nodes.entry(digest(target)).or_default();
        } else if let Some((list, children)) = word.split_once('>') {
            let children: Vec<_> = children.split(',').map(digest).collect();
            for child in &children {
                graph.nodes.entry(child.clone()).or_default();
            }
            let node = graph.nodes.entry(digest(list)).or_default();
            *node = Node { children, list: true, ..node.clone() };
        } else {
            let (referrer, subject) = word.split_once('~').unwrap();
            graph.nodes.entry(digest(referrer)).or_default().subject = Some(digest(subject));
        }
    }
    graph
}

/// What goes if `old` was superseded, by the names in `names`, in order.
fn removed(text: &str) -> String {
    let graph = graph(text);
    let decision = decide(&graph, &[digest("old")]).unwrap();
    let names: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|name| !name.is_empty()).collect();
    let name = |digest_: &Digest| *names.iter().find(|name| digest(name) == *digest_).unwrap();
    decision.removals.iter().map(name).collect::<Vec<_>>().join(" ")
}

#[rstest]
#[case::nothing_shared("latest=new new>n1,n2 old>o1,o2", "old o1 o2")]
#[case::a_release_of_the_same_list("latest=new new>n1 old>o1,o2 1.0.0=old", "")]
#[case::a_release_that_shares_a_child("latest=new new>n1 old>o1,o2 1.0.0=rel rel>o1", "old o2")]
#[case::latest_itself_shares_a_child("latest=new new>o1,n2 old>o1,o2", "old o2")]
#[case::a_tag_on_a_child("latest=new old>o1,o2 mine=o2", "old o1")]
#[case::several_tags_on_one_digest("latest=new old>o1,o2 a=old b=old", "")]
#[case::a_list_in_a_list("latest=new old>inner,o1 inner>i1,i2", "old inner i1 i2 o1")]
#[case::a_list_in_a_list_that_is_shared("latest=new old>inner,o1 inner>i1,i2 mine=inner", "old o1")]
#[case::our_list_in_anothers("latest=new old>o1,o2 mine=outer outer>old", "")]
#[case::attestations_go_with_their_list("latest=new old>o1,o2,att att~o1", "old att o1 o2")]
#[case::a_signature_goes_with_what_it_signs("latest=new old>o1 @old=index index>sig sig~old", "index sig old o1")]
#[case::a_signature_stays_with_what_it_signs("latest=new old>o1 1.0.0=old @old=index index>sig sig~old", "")]
#[case::a_childs_signature_stays_with_the_child(
    "latest=new old>o1,o2 1=rel rel>o1 @o1=i1 i1>s1 @o2=i2 i2>s2",
    "old i2 o2 s2"
)]
#[case::an_untagged_signature("latest=new old>o1 sig~old", "sig old o1")]
#[case::a_tagged_signature_keeps_what_it_signs("latest=new old>o1 mine=sig sig~old", "")]
#[case::a_fallback_tag_of_something_else_is_a_tag("latest=new old>o1,o2 @other=o1", "old o2")]
#[case::a_tag_seen_in_two_places("latest=new old>o1 moving=new moving=o1", "old")]
#[case::what_is_gone_already("latest=new new>n1", "")]
#[case::what_no_record_names("latest=new old>o1 stray>s1,o1", "old o1")]
fn what_goes(#[case] repository: &str, #[case] gone: &str) {
    assert_eq!(removed(repository), gone);
}

#[test]
fn each_candidate_has_a_reason() {
    let graph = graph("latest=new old>o1,o2 1.0.0=rel rel>o2 @old=index");
    let decision = decide(&graph, &[digest("old")]).unwrap();
    let on = |name: &str| {
        let item = decision.item(&digest(name)).unwrap();
        (item.depth, item.outcome, item.because.clone(), item.kept_by.as_ref().map(Tag::as_str))
    };
    let old = digest("old");
    let because = |reason: &str| format!("{reason} {}, no tag holds it", short(&old));
    let recorded = "superseded or never published, no tag holds it".to_owned();
    assert_eq!(on("old"), (0, Outcome::Planned, recorded, None));
    assert_eq!(on("o1"), (1, Outcome::Planned, because("part of"), None));
    assert_eq!(on("o2"), (1, Outcome::Kept, "1.0.0 holds it".into(), Some("1.0.0")));
    assert_eq!(on("index"), (1, Outcome::Planned, because("refers to"), None));
    assert_eq!(decision.item(&digest("rel")), None);
    assert_eq!(fallback_subject(&fallback_tag(&digest("old"))), Some(digest("old")));
}

#[test]
fn a_list_that_was_not_read_keeps_everything() {
    let mut graph = graph("latest=new old>o1 mine=outer outer>inner");
    graph.nodes.remove(&digest("inner"));
    let expected = format!("what mine holds is not known: {} was not read", digest("inner"));
    assert_eq!(decide(&graph, &[digest("old")]).unwrap_err().to_string(), expected);
}

#[test]
fn a_missing_subject_is_still_missing_as_a_part() {
    let mut graph = graph("a=sig sig~inner mine=outer outer>inner latest=new old>o1");
    graph.nodes.remove(&digest("inner"));
    let expected = format!("what mine holds is not known: {} was not read", digest("inner"));
    assert_eq!(decide(&graph, &[digest("old")]).unwrap_err().to_string(), expected);
}

#[test]
fn referrers_of_an_absent_subject_keep_each_other() {
    let mut graph = graph("mine=sig sig~gone old~gone");
    graph.nodes.remove(&digest("gone"));
    assert_eq!(decide(&graph, &[digest("old")]).unwrap().removals, []);
}
