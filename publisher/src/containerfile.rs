//! Answers what has to be known of a Containerfile before podman builds it: whether it has here-documents, and whether
//! the image has a health check.
//!
//! Read as buildah's parser does (Dockerfile reference: "Format", "Here-documents"), without the directive `escape`:
//! comments and empty lines go, also within an instruction; a here-document is a word of `RUN`, `COPY` or `ADD` that begins
//! with `<<`, and its lines are no instructions. podman reports what is wrong with a Containerfile.

/// What has to be known of a Containerfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Containerfile {
    /// The line on which the first instruction with a here-document begins.
    pub here_document: Option<usize>,
    /// Whether the last stage, or one that it is based on, has a health check other than `NONE`.
    pub healthcheck: bool,
    /// The image at the end of the chain of bases of the last stage, as it is written; [`None`] if there is none.
    pub base: Option<String>,
}

/// A stage so far.
#[derive(Clone, Default)]
struct Stage {
    name: String,
    base: String,
    healthcheck: bool,
}

impl Containerfile {
    /// Reads a Containerfile's text.
    pub fn parse(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let mut lines = text.lines().zip(1..);
        let (mut here_document, mut stages) = (None, vec![Stage::default()]);
        while let Some((instruction, line)) = next_instruction(&mut lines) {
            let words = words(&instruction);
            let mut arguments = words.iter().map(String::as_str).filter(|word| !word.starts_with("--"));
            let keyword = arguments.next().unwrap_or_default().to_ascii_uppercase();
            let last = stages.len() - 1;
            if keyword == "FROM" {
                stages.push(stage(&arguments.collect::<Vec<_>>(), &stages));
            } else if keyword == "HEALTHCHECK" {
                stages[last].healthcheck = !arguments.next().is_some_and(|word| word.eq_ignore_ascii_case("NONE"));
            }
            let triggered = if keyword == "ONBUILD" { words.get(1) } else { words.first() };
            let triggered = triggered.map(|word| word.to_ascii_uppercase()).unwrap_or_default();
            if matches!(triggered.as_str(), "RUN" | "COPY" | "ADD") {
                for (end, indented) in words.iter().filter_map(|word| here_document_end(word)) {
                    here_document = here_document.or(Some(line));
                    let is_end = |line: &str| (if indented { line.trim_start_matches('\t') } else { line }) == end;
                    let _ = lines.find(|(line, _)| is_end(line));
                }
            }
        }
        let Stage { base, healthcheck, .. } = stages.pop().unwrap_or_default();
        Self { here_document, healthcheck, base: Some(base).filter(|base| !base.is_empty() && base != "scratch") }
    }
}

/// The stage that `FROM` begins with these arguments.
fn stage(arguments: &[&str], before: &[Stage]) -> Stage {
    let base = arguments.first().copied().unwrap_or_default();
    let name = arguments.get(2).copied().unwrap_or_default();
    let of_stage = before.iter().rev().find(|stage| !stage.name.is_empty() && stage.name.eq_ignore_ascii_case(base));
    let (base, healthcheck) = of_stage.map_or((base, false), |stage| (&stage.base, stage.healthcheck));
    Stage { name: name.into(), base: base.into(), healthcheck }
}

/// The next instruction, its continued lines joined, and the line on which it begins.
fn next_instruction<'a>(lines: &mut impl Iterator<Item = (&'a str, usize)>) -> Option<(String, usize)> {
    let (mut instruction, mut first) = (String::new(), None);
    for (line, number) in lines {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        first = first.or(Some(number));
        let Some(continued) = line.strip_suffix('\\') else {
            instruction.push_str(line);
            break;
        };
        instruction.push_str(continued);
    }
    Some((instruction, first?))
}

/// Cuts text into words as a shell does, and leaves quotes in them.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character.is_whitespace() && quote.is_none() {
            words.push(std::mem::take(&mut word));
            continue;
        }
        word.push(character);
        match (character, quote) {
            ('\\', None | Some('"')) => word.extend(characters.next()),
            ('"' | '\'', None) => quote = Some(character),
            (_, Some(open)) if open == character => quote = None,
            _ => (),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// The line that ends the here-document which this word begins (`<<END`, `<<-"END"`, `3<<END`), and whether that line may
/// be indented. A shell's `<<<` begins none.
fn here_document_end(word: &str) -> Option<(String, bool)> {
    let word = word.trim_start_matches(|digit: char| digit.is_ascii_digit()).strip_prefix("<<")?;
    let (end, indented) = word.strip_prefix('-').map_or((word, false), |end| (end, true));
    let name = end.replace(['"', '\'', '\\'], "");
    (!end.contains('<') && !name.is_empty()).then_some((name, indented))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("FROM a\nRUN <<EOF\ntrue\nEOF\n", Some(2))]
    #[case("FROM a\n\nCOPY --chmod=755 <<-'EOF' /x\n", Some(3))]
    #[case("FROM a\nADD <<\"A B\" /x\n", Some(2))]
    #[case("from a\nrun cat 3<<EOF >/x\n", Some(2))]
    #[case("FROM a\nONBUILD RUN <<EOF\n", Some(2))]
    #[case("FROM a\nRUN true && \\\n  # <<NOT\n\n  cat <<EOF\n", Some(2))]
    #[case("FROM a\nRUN echo 'one \\\n two' <<EOF\n", Some(2))]
    #[case("\u{feff}FROM a\nRUN <<EOF\n", Some(2))]
    #[case::comment("FROM a\n# RUN <<EOF\n  # COPY <<EOF /x\n", None)]
    #[case::here_string("FROM a\nRUN cat <<<EOF\n", None)]
    #[case::shift("FROM a\nRUN echo $((1 << 2)) $((1<<2))\n", None)]
    #[case::quoted("FROM a\nRUN echo '<<EOF' \" <<EOF \" \\<<EOF\n", None)]
    #[case::part_of_a_word("FROM a\nRUN cat<<EOF\n", None)]
    #[case::json("FROM a\nRUN [\"cat\", \"<<EOF\"]\n", None)]
    #[case::other_instructions("FROM a\nENV A=<<EOF\nLABEL b <<EOF\nCMD <<EOF\nARG <<EOF\n", None)]
    #[case::continued("FROM a\nLABEL a=b \\\nRUN <<EOF\n", None)]
    fn here_documents_are_found_where_podman_finds_them(#[case] text: &str, #[case] line: Option<usize>) {
        assert_eq!(Containerfile::parse(text).here_document, line);
        assert_eq!(Containerfile::parse(&text.replace('\n', "\r\n")).here_document, line, "with other line ends");
    }

    #[rstest]
    #[case("FROM a\nHEALTHCHECK CMD true", true, Some("a"))]
    #[case("FROM scratch\nhealthcheck --interval=1s \\\n  CMD true", true, None)]
    #[case("FROM a\nHEALTHCHECK --interval=1s none", false, Some("a"))]
    #[case("FROM a\nHEALTHCHECK CMD true\nFROM b:1", false, Some("b:1"))]
    #[case("FROM --platform=$BUILDPLATFORM ${BASE} AS One\nHEALTHCHECK CMD true\nFROM one", true, Some("${BASE}"))]
    #[case("FROM a as one\nFROM one as two\nFROM two as three\nHEALTHCHECK CMD x\nFROM two", false, Some("a"))]
    #[case("FROM a\nRUN <<A cat <<-B\nHEALTHCHECK CMD x\nA\nFROM b\n\tB\nUSER 1", false, Some("a"))]
    #[case("FROM a\nRUN <<A\nB\nA\nHEALTHCHECK CMD x", true, Some("a"))]
    #[case("FROM a\nONBUILD HEALTHCHECK CMD x", false, Some("a"))]
    #[case("", false, None)]
    fn the_last_stages_health_check_is_found(#[case] text: &str, #[case] found: bool, #[case] base: Option<&str>) {
        let Containerfile { healthcheck, base: seen, .. } = Containerfile::parse(text);
        assert_eq!((healthcheck, seen.as_deref()), (found, base));
    }
}
