//! `publisher init`: in three quite different repositories, what it writes is what `fixtures/init` holds.

use std::{fs, path::Path};

use rstest::rstest;

use crate::support::{Ended, Program, Source};

/// The repository whose workflow the samples call.
const TALLYMAN: &str = "example/tallyman";
const PIN: &str = "0123456789abcdef0123456789abcdef01234567";
const WRITTEN: [&str; 2] = [".github/workflows/build-images.yml", "publish.toml"];

/// The repositories of `fixtures/init`.
#[derive(Clone, Copy)]
struct Sample {
    name: &'static str,
    remote: Option<&'static str>,
    branch: &'static str,
    arguments: &'static [&'static str],
}

const ROOT: Sample =
    Sample { name: "root", remote: Some("git@github.com:Acme/Hello.git"), branch: "main", arguments: &[] };
const SUB_FOLDER: Sample = Sample {
    name: "sub-folder",
    remote: Some("https://github.com/acme/shop"),
    branch: "trunk",
    arguments: &["--registry", "ghcr=ghcr.io/acme/api", "--registry", "quay=quay.io/acme/api"],
};
const OWN_WORKFLOW: Sample =
    Sample { name: "own-workflow", remote: None, branch: "main", arguments: &["--image", "acme/tools"] };

impl Sample {
    /// The repository before.
    fn source(self) -> Source {
        let source = Source::copy_of(&fixtures().join(self.name));
        if !fixtures().join(self.name).join("Containerfile").exists() {
            fs::remove_file(source.path().join("Containerfile")).unwrap();
        }
        for file in WRITTEN {
            let _ = fs::remove_file(source.path().join(file));
        }
        source.git(&["checkout", "--quiet", "-B", self.branch]);
        if let Some(url) = self.remote {
            source.git(&["remote", "add", "origin", url]);
        }
        source
    }

    fn expected(self, file: &str) -> String {
        fs::read_to_string(fixtures().join(self.name).join(file)).unwrap()
    }
}

fn fixtures() -> &'static Path {
    Path::new("../fixtures/init")
}

async fn init(folder: &Path, arguments: &[&str]) -> Ended {
    let from = format!("{TALLYMAN}@{PIN}");
    let from = if arguments.contains(&"--from") { &[][..] } else { &["--from", &from] };
    Program::new(folder).args(&["init"]).args(from).args(arguments).run().await
}

#[rstest]
#[case(ROOT, &["gh secret set DOCKERHUB_TOKEN", "ghcr.io/acme/hello", "docker.io/acme/hello"])]
#[case(SUB_FOLDER, &["gh secret set REGISTRY_TOKEN", "A push to trunk", "quay.io/acme/api"])]
#[case(OWN_WORKFLOW, &["warning: .github/workflows/ci.yml seems to publish images, too"])]
#[tokio::test]
async fn the_files_fit_the_repository_and_the_next_steps_are_told(#[case] sample: Sample, #[case] told: &[&str]) {
    let source = sample.source();
    let ended = init(source.path(), sample.arguments).await;
    ended.expect(0, &[]);
    for file in WRITTEN {
        assert_eq!(fs::read_to_string(source.path().join(file)).unwrap(), sample.expected(file), "{file}");
    }
    for text in told {
        assert!(ended.stdout.contains(text), "nothing tells `{text}`:\n{}", ended.stdout);
    }
}

#[tokio::test]
async fn the_files_are_what_publisher_itself_understands() {
    let source = SUB_FOLDER.source();
    init(source.path(), SUB_FOLDER.arguments).await.expect(0, &[]);
    let plan = ["plan", "--skip-push", "--ref", "refs/heads/trunk", "--main-branch", "trunk", "--output", "json"];
    let planned = Program::new(source.path()).args(&plan).run().await;
    planned.expect(0, &[]);
    assert!(planned.stdout.contains("quay.io/acme/api:latest"), "{}", planned.stdout);
}

#[tokio::test]
async fn a_dry_run_prints_and_writes_nothing() {
    let source = ROOT.source();
    let ended = init(source.path(), &["--dry-run"]).await;
    ended.expect(0, &[]);
    for file in WRITTEN {
        assert!(ended.stdout.contains(&ROOT.expected(file)), "{}", ended.stdout);
        assert!(!source.path().join(file).exists(), "{file} was written");
    }
}

#[tokio::test]
async fn nothing_is_overwritten_without_force() {
    let source = ROOT.source();
    source.write("publish.toml", "# mine\n");
    init(source.path(), &[]).await.expect(1, &["publish.toml would be overwritten", "--force", "nothing was written"]);
    assert_eq!(fs::read_to_string(source.path().join("publish.toml")).unwrap(), "# mine\n");
    assert!(!source.path().join(WRITTEN[0]).exists(), "half of it was written");
    init(source.path(), &["--force"]).await.expect(0, &[]);
    assert_eq!(fs::read_to_string(source.path().join("publish.toml")).unwrap(), ROOT.expected("publish.toml"));
}

#[rstest]
#[case(OWN_WORKFLOW, &[], &["the repository has no remote", "git remote add origin", "--image OWNER/NAME"])]
#[case(ROOT, &["--image", "hello"], &["`hello` is not an image name", "owner/name"])]
#[case(ROOT, &["--registry", "quay.io/acme/hello"], &["`quay.io/acme/hello` has no `=`", "name=host/repository"])]
#[case(ROOT, &["--containerfile", "api/Dockerfile"], &["there is no file api/Dockerfile"])]
#[case(ROOT, &["--branch", "a*"], &["the branch `a*`"])]
#[case(ROOT, &["--from", "tallyman"], &["`tallyman` is no repository on GitHub", "--from OWNER/REPO"])]
#[case(ROOT, &["--from", "example/tallyman@v1"], &["`v1` is not the id of a commit", "--from OWNER/REPO@COMMIT"])]
#[tokio::test]
async fn what_cannot_be_told_is_an_error_with_the_flag_that_tells_it(
    #[case] sample: Sample,
    #[case] arguments: &[&str],
    #[case] said: &[&str],
) {
    let source = sample.source();
    init(source.path(), arguments).await.expect(1, said);
    assert!(!source.path().join("publish.toml").exists());
}

/// What GitHub has there is a repository on this machine; git itself is told so.
#[tokio::test]
async fn without_a_commit_that_of_the_newest_release_is_called() {
    let (source, tallyman, settings) = (ROOT.source(), Source::new(""), tempfile::tempdir().unwrap());
    let elsewhere = format!("[url \"{}\"]\ninsteadOf = https://github.com/{TALLYMAN}\n", tallyman.path().display());
    fs::write(settings.path().join(".gitconfig"), elsewhere).unwrap();
    let init = async || {
        let program = Program::new(source.path()).env("HOME", settings.path());
        program.args(&["init", "--dry-run", "--from", TALLYMAN]).run().await
    };
    let calls = |ended: &Ended, commit: &str| {
        ended.expect(0, &[]);
        let call = format!("uses: {TALLYMAN}/.github/workflows/publish.yml@{commit}\n");
        assert!(ended.stdout.contains(&call), "{call}{}", ended.stdout);
    };
    calls(&init().await, &tallyman.head());
    tallyman.git(&["tag", "--annotate", "--message", "the first", "v1.0.0"]);
    let released = tallyman.head();
    tallyman.git(&["commit", "--quiet", "--allow-empty", "--message", "later"]);
    calls(&init().await, &format!("{released} # v1.0.0"));
    fs::remove_dir_all(tallyman.path().join(".git")).unwrap();
    let told = [
        "https://github.com/example/tallyman does not tell its commits",
        "--from OWNER/REPO@COMMIT",
        "nothing was written",
    ];
    init().await.expect(1, &told);
}

#[tokio::test]
async fn a_program_that_was_compiled_by_hand_asks_whose_workflow_to_call() {
    let source = ROOT.source();
    let ended = Program::new(source.path()).args(&["init"]).run().await;
    ended.expect(1, &["was compiled by hand", "--from OWNER/REPO,", "--from OWNER/REPO@COMMIT", "nothing was written"]);
}

#[tokio::test]
async fn an_image_without_healthcheck_is_noticed() {
    let source = ROOT.source();
    let healthy = init(source.path(), &[]).await;
    assert!(!healthy.stdout.contains("HEALTHCHECK"), "{}", healthy.stdout);
    source.write("Dockerfile", "FROM scratch\nCOPY . /\n");
    let ended = init(source.path(), &["--force"]).await;
    ended.expect(0, &[]);
    assert!(ended.stdout.contains("warning: Dockerfile gives the image no HEALTHCHECK"), "{}", ended.stdout);
}

#[tokio::test]
async fn outside_of_a_repository_there_is_nothing_to_set_up() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &[]).await.expect(1, &["is in no git repository", "git init"]);
}
