//! The terms of a called workflow or composite action, told in those of its caller.

use std::collections::BTreeMap;

use super::expression::{as_expression, condition_rewritten, rewritten};

/// What a callee was given. Expressions, without `${{ }}`, by names in lower case; none where names mean what they mean
/// at the caller's.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Inputs.
    pub(super) inputs: Option<BTreeMap<String, String>>,
    /// Secrets.
    pub(super) secrets: Option<BTreeMap<String, String>>,
    /// Variables that the workflow itself sets.
    pub(super) env: BTreeMap<String, String>,
}

impl Scope {
    /// A text in the caller's terms.
    pub(super) fn text(&self, text: &str) -> String {
        rewritten(text, &self.known())
    }

    /// A condition in the caller's terms.
    pub(super) fn condition(&self, condition: &str) -> String {
        condition_rewritten(condition, &self.known())
    }

    /// The same with further variables, told in the caller's terms already.
    pub(super) fn with_env(&self, env: &BTreeMap<String, String>) -> Self {
        let env = env.iter().map(|(name, value)| (name.to_ascii_lowercase(), as_expression(value)));
        Self { env: env.collect(), ..self.clone() }
    }

    fn known(&self) -> impl Fn(&str) -> Option<String> + use<'_> {
        |name| {
            let (context, name) = name.split_once('.')?;
            match context {
                "inputs" => Some(given(self.inputs.as_ref()?, name)),
                // Every workflow has it, without being given it.
                "secrets" if name != "github_token" => Some(given(self.secrets.as_ref()?, name)),
                "env" => self.env.get(name).cloned(),
                _ => None,
            }
        }
    }
}

/// What was not given is empty.
fn given(all: &BTreeMap<String, String>, name: &str) -> String {
    all.get(name).cloned().unwrap_or_else(|| "''".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_stands_in_the_place_of_its_name() {
        let given = |name: &str, value: &str| Some(BTreeMap::from([(name.to_owned(), as_expression(value))]));
        let scope = Scope {
            inputs: given("tag", "v${{ github.run_id }}"),
            secrets: given("token", "${{ secrets.DOCKERHUB_TOKEN }}"),
            env: BTreeMap::new(),
        };
        assert_eq!(scope.text("a ${{ inputs.TAG }}"), "a ${{ format('v{0}', (github.run_id)) }}");
        assert_eq!(scope.text("${{ secrets.token }}"), "${{ (secrets.DOCKERHUB_TOKEN) }}");
        assert_eq!(scope.text("${{ secrets.OTHER }}"), "${{ '' }}");
        assert_eq!(scope.text("${{ secrets.GITHUB_TOKEN }}"), "${{ secrets.GITHUB_TOKEN }}");
        assert_eq!(scope.condition("inputs.tag == 'x'"), "format('v{0}', (github.run_id)) == 'x'");
        assert_eq!(Scope::default().text("${{ inputs.tag }}"), "${{ inputs.tag }}");
    }
}
