//! Steps of jobs and of composite actions, which are written almost alike.

use github_actions_models::{
    action,
    common::{
        Env, If, Uses,
        expr::{BoE, LoE},
    },
    workflow::job,
};

/// A step of a job or of a composite action.
pub(super) struct Raw<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) condition: Option<&'a If>,
    pub(super) env: &'a LoE<Env>,
    pub(super) continue_on_error: &'a BoE,
    pub(super) body: Body<'a>,
}

/// What it does.
pub(super) enum Body<'a> {
    /// A script, and by what it is run.
    Run(&'a str, Option<&'a LoE<String>>),
    /// An action, and what it is given.
    Use(&'a Uses, &'a LoE<Env>),
}

/// A step of a job; several where it stands for steps at the same time.
pub(super) fn of_job(step: &job::Step) -> Vec<Raw<'_>> {
    match step {
        job::Step::Run(step) => vec![of_run(step)],
        job::Step::Uses(step) => vec![of_uses(step)],
        job::Step::Parallel { parallel } => parallel.iter().map(of_parallel).collect(),
        job::Step::Wait { .. } | job::Step::WaitAll { .. } | job::Step::Cancel { .. } => Vec::new(),
    }
}

fn of_parallel(step: &job::ParallelStep) -> Raw<'_> {
    match step {
        job::ParallelStep::Run(step) => of_run(step),
        job::ParallelStep::Uses(step) => of_uses(step),
    }
}

fn of_run(step: &job::RunStep) -> Raw<'_> {
    shared(&step.shared, Body::Run(&step.run, step.shell.as_ref()))
}

fn of_uses(step: &job::UsesStep) -> Raw<'_> {
    shared(&step.shared, Body::Use(&step.uses, &step.with))
}

fn shared<'a>(shared: &'a job::SharedStepFields, body: Body<'a>) -> Raw<'a> {
    Raw {
        name: shared.name.as_deref(),
        condition: shared.r#if.as_ref(),
        env: &shared.env,
        continue_on_error: &shared.continue_on_error,
        body,
    }
}

/// A step of a composite action.
pub(super) fn of_action(step: &action::Step) -> Raw<'_> {
    let body = match &step.body {
        action::StepBody::Uses { uses, with } => Body::Use(uses, with),
        action::StepBody::Run { run, shell, .. } => Body::Run(run, Some(shell)),
    };
    Raw {
        name: step.name.as_deref(),
        condition: step.r#if.as_ref(),
        env: &step.env,
        continue_on_error: &step.continue_on_error,
        body,
    }
}
