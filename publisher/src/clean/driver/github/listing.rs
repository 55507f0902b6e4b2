//! The listing of a package's versions.
//!
//! It is newest first, which is nowhere promised. So it is read until everything sought was seen and what comes is older,
//! only as long as the dates themselves show that order; else to its end.

use std::{collections::HashSet, time::SystemTime};

use reqwest::{
    Method,
    header::{HeaderMap, LINK},
};

use super::{GitHub, Seen, failed, version::Version};
use crate::{
    clean::{
        CleanError,
        driver::{Look, Sighting},
        error::protocol,
    },
    oci::Digest,
    registry::{Cause, Registry},
};

/// The most that a page can hold.
const PAGE: usize = 100;
/// The most pages that are read.
const PAGES_MAX: usize = 100;

impl GitHub {
    /// Reads the listing as far as it can matter.
    pub(in crate::clean::driver) async fn look(
        &self,
        registry: &Registry,
        sought: &HashSet<Digest>,
    ) -> Result<Look, CleanError> {
        let home = self.home(registry).await?;
        let mut look = Look::default();
        let mut order = Order::default();
        for page in 1..=PAGES_MAX {
            let path = format!("{home}/versions?per_page={PAGE}&page={page}&state=active");
            let operation = format!("list versions (page {page})");
            let listed = registry.attempts(&operation, async || {
                let answer = self.call(registry, Method::GET, &path).await?;
                let more = has_next(&answer.headers);
                let versions: Vec<Version> = if answer.is_absent() { Vec::new() } else { answer.json()? };
                let read = versions.iter().map(|version| Ok((version.digest()?, version.tags()?)));
                let read = read.collect::<Result<Vec<_>, Cause>>()?;
                Ok((versions, read, more))
            });
            let (versions, read, more) = listed.await.map_err(|error| failed(registry, error))?;
            for (version, (digest, tags)) in versions.iter().zip(read) {
                order.next(version.born());
                look.born.extend(version.born().map(|born| (digest.clone(), born)));
                self.seen().insert(digest.clone(), Seen { id: version.id, born: version.born() });
                let since = version.born();
                let sighting = |tag| Sighting { tag, digest: digest.clone(), images: None, since };
                look.sightings.extend(tags.into_iter().map(sighting));
            }
            // What was seen in an earlier look and is gone by now is as old as it was.
            let known: Vec<_> = sought.iter().map(|digest| Some((digest, self.seen().get(digest)?.born?))).collect();
            let oldest = known.iter().flatten().map(|(_, born)| *born).min();
            look.born.extend(known.iter().flatten().map(|(digest, born)| ((*digest).clone(), *born)));
            if !more.unwrap_or(versions.len() >= PAGE) {
                return Ok(look);
            }
            if known.iter().all(Option::is_some) && order.is_past(oldest) {
                look.shortened = true;
                return Ok(look);
            }
        }
        let endless = registry.attempts("list versions", async || {
            Err::<Look, _>(protocol(format!("the package has more than {} versions", PAGE * PAGES_MAX)))
        });
        Ok(endless.await?)
    }
}

/// Whether the listing is in the order that allows stopping early: newest first.
#[derive(Debug, Default)]
struct Order {
    broken: bool,
    last: Option<SystemTime>,
}

impl Order {
    fn next(&mut self, born: Option<SystemTime>) {
        let Some(born) = born else {
            self.broken = true;
            return;
        };
        self.broken |= self.last.is_some_and(|last| born > last);
        self.last = Some(born);
    }

    /// Whether everything that follows is older than that.
    fn is_past(&self, moment: Option<SystemTime>) -> bool {
        !self.broken && moment.zip(self.last).is_some_and(|(moment, last)| last < moment)
    }
}

/// Whether there is another page; nothing where the answer does not say.
fn has_next(headers: &HeaderMap) -> Option<bool> {
    let link = headers.get(LINK)?.to_str().ok()?;
    Some(link.split(',').any(|link| link.contains("rel=\"next\"")))
}
