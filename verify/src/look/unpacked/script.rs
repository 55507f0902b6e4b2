//! The first line of a script, as Linux reads it (`fs/binfmt_script.c`).

/// What a script is run by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interpreter {
    /// The program that the kernel runs.
    pub(super) program: String,
    /// The program that `env` finds and runs, if that is what the kernel runs.
    pub(super) by_env: Option<String>,
}

/// Reads the beginning of a file. None if it is no script.
pub(super) fn interpreter(head: &[u8]) -> Option<Interpreter> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let program = words.next()?.to_owned();
    let by_env = if program.rsplit('/').next() == Some("env") {
        words.find(|word| !word.starts_with('-') && !word.contains('=')).map(str::to_owned)
    } else {
        None
    };
    Some(Interpreter { program, by_env })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("#!/bin/sh\nexec a", Some(("/bin/sh", None)))]
    #[case("#! /bin/sh -eu\n", Some(("/bin/sh", None)))]
    #[case("#!/usr/bin/env python3\n", Some(("/usr/bin/env", Some("python3"))))]
    #[case("#!/usr/bin/env -S A=b python3 -u\n", Some(("/usr/bin/env", Some("python3"))))]
    #[case("#!/bin/sh", Some(("/bin/sh", None)))]
    #[case("#!\n", None)]
    #[case("echo\n#!/bin/sh", None)]
    #[case("", None)]
    fn the_first_line_names_the_interpreter(#[case] text: &str, #[case] expected: Option<(&str, Option<&str>)>) {
        let expected = expected
            .map(|(program, by_env)| Interpreter { program: program.into(), by_env: by_env.map(str::to_owned) });
        assert_eq!(interpreter(text.as_bytes()), expected);
    }
}
