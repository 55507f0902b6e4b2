//! Whether this user may have containers: ranges of ids besides its own, and the two programs that hand them out.

use super::{
    finding::{Finding, Status},
    machine::Machine,
};
use crate::podman::Info;

/// How many ids an ordinary image needs: `nobody` is 65534.
const IDS_MIN: u64 = 65_536;
const ADD_RANGES: &str = "as root: usermod --add-subuids 200000-265535 --add-subgids 200000-265535 USER";

/// Ranges and helpers of an ordinary user; root needs neither.
pub(super) fn findings(machine: &Machine<'_>, info: Option<&Info>, user_id: u32) -> Vec<Finding> {
    if user_id == 0 {
        return Vec::new();
    }
    // Ranges may come from elsewhere than these files; podman knows.
    let known = info.map_or(0, |info| info.user_ids.saturating_sub(1));
    let why = "it hands out user and group ids";
    vec![
        ranges(machine, "/etc/subuid", user_id, known),
        ranges(machine, "/etc/subgid", user_id, known),
        machine.program_finding("newuidmap", "uidmap", Status::Missing, why),
        machine.program_finding("newgidmap", "uidmap", Status::Missing, why),
    ]
}

fn ranges(machine: &Machine<'_>, file: &str, user_id: u32, known: u64) -> Finding {
    let name = user_name(machine, user_id);
    let ids = known.max(ids(&machine.text(file), &name, user_id));
    match ids {
        IDS_MIN.. => Finding::ok(file, format!("{ids} ids for {name}")),
        0 => Finding::bad(file, Status::Missing, format!("no range for {name}"), ADD_RANGES.replace("USER", &name)),
        _ => Finding::bad(
            file,
            Status::Warning,
            format!("only {ids} ids for {name}, images expect {IDS_MIN}"),
            ADD_RANGES.replace("USER", &name),
        ),
    }
}

/// All ids of a user in lines of `user:first:count`, where the user is a name or a number.
fn ids(text: &str, name: &str, user_id: u32) -> u64 {
    let user_id = user_id.to_string();
    let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let of_user = fields.filter_map(|fields| match fields[..] {
        [user, _, count] if user == name || user == user_id => count.trim().parse::<u64>().ok(),
        _ => None,
    });
    of_user.sum()
}

/// The user's name from the user database, else its number.
fn user_name(machine: &Machine<'_>, user_id: u32) -> String {
    let (id, users) = (user_id.to_string(), machine.text("/etc/passwd"));
    let mut users = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let name = users.find_map(|user| (user.get(2) == Some(&id.as_str())).then(|| user[0].to_owned()));
    name.unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::machine::tests::{environment, machine_with},
        podman::tests::info,
    };

    const USERS: (&str, &str) = ("/etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1001:1001::/home/ann:/bin/sh\n");

    fn examine(files: &[(&str, &str)], info: Option<&Info>) -> Vec<(Status, String)> {
        let (root, environment) = (machine_with(files), environment());
        let findings = findings(&Machine::new(&environment, root.path()), info, 1001);
        findings.into_iter().map(|finding| (finding.status, finding.detail)).collect()
    }

    #[rstest::rstest]
    #[case("ann:100000:65536\n", Status::Ok, "65536 ids for ann")]
    #[case("1001:100000:65536\n", Status::Ok, "65536 ids for ann")]
    #[case("ann:1:60000\nbob:1:9\nann:100000:6000\n", Status::Ok, "66000 ids for ann")]
    #[case("ann:100000:1000\n", Status::Warning, "only 1000 ids for ann, images expect 65536")]
    #[case("bob:100000:65536\n", Status::Missing, "no range for ann")]
    #[case("annabel:100000:65536\nann:x\n", Status::Missing, "no range for ann")]
    fn ranges_are_those_of_the_user(#[case] subuid: &str, #[case] status: Status, #[case] detail: &str) {
        assert_eq!(examine(&[USERS, ("/etc/subuid", subuid)], None)[0], (status, detail.to_owned()));
    }

    #[test]
    fn podman_knows_of_ranges_that_no_file_lists() {
        let found = examine(&[USERS, ("/usr/bin/newuidmap", ""), ("/usr/bin/newgidmap", "")], Some(&info()));
        assert!(found.len() == 4 && found.iter().all(|(status, _)| *status == Status::Ok), "{found:?}");
    }

    #[test]
    fn the_helpers_are_needed() {
        let found = examine(&[USERS], None);
        assert_eq!([found[2].0, found[3].0], [Status::Missing; 2]);
    }
}
