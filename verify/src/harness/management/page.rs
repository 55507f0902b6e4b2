//! Pages of a listing, counted from 1.

use std::{collections::BTreeMap, ops::Range};

/// Which page is asked for, and how long pages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) number: usize,
    pub(super) size: usize,
}

/// How an interface calls a page's size, and its limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) parameter: &'static str,
    pub(super) default: usize,
    pub(super) max: usize,
}

impl Page {
    /// From a query. Numbers that make no sense are taken as not given, sizes that are too large as the largest.
    pub(super) fn of(query: &BTreeMap<String, String>, sizes: Sizes) -> Self {
        let number = |name: &str| query.get(name).and_then(|text| text.parse().ok()).filter(|number| *number > 0);
        let size: usize = number(sizes.parameter).unwrap_or(sizes.default);
        Self { number: number("page").unwrap_or(1), size: size.min(sizes.max) }
    }

    /// What it shows of a listing of this length.
    pub(super) fn range(self, length: usize) -> Range<usize> {
        let start = (self.number - 1).saturating_mul(self.size).min(length);
        start..start.saturating_add(self.size).min(length)
    }

    /// The last page of a listing of this length. There is always a first one.
    pub(super) fn last(self, length: usize) -> usize {
        length.div_ceil(self.size).max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const SIZES: Sizes = Sizes { parameter: "per_page", default: 30, max: 100 };

    #[rstest]
    #[case(&[], (1, 30))]
    #[case(&[("page", "3")], (3, 30))]
    #[case(&[("per_page", "100")], (1, 100))]
    #[case(&[("per_page", "101")], (1, 100))]
    #[case(&[("page", "0"), ("per_page", "0")], (1, 30))]
    #[case(&[("page", "-1"), ("per_page", "many")], (1, 30))]
    fn a_query_is_read(#[case] query: &[(&str, &str)], #[case] (number, size): (usize, usize)) {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(Page::of(&query, SIZES), Page { number, size });
    }

    proptest! {
        #[test]
        fn all_pages_together_show_everything_once(length in 0_usize..500, size in 1_usize..120) {
            let page = |number| Page { number, size };
            let last = page(1).last(length);
            let shown: Vec<usize> = (1..=last).flat_map(|number| page(number).range(length)).collect();
            prop_assert_eq!(shown, (0..length).collect::<Vec<_>>());
            prop_assert!(page(last + 1).range(length).is_empty());
            prop_assert!(page(usize::MAX).range(length).is_empty());
        }
    }
}
