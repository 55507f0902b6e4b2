//! Files → one workflow: called workflows and composite actions take the place of what calls them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use github_actions_models::{
    action,
    common::{Env, Uses, expr::LoE},
    workflow::{self as models, job},
};

use super::{
    Concurrency, Does, Gate, Job, Permissions, Repositories, Step, Strategy, Workflow,
    expression::as_expression,
    matrix::expanded,
    read::{self, Document, repository, typed},
    scope::Scope,
    step::{Body, Raw, of_action, of_job},
    terms::{concurrency, defaults, expressed, given, permissions, values, variables, written},
    trigger::started_by,
};
use crate::harness::HarnessError;

/// How deep calls may go: what GitHub allows ("Reusing workflow configurations": ten levels). It also ends circles.
const CALLS_MAX: usize = 10;

/// Reads a workflow with everything that it calls, as far as that is on this machine.
///
/// # Errors
/// Files that cannot be read, or are neither workflows nor actions.
pub fn workflow(path: &Path, repositories: &Repositories) -> Result<Workflow, HarnessError> {
    let document = Document::read(path)?;
    let mut workflow = Workflow { path: path.display().to_string(), ..started_by(&document) };
    let own = document.workflow.concurrency.as_ref();
    workflow.concurrency = own.map(|it| concurrency(&workflow.path, it, &Scope::default()));
    let home = repository(path);
    let mut assembly = Assembly { repositories, workspace: home.clone(), workflow };
    assembly.jobs(&document, &Caller::new(home))?;
    Ok(assembly.workflow)
}

/// What a workflow's jobs have from who calls it.
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

impl Caller {
    /// Nobody calls it.
    fn new(home: PathBuf) -> Self {
        Self {
            home,
            prefix: String::new(),
            gates: Vec::new(),
            concurrency: Vec::new(),
            permissions: Permissions::Unstated,
            scope: Scope::default(),
            depth: 0,
        }
    }
}

/// What a step has from around it.
struct Around<'a> {
    /// The folder of the repository that the step's file stands in.
    home: &'a Path,
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
    fn jobs(&mut self, document: &Document, caller: &Caller) -> Result<(), HarnessError> {
        let workflow = &document.workflow;
        let permissions = permissions(&workflow.permissions, &caller.permissions);
        let env = variables(&workflow.env, &caller.scope);
        let scope = caller.scope.with_env(&env);
        for (name, job) in &workflow.jobs {
            let id = format!("{}{name}", caller.prefix);
            let own = document.at(&["jobs", name, "concurrency"]).and_then(|it| typed(it).ok());
            let mut groups = caller.concurrency.clone();
            groups.extend(own.map(|own| concurrency(&id, &own, &scope)));
            let (needs, condition) = match job {
                models::Job::NormalJob(job) => (&job.needs, &job.r#if),
                models::Job::ReusableWorkflowCallJob(job) => (&job.needs, &job.r#if),
            };
            let condition = condition.as_ref().map(|it| scope.condition(&written(it)));
            let mut gates = caller.gates.clone();
            gates.push(Gate { prefix: caller.prefix.clone(), needs: needs.clone(), condition });
            let within = Caller {
                home: caller.home.clone(),
                prefix: format!("{id}/"),
                gates,
                concurrency: groups,
                permissions: permissions.clone(),
                scope: scope.clone(),
                depth: caller.depth + 1,
            };
            match job {
                models::Job::NormalJob(job) => {
                    let defaults = job.defaults.as_ref().or(workflow.defaults.as_ref());
                    let shell = defaults.and_then(|it| it.run.as_ref()?.shell.as_ref()).map(expressed);
                    let job = self.job(id, job, &env, shell, within)?;
                    self.workflow.jobs.push(job);
                }
                models::Job::ReusableWorkflowCallJob(job) => self.call(id, job, within)?,
            }
        }
        Ok(())
    }

    fn job(
        &mut self,
        id: String,
        job: &job::NormalJob,
        outer: &BTreeMap<String, String>,
        shell: Option<String>,
        caller: Caller,
    ) -> Result<Job, HarnessError> {
        let mut env = outer.clone();
        env.extend(variables(&job.env, &caller.scope));
        let scope = caller.scope.with_env(&env);
        let around = Around {
            home: &caller.home,
            place: id.clone(),
            conditions: Vec::new(),
            scope: scope.clone(),
            env,
            continue_on_error: "false".to_owned(),
            shell,
            depth: caller.depth,
        };
        let mut steps = Vec::new();
        let raw: Vec<Raw<'_>> = job.steps.iter().flat_map(of_job).collect();
        self.steps(&raw, &around, &mut steps)?;
        let strategy = job.strategy.as_ref().and_then(|strategy| {
            let fail_fast = strategy.fail_fast.as_ref().map_or_else(|| "true".to_owned(), expressed);
            Some(Strategy { matrix: expanded(strategy.matrix.as_ref()?), fail_fast })
        });
        let labels = match &job.runs_on {
            LoE::Expr(expression) => vec![expression.as_curly().to_owned()],
            LoE::Literal(job::RunsOn::Target(labels) | job::RunsOn::Group { labels, .. }) => labels.clone(),
        };
        let environment = job.environment.as_ref().map(|environment| match environment {
            job::DeploymentEnvironment::Name(name) | job::DeploymentEnvironment::NameURL { name, .. } => name.clone(),
        });
        Ok(Job {
            id,
            gates: caller.gates,
            runs_on: labels.iter().map(|label| scope.text(label)).collect(),
            concurrency: caller.concurrency,
            permissions: permissions(&job.permissions, &caller.permissions),
            strategy,
            timeout_minutes: job.timeout_minutes.as_ref().map(expressed),
            continue_on_error: expressed(&job.continue_on_error),
            environment,
            steps,
        })
    }

    fn call(&mut self, id: String, job: &job::ReusableWorkflowCallJob, caller: Caller) -> Result<(), HarnessError> {
        let (path, home) = match &job.uses {
            Uses::Local(uses) => (caller.home.join(local(uses.raw())), caller.home.clone()),
            Uses::Repository(uses) => {
                self.workflow.used.push((id, uses.raw().to_owned()));
                let Some(folder) = self.repositories.folder(uses) else {
                    self.workflow.unseen.push(uses.raw().to_owned());
                    return Ok(());
                };
                (folder.join(uses.subpath().unwrap_or_default()), folder.to_owned())
            }
            Uses::Docker(_) => return Ok(()),
        };
        if caller.depth > CALLS_MAX {
            let cause = format!("{} is called by itself, or too deep", path.display());
            return Err(HarnessError::other("cannot follow a call")(cause));
        }
        let document = Document::read(&path)?;
        let own = document.workflow.concurrency.as_ref();
        let own = own.map(|own| concurrency(&path.display().to_string(), own, &caller.scope));
        let mut inputs = defaults(&document);
        inputs.extend(given(&job.with, &caller.scope));
        let secrets = match &job.secrets {
            Some(job::Secrets::Inherit) => caller.scope.secrets.clone(),
            Some(job::Secrets::Env(secrets)) => Some(values(secrets, &caller.scope)),
            None => Some(BTreeMap::new()),
        };
        let within = Caller {
            home,
            permissions: permissions(&job.permissions, &caller.permissions),
            scope: Scope { inputs: Some(inputs), secrets, env: BTreeMap::new() },
            concurrency: caller.concurrency.into_iter().chain(own).collect(),
            ..caller
        };
        self.jobs(&document, &within)
    }

    fn steps(&mut self, raw: &[Raw<'_>], around: &Around<'_>, steps: &mut Vec<Step>) -> Result<(), HarnessError> {
        for (number, step) in raw.iter().enumerate() {
            let name = step.name.map(|name| format!(" ({name})")).unwrap_or_default();
            let mut env = around.env.clone();
            env.extend(variables(step.env, &around.scope));
            let mut conditions = around.conditions.clone();
            conditions.extend(step.condition.map(|it| around.scope.condition(&written(it))));
            let own = expressed(step.continue_on_error);
            let within = Around {
                home: around.home,
                place: format!("{}, step {}{name}", around.place, number + 1),
                conditions,
                scope: around.scope.with_env(&env),
                env,
                continue_on_error: if own == "false" { around.continue_on_error.clone() } else { own },
                shell: around.shell.clone(),
                depth: around.depth + 1,
            };
            self.step(&step.body, within, steps)?;
        }
        Ok(())
    }

    fn step(&mut self, body: &Body<'_>, around: Around<'_>, steps: &mut Vec<Step>) -> Result<(), HarnessError> {
        let does = match body {
            Body::Run(script, shell) => {
                let shell = shell.map(expressed).or(around.shell);
                Does::Run { script: (*script).to_owned(), shell }
            }
            Body::Use(uses, with) => {
                if !matches!(uses, Uses::Local(_)) {
                    let raw = if matches!(uses, Uses::Docker(_)) {
                        format!("docker://{}", uses.raw())
                    } else {
                        uses.raw().to_owned()
                    };
                    self.workflow.used.push((around.place.clone(), raw));
                }
                if let Some((folder, home)) = self.action(uses, around.home) {
                    let action = read::action(&folder)?;
                    if let action::Runs::Composite(composite) = &action.runs {
                        return self.composite(&action, composite, with, Around { home: &home, ..around }, steps);
                    }
                }
                Does::Use { action: uses.raw().to_owned(), with: variables(with, &around.scope) }
            }
        };
        let Around { place, conditions, env, continue_on_error, .. } = around;
        steps.push(Step { place, conditions, does, env, continue_on_error });
        Ok(())
    }

    /// Where an action lies, and the repository that it stands in, if they are on this machine.
    fn action(&self, uses: &Uses, home: &Path) -> Option<(PathBuf, PathBuf)> {
        match uses {
            Uses::Local(uses) => {
                let home = if uses.is_self_repository() { home } else { &self.workspace };
                Some((home.join(local(uses.raw())), home.to_owned()))
            }
            Uses::Repository(uses) => {
                let folder = self.repositories.folder(uses)?;
                Some((folder.join(uses.subpath().unwrap_or_default()), folder.to_owned()))
            }
            Uses::Docker(_) => None,
        }
    }

    fn composite(
        &mut self,
        action: &action::Action,
        composite: &action::Composite,
        with: &LoE<Env>,
        around: Around<'_>,
        steps: &mut Vec<Step>,
    ) -> Result<(), HarnessError> {
        if around.depth > CALLS_MAX {
            return Err(HarnessError::other("cannot follow an action")(format!(
                "{}: it uses itself, or too deep",
                around.place
            )));
        }
        let default = |(name, input): (&String, &action::Input)| {
            Some((name.to_ascii_lowercase(), as_expression(input.default.as_ref()?)))
        };
        let mut inputs: BTreeMap<String, String> = action.inputs.iter().filter_map(default).collect();
        inputs.extend(given(with, &around.scope));
        // Actions see no secrets but those that they are given.
        let scope = Scope { inputs: Some(inputs), secrets: Some(BTreeMap::new()), env: around.scope.env.clone() };
        let raw: Vec<Raw<'_>> = composite.steps.iter().map(of_action).collect();
        self.steps(&raw, &Around { scope, shell: None, ..around }, steps)
    }
}

/// A path within a repository: what follows `./` or `$/`.
fn local(raw: &str) -> &str {
    raw.get(2..).unwrap_or_default()
}
