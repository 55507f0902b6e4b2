//! Somebody else does something right before the first request of a clean-up, right before the second, and so on to the
//! last: at no moment does anybody lose anything.

use rstest::rstest;

use super::ground::{Contents, Ground};
use crate::{
    config::DriverKind::{self, Distribution, DockerHub, GitHub},
    oci::Digest,
};

/// What somebody else does.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Tags a list of their own that names an image of the old one.
    SharesAnImage,
    /// Tags the old list.
    TagsTheList,
    /// Moves `latest` back to the old list.
    MovesLatestBack,
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
            _ => {}
        }
    }
}

/// A clean-up in which an act happens before a request; tells how many requests there were, and whether it happened.
async fn clean(kind: DriverKind, act: Act, before: usize) -> (usize, bool) {
    let ground = Ground::start(kind).await;
    let old = ground.contents().publish("latest", "old");
    ground.contents().publish("1.0.0", "release");
    let images = ground.contents().children(&old);
    {
        let mut contents = ground.contents();
        for _ in 0..before {
            contents.before("", |_| {});
        }
        let (list, images) = (old.clone(), images.clone());
        contents.before("", move |contents| act.happen(contents, &list, &images));
    }
    let report = ground.superseded(&old).await;
    let contents = ground.contents();
    assert!(contents.tags.contains_key("latest"), "latest is missing, {act:?} before request {before}");
    for (tag, at) in &contents.tags {
        let parts = contents.holds(at) && contents.children(at).iter().all(|part| contents.holds(part));
        assert!(parts, "{tag} lost something, {act:?} before request {before}: {report:?}\n{:#?}", contents.log);
    }
    (contents.log.len(), contents.tags.contains_key("mine") || contents.tags["latest"] == old)
}

#[rstest]
#[tokio::test]
async fn nobody_loses_anything_at_any_moment(
    #[values(GitHub, DockerHub, Distribution)] kind: DriverKind,
    #[values(Act::SharesAnImage, Act::TagsTheList, Act::MovesLatestBack)] act: Act,
) {
    let (mut moment, mut happened) = (0, 0);
    loop {
        let (requests, did) = clean(kind, act, moment).await;
        happened += usize::from(did);
        moment += 1;
        if moment >= requests {
            break;
        }
    }
    assert!(happened > 3, "it hardly ever happened: {happened} of {moment}");
}
