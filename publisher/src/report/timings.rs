//! `timings.json`: how long the phases took, for whoever measures runs against each other.

use serde_json::json;

use super::outcome::Timing;

/// The version of the document; it grows when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// The document: `{"schema": 1, "timings": [{"phase", "platform", "milliseconds"}, …]}`, in the order in which phases ended.
pub fn document(timings: &[Timing]) -> String {
    let entry = |timing: &Timing| json!({ "phase": timing.phase, "platform": timing.platform, "milliseconds": timing.milliseconds });
    format!("{:#}\n", json!({ "schema": SCHEMA, "timings": timings.iter().map(entry).collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::outcome::tests::publication;

    #[test]
    fn the_document_names_its_schema() {
        insta::assert_snapshot!(document(&publication().timings[1..]), @r#"
        {
          "schema": 1,
          "timings": [
            {
              "phase": "stage",
              "platform": "linux/amd64",
              "milliseconds": 3200
            },
            {
              "phase": "commit",
              "platform": null,
              "milliseconds": 340
            }
          ]
        }
        "#);
    }

    #[test]
    fn an_entry_is_the_same_as_in_the_publication() {
        let timings = publication().timings;
        let read: serde_json::Value = serde_json::from_str(&document(&timings)).unwrap();
        assert_eq!(read["timings"], serde_json::to_value(&timings).unwrap());
    }
}
