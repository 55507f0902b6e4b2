//! Another user acts right before the first request of a clean-up, right before the second, and so on to the
//! last: at no moment does anybody lose anything.

use rstest::rstest;

use super::fake::{Contents, FakeRegistry};
use crate::{
    config::DriverKind::{self, Distribution, DockerHub, GitHub},
    oci::Digest,
};

/// What the other user does.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Tags a list of their own that names an image of the old one.
    SharesAnImage,
    /// Tags the old list.
    TagsTheList,
    /// Moves `latest` back to the old list.
    MovesLatestBack,
    /// Moves a tag that was there before to the old list.
    MovesAnotherTag,
}

impl Act {
    /// Does it, if the registry lets it happen: what a list names has to be there.
    fn happen(self, contents: &mut Contents, list: &Digest, images: &[Digest]) {
        let is_whole = contents.holds(list) && images.iter().all(|image| contents.holds(image));
        let image = &images[1];
        match self {
            Self::SharesAnImage if contents.holds(image) => {
                let other = contents.image("other");
                let mine = contents.list(&[&other, image]);
                contents.tag("mine", &mine);
            }
            Self::TagsTheList if is_whole => contents.tag("mine", list),
            Self::MovesLatestBack if is_whole => contents.tag("latest", list),
            Self::MovesAnotherTag if is_whole => contents.tag("moving", list),
            _ => return,
        }
        contents.acted = true;
    }

    /// The tag that is set.
    fn tag(self) -> &'static str {
        match self {
            Self::SharesAnImage | Self::TagsTheList => "mine",
            Self::MovesLatestBack => "latest",
            Self::MovesAnotherTag => "moving",
        }
    }
}

/// A clean-up in which an act happens before a request; tells how many requests there were, and whether it happened.
async fn clean(kind: DriverKind, act: Act, refused_once: bool, before: usize) -> (usize, bool) {
    let fake = FakeRegistry::start(kind).await;
    let old = fake.contents().publish("latest", "old");
    fake.contents().publish("1.0.0", "release");
    fake.contents().publish("moving", "another");
    let images = fake.contents().children(&old);
    {
        let mut contents = fake.contents();
        if refused_once {
            contents.answer("DELETE ", 1, 503, "");
        }
        for _ in 0..before {
            contents.before("", |_| {});
        }
        let (list, images) = (old.clone(), images.clone());
        contents.before("", move |contents| act.happen(contents, &list, &images));
    }
    let report = fake.superseded(&old).await;
    let contents = fake.contents();
    // A new tag that is set in the moment before the deletion is removed with it unseen: nothing but
    // the registry itself could keep it, or tell.
    let first = contents.log.iter().position(|request| request.starts_with("DELETE "));
    let is_deletion = contents.log.get(before).is_some_and(|request| request.starts_with("DELETE "));
    let unseen = is_deletion && !(refused_once && first == Some(before));
    let happened = contents.acted;
    for tag in ["latest", "1.0.0", "moving"].into_iter().chain((happened && !unseen).then_some(act.tag())) {
        assert!(
            contents.tags.contains_key(tag),
            "{tag} is missing, {act:?} before request {before}: {report:?}\n{:#?}",
            contents.log
        );
    }
    for (tag, at) in &contents.tags {
        let parts = contents.holds(at) && contents.children(at).iter().all(|part| contents.holds(part));
        assert!(parts, "{tag} lost something, {act:?} before request {before}: {report:?}\n{:#?}", contents.log);
    }
    (contents.log.len(), happened)
}

#[rstest]
#[tokio::test]
async fn no_tag_loses_anything_at_any_moment(
    #[values(GitHub, DockerHub, Distribution)] kind: DriverKind,
    #[values(Act::SharesAnImage, Act::TagsTheList, Act::MovesLatestBack, Act::MovesAnotherTag)] act: Act,
    #[values(false, true)] refused_once: bool,
) {
    let (mut moment, mut happened) = (0, 0);
    loop {
        let (requests, did) = clean(kind, act, refused_once, moment).await;
        happened += usize::from(did);
        moment += 1;
        if moment >= requests {
            break;
        }
    }
    assert!(happened > 3, "it hardly ever happened: {happened} of {moment}");
}
