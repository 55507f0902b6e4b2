//! When something was seen first: a registry does not say when it got a manifest or a tag.

use std::{cmp::Reverse, collections::BTreeMap, time::SystemTime};

use humantime::format_rfc3339_seconds;

/// What was seen, and when first. Something that was gone for a look is new when it comes back.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    looks: u64,
    first: BTreeMap<String, (u64, SystemTime)>,
}

impl Sightings {
    /// Looks at all that there is now.
    pub(super) fn look<'a>(&mut self, present: impl IntoIterator<Item = &'a str>) {
        self.looks += 1;
        let (look, now) = (self.looks, SystemTime::now());
        let mut before = std::mem::take(&mut self.first);
        let first = present.into_iter().map(|name| before.remove_entry(name).unwrap_or((name.to_owned(), (look, now))));
        self.first = first.collect();
    }

    /// For an order in which what came last stands first, and what came together stands by name.
    pub(super) fn newest_first<'a>(&self, name: &'a str) -> (Reverse<u64>, &'a str) {
        (Reverse(self.first.get(name).map_or(u64::MAX, |(look, _)| *look)), name)
    }

    /// The time as the interfaces write it.
    pub(super) fn time(&self, name: &str) -> String {
        let time = self.first.get(name).map_or_else(SystemTime::now, |(_, time)| *time);
        format_rfc3339_seconds(time).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order<'a>(sightings: &Sightings, names: &[&'a str]) -> Vec<&'a str> {
        let mut names = names.to_vec();
        names.sort_by_key(|name| sightings.newest_first(name));
        names
    }

    #[test]
    fn what_came_last_stands_first() {
        let mut sightings = Sightings::default();
        sightings.look(["b", "a"]);
        sightings.look(["a", "b", "z"]);
        assert_eq!(order(&sightings, &["a", "b", "z"]), ["z", "a", "b"]);
        sightings.look(["a", "z"]);
        sightings.look(["a", "b", "z"]);
        assert_eq!(order(&sightings, &["a", "b", "z"]), ["b", "z", "a"]);
    }
}
