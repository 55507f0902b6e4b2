//! The programs that an entry point reaches, and the machines that they are made for.

use rstest::rstest;
use serde_json::{Value, json};

use super::{
    image::{AARCH64, DOCKER, Entry, X86_64, elf, image, layer, linked_elf, push_list},
    registry::Registry,
};
use crate::client::{Child, Depth, ExecutableKind};

/// An amd64 image with these layers and this part `config`, as it is read.
async fn read(running: Value, layers: &[&[Entry<'_>]]) -> Child {
    let registry = Registry::start();
    let layers: Vec<_> = layers.iter().map(|it| layer(it)).collect();
    image("amd64", X86_64).running(running).layers(&layers).push_as(&registry, Some("latest")).await;
    let publication = registry.client().publication("latest", Depth::Layers).await.unwrap();
    publication.children.into_iter().next().unwrap()
}

/// In words: `/bin/app<entrypoint x86_64`.
fn told(child: &Child) -> Vec<String> {
    let kind = |kind: &ExecutableKind| match kind {
        ExecutableKind::Elf { machine } => machine.clone(),
        ExecutableKind::Script { interpreter } => format!("#!{interpreter}"),
        ExecutableKind::Other => "other".into(),
        ExecutableKind::Missing => "missing".into(),
    };
    let executables = child.executables.as_ref().unwrap();
    executables.iter().map(|it| format!("{}<{} {}", it.path, it.reached_from, kind(&it.kind))).collect()
}

fn file<'a>(path: &'a str, content: &str) -> Entry<'a> {
    Entry::File(path, content.as_bytes().to_vec())
}

#[tokio::test]
async fn amd64s_program_in_an_image_for_arm64_is_unusable() {
    let registry = Registry::start();
    let amd64 = image("amd64", X86_64).push(&registry).await;
    let arm64 = image("arm64", X86_64).push(&registry).await;
    push_list(&registry, "latest", DOCKER, &[amd64, arm64]).await;
    let publication = registry.client().publication("latest", Depth::Layers).await.unwrap();
    let unusable = |platform: &str| {
        let child = publication.platform(platform).unwrap();
        child.unusable_executables().map(|it| it.path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(unusable("linux/amd64"), [""; 0]);
    assert_eq!(unusable("linux/arm64"), ["/bin/app"]);
}

/// The fixture image's shape: a script, a shell that is a link to busybox.
#[tokio::test]
async fn a_script_leads_to_its_interpreter() {
    let running = json!({"Entrypoint": ["/usr/local/bin/service"], "Cmd": ["serve"]});
    let base = [Entry::File("bin/busybox", elf(AARCH64)), Entry::Link("bin/sh", "/bin/busybox")];
    let child = read(running, &[&base, &[file("usr/local/bin/service", "#!/bin/sh\nset -eu\n")]]).await;
    assert_eq!(
        told(&child),
        ["/usr/local/bin/service<entrypoint #!/bin/sh", "/bin/busybox</usr/local/bin/service aarch64"]
    );
    assert_eq!(child.unusable_executables().count(), 1);
}

#[tokio::test]
async fn a_script_that_env_runs_leads_to_its_interpreter() {
    let layer = [
        file("app", "#!/usr/bin/env python3\n"),
        Entry::File("usr/bin/env", elf(X86_64)),
        Entry::File("opt/python3", elf(X86_64)),
    ];
    let child = read(json!({"Cmd": ["/app"], "Env": ["PATH=/opt:/usr/bin"]}), &[&layer]).await;
    assert_eq!(
        told(&child),
        ["/app<entrypoint #!/usr/bin/env", "/usr/bin/env</app x86_64", "/opt/python3</app x86_64"]
    );
}

#[tokio::test]
async fn a_program_leads_to_its_loader() {
    let layer = [
        Entry::File("opt/bin/app", linked_elf(X86_64, Some("/lib64/ld.so"))),
        Entry::File("usr/lib/ld-2.so", elf(AARCH64)),
        Entry::Link("lib64", "usr/lib"),
        Entry::Link("usr/lib/ld.so", "ld-2.so"),
    ];
    let child = read(json!({"Entrypoint": ["/opt/bin/app"]}), &[&layer]).await;
    assert_eq!(told(&child), ["/opt/bin/app<entrypoint x86_64", "/usr/lib/ld-2.so</opt/bin/app aarch64"]);
}

#[rstest]
#[case::found_on_the_path(json!({"Cmd": ["app"]}), "/bin/app<entrypoint x86_64")]
#[case::not_on_the_path(json!({"Cmd": ["app"], "Env": ["PATH=/usr/bin"]}), "app<entrypoint missing")]
#[case::relative(json!({"Cmd": ["./app"], "WorkingDir": "/bin"}), "/bin/app<entrypoint x86_64")]
#[case::not_there(json!({"Entrypoint": ["/bin/gone"]}), "/bin/gone<entrypoint missing")]
#[case::not_executable(json!({"Entrypoint": ["/etc"]}), "/etc<entrypoint missing")]
#[case::no_program(json!({"Entrypoint": ["/bin/text"]}), "/bin/text<entrypoint other")]
#[case::health_check(json!({"Healthcheck": {"Test": ["CMD", "app"]}}), "/bin/app<healthcheck x86_64")]
#[case::no_health_check(json!({"Healthcheck": {"Test": ["NONE"]}}), "")]
#[case::nothing_to_run(json!({}), "")]
#[case::only_a_loader_is_missing(json!({"Cmd": ["/bin/linked"]}), "/lib/ld.so</bin/linked missing; /bin/linked<entrypoint x86_64")]
#[tokio::test]
async fn programs_are_found_as_a_runtime_finds_them(#[case] running: Value, #[case] expected: &str) {
    let layer = [
        Entry::File("bin/app", elf(X86_64)),
        Entry::File("bin/linked", linked_elf(X86_64, Some("/lib/ld.so"))),
        file("bin/text", "just text"),
        file("etc/x", ""),
    ];
    assert_eq!(told(&read(running, &[&layer]).await).join("; "), expected);
}

#[tokio::test]
async fn the_first_program_of_a_shells_text_is_reached_too() {
    let layer = [Entry::File("bin/sh", elf(X86_64)), Entry::File("bin/app", elf(AARCH64))];
    let running = json!({"Cmd": ["/bin/sh", "-c", "A=b exec app --port 8080"], "Healthcheck": {"Test": ["CMD-SHELL", "app || exit 1"]}});
    assert_eq!(told(&read(running, &[&layer]).await), ["/bin/sh<entrypoint x86_64", "/bin/app<entrypoint aarch64"]);
}

#[tokio::test]
async fn a_program_in_the_arguments_is_reached_too() {
    let layer = [Entry::File("sbin/tini", elf(X86_64)), Entry::File("app", elf(AARCH64))];
    let running = json!({"Entrypoint": ["tini", "--", "/app"], "Cmd": ["/etc/app.conf"]});
    assert_eq!(told(&read(running, &[&layer]).await), ["/sbin/tini<entrypoint x86_64", "/app<entrypoint aarch64"]);
}

#[rstest]
#[case::replaced(&[Entry::File("bin/app", elf(AARCH64))], "/bin/app<entrypoint aarch64")]
#[case::hidden(&[file("bin/.wh.app", "")], "/bin/app<entrypoint missing")]
#[case::folder_hidden(&[file(".wh.bin", "")], "/bin/app<entrypoint missing")]
#[case::folder_emptied(&[file("bin/.wh..wh..opq", "")], "/bin/app<entrypoint missing")]
#[case::folder_emptied_and_filled(
    &[Entry::File("bin/app", elf(AARCH64)), file("bin/.wh..wh..opq", "")], "/bin/app<entrypoint aarch64"
)]
#[tokio::test]
async fn a_higher_layer_decides(#[case] higher: &[Entry<'_>], #[case] expected: &str) {
    let lower = [Entry::File("bin/app", elf(X86_64))];
    assert_eq!(told(&read(json!({"Entrypoint": ["/bin/app"]}), &[&lower, higher]).await), [expected]);
}
