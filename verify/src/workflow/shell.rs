//! The commands of a script, as far as a judge of secrets and exit codes must know them.
//!
//! It is no shell: it knows quotes, comments, continued lines, here-documents, substitutions and what joins commands. A
//! script that is too clever for it is understood in part; nothing is run.

/// A simple command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// Its words with their quotes, redirections among them: `>`, `<<<`.
    pub words: Vec<String>,
    /// What joins it to the next: `|`, `||`, `&&`, `;`; nothing at the end.
    pub then: String,
}

/// Words before a command that change nothing about which program is called.
const PREFIXES: &[&str] = &[
    "!", "builtin", "command", "do", "elif", "else", "env", "exec", "if", "nohup", "then", "time", "until", "while",
    "{",
];

impl Command {
    /// The program and what it is given: `podman`, `["push", "x"]`. Assignments and redirections are neither.
    pub fn called(&self) -> Option<(&str, Vec<&str>)> {
        let mut words = self.plain().into_iter().skip_while(|word| is_assignment(word) || PREFIXES.contains(word));
        let program = unquoted(words.next()?);
        Some((program.rsplit('/').next().unwrap_or(program), words.collect()))
    }

    /// The words that are no redirections.
    fn plain(&self) -> Vec<&str> {
        let mut after_redirection = false;
        let plain = |word: &&String| {
            let is_redirection = word.starts_with(['<', '>']) || word.starts_with("&>");
            let is_target = std::mem::replace(&mut after_redirection, is_redirection);
            !is_redirection && !is_target
        };
        self.words.iter().filter(plain).map(String::as_str).collect()
    }

    /// Where its output goes, if it does not go where the script's goes.
    pub fn written_to(&self) -> Option<&str> {
        let mut pairs = self.words.windows(2).filter(|pair| matches!(pair[0].as_str(), ">" | ">>" | "&>" | ">|"));
        pairs.next().map(|pair| unquoted(&pair[1]))
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '+'))
    })
}

/// A word without the quotes around it.
fn unquoted(word: &str) -> &str {
    word.trim_matches(['"', '\''])
}

/// All commands of a script, those in substitutions too.
pub fn commands(script: &str) -> Vec<Command> {
    let mut reader = Reader { rest: script.chars().collect(), ..Reader::default() };
    reader.rest.reverse();
    reader.read();
    reader.commands
}

#[derive(Debug, Default)]
struct Reader {
    /// What is still to be read, the next character last.
    rest: Vec<char>,
    word: String,
    command: Command,
    commands: Vec<Command>,
    /// Here-documents that begin at the end of the line.
    documents: Vec<String>,
}

impl Reader {
    fn read(&mut self) {
        while let Some(character) = self.rest.pop() {
            match character {
                '\\' => match self.rest.pop() {
                    Some('\n') | None => {}
                    Some(escaped) => self.word.extend(['\\', escaped]),
                },
                '\'' => self.quoted('\''),
                '"' => self.double_quoted(),
                '$' | '`' => self.substitution(character),
                '#' if self.word.is_empty() => drop(self.line()),
                '\n' => {
                    self.end_command(";");
                    self.skip_documents();
                }
                '<' | '>' => self.redirection(character),
                '&' if self.peek() == Some('>') => {
                    self.rest.pop();
                    self.end_word();
                    self.command.words.push("&>".to_owned());
                }
                ';' | '&' | '|' => {
                    let doubled = self.rest.pop_if(|next| *next == character).is_some();
                    self.end_command(&if doubled { format!("{character}{character}") } else { character.to_string() });
                }
                '(' | ')' => self.end_command(";"),
                blank if blank.is_whitespace() => self.end_word(),
                other => self.word.push(other),
            }
        }
        self.end_command("");
    }

    fn peek(&self) -> Option<char> {
        self.rest.last().copied()
    }

    fn quoted(&mut self, quote: char) {
        self.word.push(quote);
        while let Some(character) = self.rest.pop() {
            self.word.push(character);
            if character == quote {
                break;
            }
        }
    }

    fn double_quoted(&mut self) {
        self.word.push('"');
        while let Some(character) = self.rest.pop() {
            match character {
                '"' => break,
                '\\' => self.word.extend(std::iter::once('\\').chain(self.rest.pop())),
                '$' | '`' => self.substitution(character),
                other => self.word.push(other),
            }
        }
        self.word.push('"');
    }

    /// `$(…)`, `` `…` ``, `${…}`: the first two hold commands of their own; all stay part of the word.
    fn substitution(&mut self, opening: char) {
        self.word.push(opening);
        let (open, close) = match (opening, self.peek()) {
            ('`', _) => (None, '`'),
            (_, Some('(')) => (Some('('), ')'),
            (_, Some('{')) => (Some('{'), '}'),
            _ => return,
        };
        if open.is_some() {
            self.word.extend(self.rest.pop());
        }
        let mut inner = String::new();
        let mut depth = 1;
        while let Some(character) = self.rest.pop() {
            depth += i32::from(Some(character) == open) - i32::from(character == close);
            if depth == 0 {
                break;
            }
            inner.push(character);
        }
        if open != Some('{') {
            self.commands.extend(commands(&inner));
        }
        self.word.push_str(&inner);
        self.word.push(close);
    }

    fn redirection(&mut self, first: char) {
        // A number before it says which of a program's files is meant.
        if !self.word.is_empty() && self.word.chars().all(|it| it.is_ascii_digit()) {
            self.word.clear();
        }
        self.end_word();
        let mut sign = first.to_string();
        while let Some(next) = self.rest.pop_if(|next| matches!(next, '<' | '>' | '&' | '|' | '-')) {
            sign.push(next);
        }
        if matches!(sign.as_str(), "<<" | "<<-") {
            let mut delimiter = String::new();
            while let Some(next) =
                self.rest.pop_if(|next| !next.is_whitespace() || (delimiter.is_empty() && *next == ' '))
            {
                if !matches!(next, ' ' | '"' | '\'' | '\\') {
                    delimiter.push(next);
                }
            }
            self.documents.push(delimiter);
            return;
        }
        self.command.words.push(sign);
    }

    /// The rest of the line.
    fn line(&mut self) -> String {
        let mut line = String::new();
        while let Some(next) = self.rest.pop_if(|next| *next != '\n') {
            line.push(next);
        }
        line
    }

    fn skip_documents(&mut self) {
        for delimiter in std::mem::take(&mut self.documents) {
            while self.line().trim() != delimiter && self.rest.pop().is_some() {}
            // The end of the delimiter's line, or of the script.
            self.rest.pop();
        }
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.command.words.push(std::mem::take(&mut self.word));
        }
    }

    fn end_command(&mut self, then: &str) {
        self.end_word();
        let command = std::mem::take(&mut self.command);
        if !command.words.is_empty() {
            self.commands.push(Command { then: then.to_owned(), ..command });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(script: &str) -> Vec<String> {
        commands(script).iter().map(|it| format!("{} {}", it.words.join(" "), it.then).trim().to_owned()).collect()
    }

    #[test]
    fn commands_are_told_apart() {
        assert_eq!(read("a b; c && d || e | f &"), ["a b ;", "c &&", "d ||", "e |", "f &"]);
        assert_eq!(read("podman push \\\n  x # why\n\n# not\ny"), ["podman push x ;", "y"]);
        assert_eq!(read("echo 'a; b' \"c | $d\""), ["echo 'a; b' \"c | $d\""]);
        assert_eq!(read("(a; b)"), ["a ;", "b ;"]);
        assert_eq!(
            read("x=\"$(podman build . | tail)\" y"),
            ["podman build . |", "tail", "x=\"$(podman build . | tail)\" y"]
        );
        assert_eq!(read("cat <<EOF\nsudo podman\nEOF\nnext"), ["cat ;", "next"]);
        assert_eq!(read("a >b 2>&1 <<<\"$c\" &>d"), ["a > b >& 1 <<< \"$c\" &> d"]);
    }

    #[test]
    fn programs_are_found_behind_what_stands_before_them() {
        let called = |script: &str| {
            let command = commands(script).remove(0);
            command.called().map(|(program, given)| (program.to_owned(), given.join(" ")))
        };
        assert_eq!(called("if ! X=1 exec /usr/bin/podman push x >log"), Some(("podman".into(), "push x".into())));
        assert_eq!(called("\"podman\" login <<<\"$T\""), Some(("podman".into(), "login".into())));
        assert_eq!(called("X=1"), None);
        assert_eq!(commands("echo x >>\"$GITHUB_ENV\"")[0].written_to(), Some("$GITHUB_ENV"));
    }

    proptest::proptest! {
        #[test]
        fn no_script_is_too_strange(script in "[a$(){}`'\"<>|&;#\\\\ \n]{0,60}") {
            let words = commands(&script).into_iter().flat_map(|command| command.words);
            proptest::prop_assert!(words.into_iter().all(|word| !word.is_empty()));
        }
    }
}
