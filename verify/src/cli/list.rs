//! `verify list`

use serde_json::{Value, json};

use super::{
    arguments::{ListArguments, ListOutput},
    exit, printing,
};
use crate::{
    checks::{EXCEPTIONS, all},
    harness::HarnessError,
    requirements::REQUIREMENTS,
};

/// Prints the list.
pub(super) fn run(arguments: &ListArguments) -> Result<u8, HarnessError> {
    let text = match (arguments.requirements, arguments.output) {
        (true, ListOutput::Text) => REQUIREMENTS.iter().flat_map(|it| [it.id, "  ", it.text, "\n"]).collect(),
        (true, ListOutput::Json) => format!("{:#}\n", json!(REQUIREMENTS)),
        (false, ListOutput::Text) => checks_text(),
        (false, ListOutput::Json) => format!("{:#}\n", checks_json()),
    };
    printing::print(&text)?;
    Ok(exit::VERIFIED)
}

fn checks_text() -> String {
    let line =
        |id: String, requirements: &[&str], rest: &str| format!("{id:<80} {:<24} {rest}\n", requirements.join(" "));
    let checks = all().into_iter().map(|check| {
        let needs: Vec<&str> = check.needs.iter().map(|need| need.name()).collect();
        line(check.id(), check.requirements, &format!("needs {}", needs.join(", ")))
    });
    let exceptions = EXCEPTIONS.iter().map(|it| {
        let id = format!("{}: not shown: {}", it.requirement, it.not_shown);
        line(id, &[it.requirement], &format!("instead {}", it.instead))
    });
    checks.chain(exceptions).collect()
}

/// `[{ id, claim, requirements, needs, scenario }, …, { requirements, not_shown, instead }]`
fn checks_json() -> Value {
    let checks = all().into_iter().map(|check| {
        json!({
            "id": check.id(),
            "claim": check.words(),
            "requirements": check.requirements,
            "needs": check.needs,
            "scenario": check.scenario,
        })
    });
    let exceptions = EXCEPTIONS
        .iter()
        .map(|it| json!({ "requirements": [it.requirement], "not-shown": it.not_shown, "instead": it.instead }));
    checks.chain(exceptions).collect()
}
