//! The tag put back where it was, after it could not be moved everywhere.

use futures::future::join_all;

use super::Mover;
use crate::{
    event::Event,
    exit::Failure,
    oci::{Digest, short},
    registry::{Name, RegistryError},
};

impl Mover<'_> {
    /// Undoes what this run did to the tag, and says what came of it. A newer build that shows up meanwhile is brought to
    /// all registries instead, and the run ends as superseded.
    pub async fn put_back(&mut self, failure: Failure) -> Failure {
        let restored = join_all((0..self.registries.len()).map(|at| self.restore(at))).await;
        let (is_back, left): (Vec<bool>, Vec<String>) = restored.into_iter().unzip();
        let mut left = left.join("; ");
        // What was put back is a write like any other, so the tags are read after it. Another run of the same commit may have
        // succeeded meanwhile where this one failed.
        let ours = Some(&self.to.list.digest);
        let is_shown = |seen: Result<Option<Digest>, _>| seen.is_ok_and(|seen| seen.as_ref() == ours);
        if is_back.iter().zip(self.live.read_each().await).any(|(is_back, seen)| *is_back && is_shown(seen)) {
            for at in 0..self.registries.len() {
                // This run has failed already; the other one writes what this one cannot.
                let _ = self.write(at, self.to.list).await;
            }
            left = format!("another run has moved {} to the same image", self.to.tag);
        }
        self.events.event(Event::Warning(format!("{} could not be moved everywhere: {left}", self.to.tag)));
        self.overtaken_or(failure.left(left)).await
    }

    /// Undoes the move on one registry, unless another run has moved the tag since. Returns whether the list is no longer
    /// under the tag there, and what the tag points at, in words.
    async fn restore(&self, at: usize) -> (bool, String) {
        let (registry, tag) = (&self.registries[at], self.to.tag);
        let (name, before) = (registry.name(), self.before(at));
        let Ok(seen) = registry.resolve(tag).await else {
            return (false, format!("what {tag} points at on {name} is unknown, it does not answer"));
        };
        if seen.as_ref() == before.map(|it| &it.digest) {
            return (seen.as_ref() != Some(&self.to.list.digest), format!("{tag} is as before on {name}"));
        }
        match (seen, before) {
            (Some(seen), _) if seen != self.to.list.digest => (
                true,
                format!("{tag} points at {} on {name}, where another run or user has moved it since", short(&seen)),
            ),
            (_, Some(before)) => match registry.put_manifest(Name::Tag(tag), before).await {
                Ok(()) => (true, format!("{tag} is as before on {name}")),
                Err(error) => (false, format!("{tag} could not be put back on {name}: {}", error.cause)),
            },
            (_, None) => match self.remove(at).await {
                Ok(None) => (true, format!("{tag} was removed again on {name}")),
                Ok(Some(why)) => (false, format!("{tag} stays on {name}: {why}")),
                Err(error) => (false, format!("{tag} could not be removed on {name}: {}", error.cause)),
            },
        }
    }

    /// Removes a tag that was not there before, and looks whether it is gone. Tells why it stays.
    async fn remove(&self, at: usize) -> Result<Option<String>, RegistryError> {
        let (registry, tag) = (&self.registries[at], self.to.tag);
        registry.delete_manifest(Name::Tag(tag)).await?;
        if registry.resolve(tag).await?.is_none() {
            return Ok(None);
        }
        let Some(cleaner) = &self.cleaners[at] else {
            return Ok(Some("nothing says how tags are deleted there".into()));
        };
        let why = match cleaner.untag(tag, self.to.list).await {
            Ok(()) => "the registry still shows it".into(),
            Err(problem) => problem.to_string(),
        };
        Ok(registry.resolve(tag).await?.map(|_| why))
    }
}
