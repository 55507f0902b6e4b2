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
    /// It is there in a version that will not do.
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

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `podman`, `emulation of linux/arm64`.
    pub name: String,
    /// Whether it is as it has to be.
    pub status: Status,
    /// What was found.
    pub detail: String,
    /// How to mend it.
    pub mend: Option<String>,
}

impl Finding {
    pub(super) fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Ok, detail: detail.into(), mend: None }
    }

    pub(super) fn bad(
        name: impl Into<String>,
        status: Status,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { name: name.into(), status, detail: detail.into(), mend: Some(mend.into()) }
    }
}

/// How a package is installed.
pub(super) fn install(package: &str) -> String {
    format!("apt-get install {package}, or ./setup.sh")
}

/// All that was looked at, as an aligned table or as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Whether all that is required is there.
    pub fit: bool,
    /// What was found, in a fixed order.
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
        let name_width = self.findings.iter().map(|finding| finding.name.chars().count()).max().unwrap_or_default();
        let word_width = Status::TooOld.word().len();
        for Finding { name, status, detail, mend } in &self.findings {
            writeln!(f, "{:<word_width$}  {name:<name_width$}  {detail}", status.word())?;
            if let Some(mend) = mend {
                writeln!(f, "{:<word_width$}  {:<name_width$}  mend: {mend}", "", "")?;
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
    fn the_table_is_aligned_and_says_how_to_mend() {
        let diagnosis = Diagnosis::from(vec![
            Finding::ok("podman", "5.8.6"),
            Finding::bad("newuidmap", Status::Missing, "not found", install("uidmap")),
        ]);
        insta::assert_snapshot!(diagnosis, @r"
        ok       podman     5.8.6
        missing  newuidmap  not found
                            mend: apt-get install uidmap, or ./setup.sh
        ");
        insta::assert_snapshot!(serde_json::to_string(&diagnosis).unwrap(), @r#"{"fit":false,"findings":[{"name":"podman","status":"ok","detail":"5.8.6","mend":null},{"name":"newuidmap","status":"missing","detail":"not found","mend":"apt-get install uidmap, or ./setup.sh"}]}"#);
    }
}
