//! When something was first seen: a registry does not say when it got a manifest or a tag.

use std::{collections::BTreeMap, time::SystemTime};

use humantime::format_rfc3339_seconds;

/// What was seen, and when first. Something that was gone for one request is new when it comes back.
#[derive(Debug, Default)]
pub(super) struct FirstSeen {
    requests: u64,
    /// The request and the time at which each was first seen.
    first: BTreeMap<String, (u64, SystemTime)>,
}

impl FirstSeen {
    /// Notes all that there is at a request.
    pub(super) fn note<'a>(&mut self, present: impl IntoIterator<Item = &'a str>) {
        self.requests += 1;
        let now = (self.requests, SystemTime::now());
        let mut before = std::mem::take(&mut self.first);
        let first = present.into_iter().map(|name| before.remove_entry(name).unwrap_or((name.to_owned(), now)));
        self.first = first.collect();
    }

    /// The request at which something was first seen.
    pub(super) fn request(&self, name: &str) -> u64 {
        self.first.get(name).map_or(0, |(request, _)| *request)
    }

    /// The time as the interfaces write it.
    pub(super) fn time(&self, name: &str) -> String {
        format_rfc3339_seconds(self.first.get(name).map_or_else(SystemTime::now, |(_, time)| *time)).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_new() {
        let mut seen = FirstSeen::default();
        seen.note(["a", "b"]);
        seen.note(["a", "b", "c"]);
        assert_eq!(["a", "b", "c"].map(|name| seen.request(name)), [1, 1, 2]);
        seen.note(["a"]);
        seen.note(["a", "b"]);
        assert_eq!(["a", "b"].map(|name| seen.request(name)), [1, 4]);
    }
}
