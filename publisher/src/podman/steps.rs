//! Which steps of a build were run and which were taken from a cache, as podman tells it line by line.
//!
//! A build that writes to a layer cache names the key of every step there: those that it pulled and those that it pushed.
//! `FROM` is no step here: it is never in a cache of steps. What a `RUN` step prints can look like podman's own lines;
//! that can falsify these numbers, keep a step in the cache that nobody uses, and nothing else.

use std::collections::BTreeSet;

/// What podman prints for a step that it took from its store, where it may have been pulled to a moment ago.
const REUSED: &str = "--> Using cache ";
/// What podman prints before the repository and the key of a step that it found in a layer cache, or leaves there.
const IN_CACHE: [&str; 2] = ["--> Cache pulled from remote ", "--> Pushing cache "];

/// The steps of one build, which may take several runs of podman.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// For each step in order, whether it was reused.
    reused: Vec<bool>,
    /// How many of them the present run has come to, and how many the runs before it.
    reached: usize,
    reached_before: usize,
    /// The keys of the steps in a layer cache.
    keys: BTreeSet<String>,
}

impl Steps {
    /// Takes a line that podman printed.
    pub fn see(&mut self, line: &str) {
        if is_step(line) {
            self.reached += 1;
            if self.reached > self.reused.len() {
                self.reused.push(false);
            }
        } else if line.starts_with(REUSED)
            && self.reached > self.reached_before
            && let Some(last) = self.reused.last_mut()
        {
            *last = true;
        }
        if IN_CACHE.iter().any(|mark| line.starts_with(mark))
            && let Some((_, key)) = line.rsplit_once(':')
        {
            self.keys.insert(key.to_owned());
        }
    }

    /// podman is run again. What it finds in its store then because the run before put it there is not reused.
    pub fn again(&mut self) {
        (self.reached, self.reached_before) = (0, self.reused.len());
    }

    /// The keys of all steps in the layer cache; none if there is no cache, or if it could not be written: then podman does
    /// not name them all.
    pub fn keys(&self) -> Vec<String> {
        if self.reached_before > 0 { Vec::new() } else { self.keys.iter().cloned().collect() }
    }

    /// How many steps there are.
    pub fn total(&self) -> usize {
        self.reused.len()
    }

    /// How many of them were taken from a cache.
    pub fn reused(&self) -> usize {
        self.reused.iter().filter(|reused| **reused).count()
    }
}

/// `STEP 2/5: COPY a b`, with the stage before it where there are several: `[1/2] STEP 2/5: COPY a b`.
fn is_step(line: &str) -> bool {
    let Some((stage, step)) = line.split_once("STEP ") else { return false };
    let Some((number, instruction)) = step.split_once(": ") else { return false };
    (stage.is_empty() || stage.starts_with('[') && stage.ends_with("] "))
        && number.split('/').all(|n| n.parse::<u32>().is_ok())
        && !instruction.to_ascii_uppercase().starts_with("FROM ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0459868b4a1a21c4fbffb3398c451e05127dd8d515ff8d323390265890304025";

    fn seen(steps: &mut Steps, lines: &[&str]) -> (usize, usize) {
        for line in lines {
            steps.see(&line.replace("ID", ID));
        }
        (steps.reused(), steps.total())
    }

    #[rstest::rstest]
    #[case(&["STEP 1/1: FROM scratch"], (0, 0))]
    #[case(&["STEP 1/2: from scratch", "STEP 2/2: COPY a b", "--> 0459868b4a1a"], (0, 1))]
    #[case(&["STEP 1/2: FROM scratch", "STEP 2/2: COPY a b", "--> Using cache ID", "--> 0459868b4a1a"], (1, 1))]
    // Pulled, and found to be of no use.
    #[case(&["STEP 2/2: COPY a b", "--> Cache pulled from remote h/c:ID", "--> Pushing cache [h/c]:ID"], (0, 1))]
    #[case(
        &[
            "[1/2] STEP 1/2: FROM base AS one", "[1/2] STEP 2/2: RUN make", "--> Cache pulled from remote h/c:ID",
            "--> Using cache ID", "[2/2] STEP 1/3: FROM base", "[2/2] STEP 2/3: COPY --from=one a b", "--> Using cache ID",
            "[2/2] STEP 3/3: LABEL \"a\"=\"b\"", "[2/2] COMMIT", "--> Pushing cache [h/c]:ID",
        ],
        (2, 3)
    )]
    #[case(&["--> Using cache ID", "STEP x/y: RUN a", "[STEP 1/2: RUN a", "STEPS 1/2: RUN a", "STEP 1/2"], (0, 0))]
    fn steps_are_counted(#[case] lines: &[&str], #[case] expected: (usize, usize)) {
        assert_eq!(seen(&mut Steps::default(), lines), expected);
    }

    /// As podman 5.8 prints it, which names the key of a step that it pulled twice.
    #[test]
    fn a_build_that_writes_its_cache_names_the_keys_of_all_steps() {
        let lines = [
            "[1/2] STEP 2/2: RUN make",
            "--> Cache pulled from remote 127.0.0.1:5000/a/c:1f:1f",
            "--> Using cache ID",
            "[2/2] STEP 2/3: COPY --from=one a b",
            "--> Pushing cache [127.0.0.1:5000/a/c]:2e",
            "--> 0459868b4a1a",
        ];
        let mut steps = Steps::default();
        seen(&mut steps, &lines);
        assert_eq!(steps.keys(), ["1f", "2e"]);
        steps.again();
        seen(&mut steps, &lines[..2]);
        assert_eq!(steps.keys(), Vec::<String>::new(), "not all are named by a run that does not write");
    }

    #[test]
    fn what_an_earlier_run_of_the_same_build_did_is_no_cache() {
        let mut steps = Steps::default();
        let first =
            ["STEP 1/4: FROM base", "STEP 2/4: COPY a b", "--> Using cache ID", "STEP 3/4: RUN make", "Error: x"];
        assert_eq!(seen(&mut steps, &first), (1, 2));
        steps.again();
        let second = ["STEP 2/4: COPY a b", "--> Using cache ID", "STEP 3/4: RUN make", "--> Using cache ID"];
        assert_eq!(seen(&mut steps, &second), (1, 2));
        assert_eq!(seen(&mut steps, &["STEP 4/4: RUN test", "--> Using cache ID"]), (2, 3));
    }
}
