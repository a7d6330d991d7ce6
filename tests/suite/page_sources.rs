//! The sources of the pages read like the rest of the code: templates, style
//! sheets and scripts. These tests read the files; they start no server.

use std::path::{Path, PathBuf};

/// Elements that stand on a line of their own, whatever is in them.
const BLOCKS: &[&str] = &[
    "article", "dd", "dialog", "div", "dl", "dt", "fieldset", "form", "header", "li", "main", "nav", "ol",
    "section", "select", "table", "tbody", "td", "th", "thead", "tr", "ul",
];

/// The files below a folder, with their text.
fn read_all(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).expect("a text");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    assert!(!found.is_empty(), "{folder} is empty");
    found
}

/// What is wrong in a file, each with its line.
fn wrong_lines(text: &str, is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = text.lines().enumerate().filter(|(_, line)| is_wrong(line));
    lines.map(|(number, line)| format!("{}: {line}", number + 1)).collect()
}

fn refuse(path: &Path, rule: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{}: {rule}\n{}", path.display(), wrong.join("\n"));
}

#[test]
fn the_sources_of_pages_fit_into_120_columns() {
    for folder in ["templates", "static/css", "static/js"] {
        for (path, text) in read_all(folder) {
            refuse(&path, "at most 120 columns", &wrong_lines(&text, |line| line.chars().count() > 120));
            let untidy = |line: &str| line.contains('\t') || line.ends_with(' ');
            refuse(&path, "no tabs, no space at the end", &wrong_lines(&text, untidy));
        }
    }
}

#[test]
fn each_statement_of_a_template_starts_a_line() {
    for (path, text) in read_all("templates") {
        let mut wrong = Vec::new();
        let mut open: Vec<Statement> = Vec::new();
        for it in statements(&text) {
            let is_inside = |start: &Statement| start.line == it.line;
            let is_fine = match it.word.as_str() {
                "block" | "call" | "filter" | "for" | "if" | "macro" | "match" => {
                    open.push(it);
                    continue;
                }
                // A short choice between words may stay in its sentence.
                word if word.starts_with("end") => {
                    let start = open.pop().expect("a statement that it ends");
                    is_inside(&start) || (start.starts_line && it.starts_line)
                }
                "elif" | "else" | "when" => open.last().is_some_and(is_inside) || it.starts_line,
                _ => it.starts_line,
            };
            if !is_fine {
                wrong.push(format!("{}: {}", it.line, it.word));
            }
        }
        refuse(&path, "a statement starts a line", &wrong);
    }
}

#[test]
fn each_element_of_a_template_that_holds_others_starts_a_line() {
    let starts = |line: &str| -> usize {
        let tags = line.split('<').skip(1).map(|rest| {
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
            &rest[..end]
        });
        tags.filter(|tag| BLOCKS.contains(tag)).count()
    };
    for (path, text) in read_all("templates") {
        let wrong = wrong_lines(&text, |line| {
            starts(line) > 1 || (starts(line) == 1 && !line.trim_start().starts_with('<'))
        });
        refuse(&path, "one of these elements a line, at its start", &wrong);
        let is_source =
            |line: &str| line.trim_start().starts_with('<') || line.trim_start().starts_with("{%");
        let indent = |line: &str| line.len() - line.trim_start().len();
        let wrong = wrong_lines(&text, |line| is_source(line) && indent(line) % 2 == 1);
        refuse(&path, "indented by two spaces", &wrong);
    }
}

#[test]
fn scripts_find_their_elements_by_data_attributes() {
    for (path, text) in read_all("static/js") {
        let selectors = text.split("querySelector").skip(1).filter_map(|rest| rest.split(')').next());
        for selector in selectors {
            assert!(!selector.contains(['.', '#']), "{}: {selector}", path.display());
            for part in ["class", "href", "action"] {
                assert!(!selector.contains(part), "{}: {selector}", path.display());
            }
        }
    }
}

#[derive(Debug)]
struct Statement {
    word: String,
    line: usize,
    starts_line: bool,
}

/// The statements of a template, except those among the attributes of a tag.
fn statements(text: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut is_in_tag = false;
    while let Some(start) = rest.find(['<', '>', '{']) {
        let place = text.len() - rest.len() + start;
        let from_here = &rest[start..];
        let length = match from_here.as_bytes() {
            [b'<', next, ..] if next.is_ascii_alphabetic() => {
                is_in_tag = true;
                1
            }
            [b'>', ..] => {
                is_in_tag = false;
                1
            }
            [b'{', b'{', ..] => from_here.find("}}").expect("an end") + 2,
            [b'{', b'#', ..] => from_here.find("#}").expect("an end") + 2,
            [b'{', b'%', ..] => {
                let length = from_here.find("%}").expect("an end") + 2;
                let body = from_here[2..length - 2].trim_matches(['-', '+', '~', ' ']);
                let before = text[..place].rsplit('\n').next().unwrap_or_default();
                if !is_in_tag {
                    found.push(Statement {
                        word: body.split_whitespace().next().unwrap_or_default().to_owned(),
                        line: text[..place].matches('\n').count() + 1,
                        starts_line: before.trim().is_empty(),
                    });
                }
                length
            }
            _ => 1,
        };
        rest = &from_here[length..];
    }
    found
}
