//! One table of a TOML document, read key by key, so that each error can say the key and the line.
//!
//! Deserialising with serde would be shorter, but its messages name neither the key of a wrong value nor the line of an
//! unknown key.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    ConfigError,
    origin::{Given, Origin},
};

/// The text of a configuration file and the name by which the user knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

impl<'a> Document<'a> {
    /// Parses the text.
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'a>>, ConfigError> {
        DeTable::parse(self.text).map_err(|error| ConfigError::Syntax {
            file: self.file.into(),
            line: self.line(error.span().unwrap_or_default()),
            message: error.message().split_whitespace().collect::<Vec<_>>().join(" "),
        })
    }

    fn line(&self, span: Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        1 + before.bytes().filter(|b| *b == b'\n').count()
    }

    fn origin(&self, key: &str, span: Range<usize>) -> Origin {
        Origin::File { key: key.into(), file: self.file.into(), line: self.line(span) }
    }
}

/// One table of a document.
pub(super) struct Section<'a> {
    document: Document<'a>,
    table: &'a DeTable<'a>,
    line: usize,
}

impl<'a> Section<'a> {
    /// Opens a table in which only the `known` keys may stand.
    pub(super) fn open(
        document: Document<'a>,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        known: &'static [&'static str],
    ) -> Result<Self, ConfigError> {
        let stranger = in_file_order(table).map(|(key, _)| key).find(|key| !known.contains(&key.get_ref().as_ref()));
        if let Some(key) = stranger {
            let (key, line) = (key.get_ref().to_string(), document.line(key.span()));
            return Err(ConfigError::UnknownKey { key, file: document.file.into(), line, known });
        }
        Ok(Self { document, table, line: document.line(span) })
    }

    /// A string, if the key is there.
    pub(super) fn string(&self, key: &str) -> Result<Option<Given<String>>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        self.string_of(key, value, "a string").map(Some)
    }

    /// A string, or an error that says that `table`, which this section is, has none.
    pub(super) fn required_string(&self, table: &'static str, key: &'static str) -> Result<Given<String>, ConfigError> {
        self.string(key)?.ok_or_else(|| ConfigError::MissingKey {
            table,
            key,
            file: self.document.file.into(),
            line: self.line,
        })
    }

    /// `true` or `false`, if the key is there.
    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        value.get_ref().as_bool().map(Some).ok_or_else(|| self.wrong_type(key, value, "true or false"))
    }

    /// A list of strings, each with its own line, and not empty, if the key is there.
    pub(super) fn strings(&self, key: &str) -> Result<Option<Vec<Given<String>>>, ConfigError> {
        const EXPECTED: &str = "a list of strings";
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let list = value.get_ref().as_array().ok_or_else(|| self.wrong_type(key, value, EXPECTED))?;
        if list.is_empty() {
            return Err(ConfigError::Empty(self.document.origin(key, value.span())));
        }
        list.iter().map(|entry| self.string_of(key, entry, EXPECTED)).collect::<Result<_, _>>().map(Some)
    }

    /// The pairs of a table in which any key may stand, in the order of the file; none if the key is not there.
    pub(super) fn pairs(&self, key: &str) -> Result<Vec<(String, Given<String>)>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        let table = value.get_ref().as_table().ok_or_else(|| self.wrong_type(key, value, "a table of strings"))?;
        in_file_order(table)
            .map(|(name, value)| {
                let name = name.get_ref();
                Ok((name.to_string(), self.string_of(&format!("{key}.{name}"), value, "a string")?))
            })
            .collect()
    }

    /// The tables of a list of tables, not empty, if the key is there. `expected` says how such a list is written.
    pub(super) fn tables(
        &self,
        key: &str,
        expected: &'static str,
        known: &'static [&'static str],
    ) -> Result<Option<Vec<Self>>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let list = value.get_ref().as_array().ok_or_else(|| self.wrong_type(key, value, expected))?;
        if list.is_empty() {
            return Err(ConfigError::Empty(self.document.origin(key, value.span())));
        }
        let open = |entry: &'a Spanned<DeValue<'a>>| {
            let table = entry.get_ref().as_table().ok_or_else(|| self.wrong_type(key, entry, expected))?;
            Self::open(self.document, table, entry.span(), known)
        };
        list.iter().map(open).collect::<Result<_, _>>().map(Some)
    }

    fn string_of(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &'static str,
    ) -> Result<Given<String>, ConfigError> {
        let text = value.get_ref().as_str().ok_or_else(|| self.wrong_type(key, value, expected))?;
        Ok(Given::new(text.into(), self.document.origin(key, value.span())))
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &'static str) -> ConfigError {
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        ConfigError::WrongType { origin: self.document.origin(key, value.span()), expected, found }
    }
}

/// The entries of a table as they stand in the file, so that the first mistake is the one reported.
fn in_file_order<'a>(
    table: &'a DeTable<'a>,
) -> impl Iterator<Item = (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries.into_iter()
}
