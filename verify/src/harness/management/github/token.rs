//! Who asks: a person with a classic token, or a workflow.

/// A token that is known.
#[derive(Clone)]
pub struct GitHubToken {
    /// What is sent.
    pub secret: String,
    /// Whose it is.
    pub kind: TokenKind,
    /// Whether it allows deletions: the scope `delete:packages`, or administration of the package.
    pub may_delete: bool,
}

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// A classic personal access token.
    Classic {
        /// The name of the person.
        login: String,
    },
    /// `GITHUB_TOKEN` of a workflow, which is nobody's and knows no `/user`.
    Workflow,
}

impl GitHubToken {
    /// Requests an hour.
    pub(super) const fn requests_max(&self) -> u32 {
        match self.kind {
            TokenKind::Classic { .. } => 5_000,
            TokenKind::Workflow => 1_000,
        }
    }

    /// What it is told when it may not delete.
    pub(super) const fn denial(&self) -> &'static str {
        match self.kind {
            TokenKind::Classic { .. } => "You need at least delete:packages scope to delete a package version.",
            TokenKind::Workflow => "Resource not accessible by integration",
        }
    }
}
