//! What was found, and how it is shown.

use std::fmt;

use serde::Serialize;

/// Whether something is as it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is.
    Ok,
    /// It is not, but a build may do without.
    Warning,
    /// Its version is too old.
    TooOld,
    /// It is not, and nothing can be built.
    Missing,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::TooOld => "too old",
            Self::Missing => "missing",
        }
    }
}

/// The result of one examination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was examined: `podman`, `emulation of linux/arm64`.
    pub name: String,
    /// Whether it is as it has to be.
    pub status: Status,
    /// What was found.
    pub detail: String,
    /// How to fix it.
    #[serde(rename = "mend")]
    pub fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Ok, detail: detail.into(), fix: None }
    }

    pub(super) fn warning(name: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: Status::Warning, fix: Some(fix.into()), ..Self::ok(name, detail) }
    }

    /// Makes a warning of it, if something is missing that a build may do without.
    pub(super) fn not_required(self) -> Self {
        if self.status == Status::Missing { Self { status: Status::Warning, ..self } } else { self }
    }

    pub(super) fn missing(name: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: Status::Missing, ..Self::warning(name, detail, fix) }
    }
}

/// All findings, as an aligned table or as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Whether everything is there that is required.
    pub fit: bool,
    /// The findings, in a fixed order.
    pub findings: Vec<Finding>,
}

impl From<Vec<Finding>> for Diagnosis {
    fn from(findings: Vec<Finding>) -> Self {
        let fit = findings.iter().all(|finding| matches!(finding.status, Status::Ok | Status::Warning));
        Self { fit, findings }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.findings.iter().map(|finding| finding.name.chars().count()).max().unwrap_or_default();
        for Finding { name, status, detail, fix } in &self.findings {
            writeln!(f, "{:<7}  {name:<width$}  {detail}", status.word())?;
            if let Some(fix) = fix {
                writeln!(f, "{:<7}  {:<width$}  fix: {fix}", "", "")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(&[], true)]
    #[case(&[Status::Ok, Status::Warning], true)]
    #[case(&[Status::Ok, Status::TooOld], false)]
    #[case(&[Status::Missing, Status::Ok], false)]
    fn a_machine_with_warnings_is_fit_and_one_that_lacks_something_is_not(#[case] found: &[Status], #[case] fit: bool) {
        let findings: Vec<_> = found.iter().map(|&status| Finding { status, ..Finding::ok("", "") }).collect();
        assert_eq!(Diagnosis::from(findings).fit, fit);
    }

    #[test]
    fn the_table_is_aligned_and_says_how_to_fix() {
        let diagnosis = Diagnosis::from(vec![
            Finding::ok("podman", "5.8.6"),
            Finding::missing("newuidmap", "not found", "apt-get install uidmap"),
        ]);
        insta::assert_snapshot!(diagnosis, @r"
        ok       podman     5.8.6
        missing  newuidmap  not found
                            fix: apt-get install uidmap
        ");
        insta::assert_snapshot!(serde_json::to_string(&diagnosis).unwrap(), @r#"{"fit":false,"findings":[{"name":"podman","status":"ok","detail":"5.8.6","mend":null},{"name":"newuidmap","status":"missing","detail":"not found","mend":"apt-get install uidmap"}]}"#);
    }
}
