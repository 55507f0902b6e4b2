//! GitHub's expressions: which contexts a text tells, and what it comes to as far as that is known.
//!
//! What is known of contexts is written in their place, as a literal; an expression of literals alone has a value. So there
//! is one mechanism for the terms of called workflows and for the values of an event.

use std::cell::Cell;

use github_actions_expressions::{
    Expr, Origin, SpannedExpr,
    call::{Call, Function},
    context::Context,
    op::{BinExpr, BinOp, UnOp},
};

/// What is known of contexts, by their names in lower case (`github.ref`, `needs.build.result`), and of the functions that
/// tell how others fared (`success()`): an expression to write in their place.
pub(super) type Known<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A part of a text.
enum Part<'a> {
    Text(&'a str),
    /// What stands between `${{` and `}}`.
    Expression(&'a str),
}

/// The parts of a text, in order. An expression that does not end is text.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${{") {
        let Some(length) = end(&rest[start + 3..]) else { break };
        if start > 0 {
            parts.push(Part::Text(&rest[..start]));
        }
        parts.push(Part::Expression(&rest[start + 3..start + 3 + length]));
        rest = &rest[start + 3 + length + 2..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// Where `}}` stands outside of quotes.
fn end(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, character)| {
        quoted ^= character == '\'';
        (!quoted && text[at..].starts_with("}}")).then_some(at)
    })
}

/// All contexts that a text's expressions name, in lower case: `secrets.dockerhub_token`. One that cannot be read is told
/// as it stands.
pub fn contexts(text: &str) -> Vec<String> {
    let named = |part: Part<'_>| match part {
        Part::Text(_) => Vec::new(),
        Part::Expression(text) => bare_contexts(text),
    };
    parts(text).into_iter().flat_map(named).collect()
}

fn bare_contexts(text: &str) -> Vec<String> {
    match Expr::parse(text) {
        Ok(expression) => {
            let name = |(context, origin): (&Context<'_>, &Origin<'_>)| {
                context.as_pattern().unwrap_or_else(|| origin.raw.to_ascii_lowercase())
            };
            expression.contexts().into_iter().map(name).collect()
        }
        Err(_) => vec![text.trim().to_ascii_lowercase()],
    }
}

/// The same text with all that is known written in the place of contexts.
pub(super) fn rewritten(text: &str, known: Known<'_>) -> String {
    let part = |part: Part<'_>| match part {
        Part::Text(text) => text.to_owned(),
        Part::Expression(text) => format!("${{{{{}}}}}", bare_rewritten(text, known)),
    };
    parts(text).into_iter().map(part).collect()
}

/// The same for a condition, which may go without `${{ }}`.
pub(super) fn condition_rewritten(text: &str, known: Known<'_>) -> String {
    if text.contains("${{") { rewritten(text, known) } else { bare_rewritten(text, known) }
}

fn bare_rewritten(text: &str, known: Known<'_>) -> String {
    let Ok(expression) = Expr::parse(text) else { return text.to_owned() };
    let mut replacements = Vec::new();
    collect(&expression, known, &mut replacements);
    replacements.sort_by_key(|(start, ..)| std::cmp::Reverse(*start));
    let mut rewritten = text.to_owned();
    for (start, end, replacement) in replacements {
        rewritten.replace_range(start..end, &replacement);
    }
    rewritten
}

/// Where something known stands, and what to write there.
fn collect(expression: &SpannedExpr<'_>, known: Known<'_>, replacements: &mut Vec<(usize, usize, String)>) {
    let name = match &expression.inner {
        Expr::Context(context) => context.as_pattern(),
        Expr::Call(Call { func, .. }) => status(*func).map(str::to_owned),
        _ => None,
    };
    if let Some(replacement) = name.and_then(|name| known(&name)) {
        replacements.push((expression.origin.span.start, expression.origin.span.end, replacement));
        return;
    }
    match &expression.inner {
        Expr::Context(context) => context.parts.iter().for_each(|part| collect(part, known, replacements)),
        Expr::Call(call) => call.args.iter().for_each(|argument| collect(argument, known, replacements)),
        Expr::Index(inner) => collect(inner, known, replacements),
        Expr::UnExpr { expr, .. } => collect(expr, known, replacements),
        Expr::BinExpr(BinExpr { lhs, rhs, .. }) => {
            collect(lhs, known, replacements);
            collect(rhs, known, replacements);
        }
        Expr::Literal(_) | Expr::Star | Expr::Identifier(_) => {}
    }
}

/// The functions that tell how others fared.
const fn status(function: Function) -> Option<&'static str> {
    match function {
        Function::Success => Some("success()"),
        Function::Failure => Some("failure()"),
        Function::Cancelled => Some("cancelled()"),
        Function::Always => Some("always()"),
        _ => None,
    }
}

/// Whether a condition asks how others fared. One that does not means `success() && …`.
pub(super) fn asks_status(condition: &str) -> bool {
    let asked = Cell::new(false);
    condition_rewritten(condition, &|name| {
        asked.set(asked.get() || name.ends_with("()"));
        None
    });
    asked.get()
}

/// A condition without the `${{ }}` around it.
fn whole(condition: &str) -> &str {
    match parts(condition.trim()).as_slice() {
        [Part::Expression(inner)] => inner,
        _ => condition,
    }
}

/// Whether a condition holds; none if that is not known. Text around `${{ }}` makes it a text, which always holds.
pub(super) fn holds(condition: &str, known: Known<'_>) -> Option<bool> {
    let inner = whole(condition);
    if inner.contains("${{") {
        return Some(true);
    }
    let rewritten = bare_rewritten(inner, known);
    truth(&Expr::parse(&rewritten).ok()?)
}

fn truth(expression: &SpannedExpr<'_>) -> Option<bool> {
    match &expression.inner {
        Expr::BinExpr(BinExpr { lhs, op: BinOp::And, rhs }) => all([truth(lhs), truth(rhs)]),
        // That one of them holds is that not both fail.
        Expr::BinExpr(BinExpr { lhs, op: BinOp::Or, rhs }) => not(all([not(truth(lhs)), not(truth(rhs))])),
        Expr::UnExpr { op: UnOp::Not, expr } => not(truth(expr)),
        other => other.consteval().map(|value| value.as_boolean()),
    }
}

fn not(holds: Option<bool>) -> Option<bool> {
    holds.map(|holds| !holds)
}

/// Whether all of some conditions hold. One that does not decides; else one that is not known leaves it open.
pub(super) fn all(conditions: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let and = |one: Option<bool>, other: Option<bool>| match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (one, other) => one.and(other),
    };
    conditions.into_iter().fold(Some(true), and)
}

/// What a text comes to; none if that is not known.
pub fn template(text: &str, known: Known<'_>) -> Option<String> {
    let part = |part: Part<'_>| match part {
        Part::Text(text) => Some(text.to_owned()),
        Part::Expression(text) => Some(Expr::parse(&bare_rewritten(text, known)).ok()?.consteval()?.sema().to_string()),
    };
    parts(text).into_iter().map(part).collect()
}

/// A text as a literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text that may hold expressions, as one expression.
pub(super) fn as_expression(text: &str) -> String {
    match parts(text).as_slice() {
        [] => literal(""),
        [Part::Text(text)] => literal(text),
        [Part::Expression(inner)] => format!("({})", inner.trim()),
        parts => {
            let mut pattern = String::new();
            let mut arguments = Vec::new();
            for part in parts {
                match part {
                    Part::Text(text) => pattern.push_str(&text.replace('{', "{{").replace('}', "}}")),
                    Part::Expression(inner) => {
                        pattern.extend(["{", &arguments.len().to_string(), "}"]);
                        arguments.push(format!(", ({})", inner.trim()));
                    }
                }
            }
            format!("format({}{})", literal(&pattern), arguments.concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn known(name: &str) -> Option<String> {
        match name {
            "github.ref" => Some("'refs/heads/main'".into()),
            "needs.*.result" => Some("fromJSON('[\"success\",\"failure\"]')".into()),
            "failure()" | "always()" => Some("true".into()),
            "inputs.skip" | "success()" | "cancelled()" => Some("false".into()),
            _ => None,
        }
    }

    #[rstest]
    #[case("github.ref == 'refs/heads/main'", Some(true))]
    #[case("${{ startsWith(github.ref, 'refs/tags/') }}", Some(false))]
    #[case("github.actor == 'me' && startsWith(github.ref, 'refs/tags/')", Some(false))]
    #[case("github.actor == 'me' || always()", Some(true))]
    #[case("github.actor == 'me'", None)]
    #[case("!inputs.skip", Some(true))]
    #[case("!contains(needs.*.result, 'failure')", Some(false))]
    #[case("!cancelled() && contains(needs.*.result, 'success')", Some(true))]
    #[case("${{ false }} && true", Some(true))]
    #[case("github.ref ==", None)]
    fn conditions_hold_as_far_as_is_known(#[case] condition: &str, #[case] expected: Option<bool>) {
        assert_eq!(holds(condition, &known), expected);
    }

    #[rstest]
    #[case("build-${{ github.ref }}", Some("build-refs/heads/main"))]
    #[case("${{ format('build-{0}', github.ref) }}", Some("build-refs/heads/main"))]
    #[case("${{ github.actor }}", None)]
    #[case("plain", Some("plain"))]
    fn texts_come_to_what_is_known(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(template(text, &known).as_deref(), expected);
    }

    #[rstest]
    #[case("plain it's", "'plain it''s'")]
    #[case("${{ secrets.A }}", "(secrets.A)")]
    #[case("{x} ${{ a.b }}:${{ c.d }}", "format('{{x}} {0}:{1}', (a.b), (c.d))")]
    fn texts_become_expressions(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(as_expression(text), expected);
    }

    #[rstest]
    #[case("echo ${{ inputs.Tag }} ${{ secrets['A'] }}", &["inputs.tag", "secrets.a"])]
    #[case("${{ format('{0}', github.event.head_commit.message) }}", &["github.event.head_commit.message"])]
    #[case("${{ '}}' == github.ref }}", &["github.ref"])]
    #[case("${{ not an expression }}", &["not an expression"])]
    #[case("$X ${Y}", &[])]
    fn contexts_are_named(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(contexts(text), expected);
    }

    #[rstest]
    #[case("always() && github.ref", true)]
    #[case("${{ !cancelled() }}", true)]
    #[case("${{ failure() }} && true", true)]
    #[case("${{ github.ref }} == 'failure()'", false)]
    #[case("contains('failure()', 'x')", false)]
    fn status_functions_are_seen(#[case] condition: &str, #[case] expected: bool) {
        assert_eq!(asks_status(condition), expected);
    }

    proptest::proptest! {
        #[test]
        fn where_nothing_is_known_nothing_is_rewritten(text in "([ax.'!]|\\$\\{\\{|\\}\\}|github\\.ref|==| ){0,20}") {
            proptest::prop_assert_eq!(rewritten(&text, &|_| None), text);
        }
    }
}
