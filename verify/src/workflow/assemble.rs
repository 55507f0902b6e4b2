//! Files → one workflow: called workflows and composite actions take the place of what calls them.
//!
//! Files are read as YAML values. Their form was checked when they were read; `value["name"]` is null where nothing stands.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use yaml_serde::Value;

use super::{
    Concurrency, Does, Gate, Job, Permissions, Repositories, Step, Strategy, Workflow,
    matrix::expanded,
    read,
    scope::Scope,
    trigger::started_by,
    values::{arguments, concurrency, entries, given, inputs, list, permissions, setting, text, variables},
};
use crate::harness::HarnessError;

/// How deep calls may go: what GitHub allows ("Reusing workflow configurations": ten levels). It also ends circles.
const CALLS_MAX: usize = 10;

/// Reads a workflow with everything that it calls, as far as that is on this machine.
///
/// # Errors
/// Files that cannot be read, or are neither workflows nor actions.
pub fn workflow(path: &Path, repositories: &Repositories) -> Result<Workflow, HarnessError> {
    let document = read::workflow(path)?;
    let name = path.display().to_string();
    let concurrency = concurrency(&name, &document["concurrency"], &Scope::default());
    let workflow = Workflow { path: name, concurrency, ..started_by(&document["on"]) };
    let workspace = read::repository(path);
    let caller = Caller { home: workspace.clone(), ..Caller::default() };
    let mut assembly = Assembly { repositories, workspace, workflow };
    assembly.jobs(&document, &caller)?;
    Ok(assembly.workflow)
}

/// What a job has from its workflow and from the jobs that call that. Nothing calls the workflow that is started.
#[derive(Default)]
struct Caller {
    /// The folder of the repository that the workflow stands in.
    home: PathBuf,
    /// The calling jobs, each with a slash behind it.
    prefix: String,
    gates: Vec<Gate>,
    concurrency: Vec<Concurrency>,
    permissions: Permissions,
    scope: Scope,
    depth: usize,
}

/// What a step has from its job and from the steps that call its action.
#[derive(Clone)]
struct Around {
    /// The folder of the repository that the step's file stands in.
    home: PathBuf,
    /// `publish/build`, or `publish/build, step 2 (Set up)`.
    place: String,
    conditions: Vec<String>,
    scope: Scope,
    env: BTreeMap<String, String>,
    continue_on_error: String,
    shell: Option<String>,
    depth: usize,
}

struct Assembly<'a> {
    repositories: &'a Repositories,
    /// The repository that is checked out: what `./` means in a step.
    workspace: PathBuf,
    workflow: Workflow,
}

impl Assembly<'_> {
    fn jobs(&mut self, workflow: &Value, caller: &Caller) -> Result<(), HarnessError> {
        let env = variables(&workflow["env"], &caller.scope);
        let scope = caller.scope.with_env(&env);
        let outer = permissions(&workflow["permissions"], &caller.permissions);
        for (name, job) in entries(&workflow["jobs"]) {
            let id = format!("{}{name}", caller.prefix);
            let condition = given(&job["if"]).map(|it| scope.condition(&text(it)));
            let gate = Gate { prefix: caller.prefix.clone(), needs: list(&job["needs"]), condition };
            let group = concurrency(&id, &job["concurrency"], &scope);
            let within = Caller {
                home: caller.home.clone(),
                prefix: format!("{id}/"),
                gates: caller.gates.iter().cloned().chain([gate]).collect(),
                concurrency: caller.concurrency.iter().cloned().chain(group).collect(),
                permissions: permissions(&job["permissions"], &outer),
                scope: scope.clone(),
                depth: caller.depth + 1,
            };
            if job["uses"].is_null() {
                let shell = [job, workflow].into_iter().find_map(|it| it["defaults"]["run"]["shell"].as_str());
                self.job(id, job, env.clone(), shell, within)?;
            } else {
                self.call(id, job, within)?;
            }
        }
        Ok(())
    }

    fn job(
        &mut self,
        id: String,
        job: &Value,
        mut env: BTreeMap<String, String>,
        shell: Option<&str>,
        caller: Caller,
    ) -> Result<(), HarnessError> {
        env.extend(variables(&job["env"], &caller.scope));
        let scope = caller.scope.with_env(&env);
        let around = Around {
            home: caller.home,
            place: id.clone(),
            conditions: Vec::new(),
            scope: scope.clone(),
            env,
            continue_on_error: "false".to_owned(),
            shell: shell.map(str::to_owned),
            depth: caller.depth,
        };
        let mut steps = Vec::new();
        self.steps(&job["steps"], &around, &mut steps)?;
        let strategy = given(&job["strategy"]["matrix"]).map(|matrix| Strategy {
            matrix: expanded(matrix),
            fail_fast: setting(&job["strategy"]["fail-fast"], "true"),
        });
        let labels = if job["runs-on"].is_mapping() { &job["runs-on"]["labels"] } else { &job["runs-on"] };
        let environment =
            if job["environment"].is_mapping() { &job["environment"]["name"] } else { &job["environment"] };
        self.workflow.jobs.push(Job {
            id,
            gates: caller.gates,
            runs_on: list(labels).iter().map(|label| scope.text(label)).collect(),
            concurrency: caller.concurrency,
            permissions: caller.permissions,
            strategy,
            timeout_minutes: given(&job["timeout-minutes"]).map(text),
            continue_on_error: setting(&job["continue-on-error"], "false"),
            environment: given(environment).map(text),
            steps,
        });
        Ok(())
    }

    /// The jobs of a called workflow.
    fn call(&mut self, id: String, job: &Value, caller: Caller) -> Result<(), HarnessError> {
        let uses = setting(&job["uses"], "");
        if !is_local(&uses) {
            self.workflow.used.push((id, uses.clone()));
        }
        let Some((path, home)) = self.locate(&uses, &caller.home, &caller.home) else {
            self.workflow.unseen.push(uses);
            return Ok(());
        };
        if caller.depth > CALLS_MAX {
            let cause = format!("{} is called by itself, or too deep", path.display());
            return Err(HarnessError::other("cannot follow a call")(cause));
        }
        let document = read::workflow(&path)?;
        let group = concurrency(&path.display().to_string(), &document["concurrency"], &caller.scope);
        let inputs = inputs(&document["on"]["workflow_call"]["inputs"], &job["with"], &caller.scope);
        let secrets = match job["secrets"].as_str() {
            Some("inherit") => caller.scope.secrets.clone(),
            _ => Some(arguments(&job["secrets"], &caller.scope)),
        };
        let within = Caller {
            home,
            scope: Scope { inputs: Some(inputs), secrets, env: BTreeMap::new() },
            concurrency: caller.concurrency.into_iter().chain(group).collect(),
            ..caller
        };
        self.jobs(&document, &within)
    }

    fn steps(&mut self, all: &Value, around: &Around, steps: &mut Vec<Step>) -> Result<(), HarnessError> {
        // Steps that are run at the same time are listed in turn; those that only wait for others do nothing.
        let each = all.as_sequence().into_iter().flatten();
        let each =
            each.flat_map(|step| step["parallel"].as_sequence().map_or(std::slice::from_ref(step), Vec::as_slice));
        let each = each.filter(|step| !step["run"].is_null() || !step["uses"].is_null());
        for (number, step) in (1..).zip(each) {
            let name = given(&step["name"]).map(|name| format!(" ({})", text(name))).unwrap_or_default();
            let mut within = around.clone();
            within.place = format!("{}, step {number}{name}", around.place);
            within.conditions.extend(given(&step["if"]).map(|it| around.scope.condition(&text(it))));
            within.env.extend(variables(&step["env"], &around.scope));
            within.scope = around.scope.with_env(&within.env);
            within.depth += 1;
            let own = setting(&step["continue-on-error"], "false");
            if own != "false" {
                within.continue_on_error = own;
            }
            self.step(step, within, steps)?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Value, around: Around, steps: &mut Vec<Step>) -> Result<(), HarnessError> {
        let does = if step["uses"].is_null() {
            Does::Run { script: text(&step["run"]), shell: given(&step["shell"]).map(text).or(around.shell) }
        } else {
            let uses = setting(&step["uses"], "");
            if !is_local(&uses) {
                self.workflow.used.push((around.place.clone(), uses.clone()));
            }
            if let Some((folder, home)) = self.locate(&uses, &self.workspace, &around.home) {
                let action = read::action(&folder)?;
                if !action["runs"]["steps"].is_null() {
                    return self.composite(&action, &step["with"], Around { home, ..around }, steps);
                }
            }
            Does::Use { action: uses, with: variables(&step["with"], &around.scope) }
        };
        let Around { place, conditions, env, continue_on_error, .. } = around;
        steps.push(Step { place, conditions, does, env, continue_on_error });
        Ok(())
    }

    /// The steps of a composite action.
    fn composite(
        &mut self,
        action: &Value,
        with: &Value,
        around: Around,
        steps: &mut Vec<Step>,
    ) -> Result<(), HarnessError> {
        if around.depth > CALLS_MAX {
            let cause = format!("{}: it uses itself, or too deep", around.place);
            return Err(HarnessError::other("cannot follow an action")(cause));
        }
        // Actions see no secrets but those that they are given.
        let scope = Scope {
            inputs: Some(inputs(&action["inputs"], with, &around.scope)),
            secrets: Some(BTreeMap::new()),
            env: around.scope.env.clone(),
        };
        self.steps(&action["runs"]["steps"], &Around { scope, shell: None, ..around }, steps)
    }

    /// Where a workflow or action lies, and the repository that it stands in, if they are on this machine. `./` is `here`, `$/`
    /// the repository of the file that uses it.
    fn locate(&self, uses: &str, here: &Path, home: &Path) -> Option<(PathBuf, PathBuf)> {
        let local = [("./", here), ("$/", home)];
        let local = local.into_iter().find_map(|(prefix, folder)| Some((uses.strip_prefix(prefix)?, folder)));
        match local {
            Some((path, folder)) => Some((folder.join(path), folder.to_owned())),
            None => self.repositories.find(uses),
        }
    }
}

fn is_local(uses: &str) -> bool {
    uses.starts_with("./") || uses.starts_with("$/")
}
