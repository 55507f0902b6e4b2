//! What kind of place the output goes to, and whether it may have colour.

use crate::environment::Environment;

/// What `--color` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorChoice {
    /// Colour where a terminal shows it and nobody objects.
    #[default]
    Auto,
    /// Colour everywhere.
    Always,
    /// No colour.
    Never,
}

/// How text is dressed: with colour or as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// With the eight colours that every terminal has (ECMA-48, "select graphic rendition").
    Coloured,
}

impl Style {
    /// Decides for one stream; `terminal` is whether that stream goes to one.
    ///
    /// What was asked for on the command line wins, then `NO_COLOR` (no-color.org), then `CLICOLOR_FORCE` and `CLICOLOR`
    /// (bixense.com/clicolors), then what the terminal says of itself.
    pub fn decide(choice: ColorChoice, environment: &Environment, terminal: bool) -> Self {
        let set = |name: &str| environment.get(name).is_some_and(|value| value != "0");
        let coloured = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if environment.get("NO_COLOR").is_some() => false,
            ColorChoice::Auto if set("CLICOLOR_FORCE") => true,
            ColorChoice::Auto if environment.get("CLICOLOR") == Some("0") => false,
            ColorChoice::Auto => can_draw(environment, terminal),
        };
        if coloured { Self::Coloured } else { Self::Plain }
    }

    /// For what failed.
    pub fn red(self, text: &str) -> String {
        self.dress("31;1", text)
    }

    /// For what went well.
    pub fn green(self, text: &str) -> String {
        self.dress("32", text)
    }

    /// For what should be looked at.
    pub fn yellow(self, text: &str) -> String {
        self.dress("33", text)
    }

    /// For what helps.
    pub fn cyan(self, text: &str) -> String {
        self.dress("36", text)
    }

    /// For titles.
    pub fn bold(self, text: &str) -> String {
        self.dress("1", text)
    }

    /// For what is only there to be found.
    pub fn dim(self, text: &str) -> String {
        self.dress("2", text)
    }

    fn dress(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// Whether a stream can be drawn on: it goes to a terminal that understands cursor movement.
pub fn can_draw(environment: &Environment, terminal: bool) -> bool {
    terminal && environment.get("TERM") != Some("dumb")
}

/// Whether this is a step of a GitHub Actions job.
pub fn is_actions(environment: &Environment) -> bool {
    environment.get("GITHUB_ACTIONS") == Some("true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::a_terminal(ColorChoice::Auto, &[], true, true)]
    #[case::a_pipe(ColorChoice::Auto, &[], false, false)]
    #[case::a_dumb_terminal(ColorChoice::Auto, &[("TERM", "dumb")], true, false)]
    #[case::no_color(ColorChoice::Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true, false)]
    #[case::no_color_set_to_nothing(ColorChoice::Auto, &[("NO_COLOR", "")], true, true)]
    #[case::no_color_set_to_zero(ColorChoice::Auto, &[("NO_COLOR", "0")], true, false)]
    #[case::forced(ColorChoice::Auto, &[("CLICOLOR_FORCE", "1")], false, true)]
    #[case::not_forced(ColorChoice::Auto, &[("CLICOLOR_FORCE", "0")], false, false)]
    #[case::clicolor_off(ColorChoice::Auto, &[("CLICOLOR", "0")], true, false)]
    #[case::always(ColorChoice::Always, &[("NO_COLOR", "1")], false, true)]
    #[case::never(ColorChoice::Never, &[("CLICOLOR_FORCE", "1")], true, false)]
    fn colour_is_decided_once(
        #[case] choice: ColorChoice,
        #[case] variables: &[(&str, &str)],
        #[case] terminal: bool,
        #[case] coloured: bool,
    ) {
        let environment = variables.iter().copied().collect();
        assert_eq!(Style::decide(choice, &environment, terminal) == Style::Coloured, coloured);
    }

    #[test]
    fn plain_text_has_no_escape_sequences() {
        assert_eq!((Style::Plain.red("x"), Style::Coloured.red("x")), ("x".into(), "\u{1b}[31;1mx\u{1b}[0m".into()));
    }

    #[rstest::rstest]
    #[case(&[("GITHUB_ACTIONS", "true")], true)]
    #[case(&[("GITHUB_ACTIONS", "false")], false)]
    #[case(&[], false)]
    fn actions_says_that_it_is_there(#[case] variables: &[(&str, &str)], #[case] there: bool) {
        assert_eq!(is_actions(&variables.iter().copied().collect()), there);
    }
}
