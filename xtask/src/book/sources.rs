//! The book's Markdown: every chapter is in the table of contents, and code comes from files that are compiled.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Context as _, Outcome};

/// Looks through the chapters. `guide/` is about the examples: its Rust code is theirs, and it has each of them.
pub(crate) fn check(chapters: &Path, examples: &Path) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    let mut included = Vec::new();
    let summary = read(&chapters.join("SUMMARY.md"))?;
    for path in files(chapters, "md")? {
        let text = read(&path)?;
        let name = path.strip_prefix(chapters).unwrap_or(&path).display().to_string().replace('\\', "/");
        if name != "SUMMARY.md" && !summary.contains(&format!("]({name})")) {
            found.push(format!("{name}: is not in SUMMARY.md"));
        }
        let in_guide = name.starts_with("guide/");
        if in_guide {
            found.extend(
                own_code(&text)
                    .into_iter()
                    .map(|line| format!("{name}:{line}: Rust code that no test compiles")),
            );
        }
        for (line, link) in includes(&text) {
            let (file, anchor) =
                link.split_once(':').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let file = path.parent().unwrap_or(chapters).join(file);
            let problem = match fs::read_to_string(&file) {
                Ok(code) => anchor.and_then(|anchor| anchor_problem(&code, anchor)),
                Err(error) => Some(error.to_string()),
            };
            found.extend(problem.map(|problem| format!("{name}:{line}: include of {link}: {problem}")));
            if in_guide {
                included.extend(file.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
    }
    for example in files(examples, "rs")? {
        let name = example.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !included.contains(&name) {
            found.push(format!("guide/: no chapter shows the example {name}"));
        }
    }
    Ok(found)
}

/// The includes of a chapter, with their lines.
fn includes(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for opening in ["{{#include ", "{{#rustdoc_include "] {
            let links = line.split(opening).skip(1).filter_map(|rest| rest.split_once("}}"));
            found.extend(links.map(|(link, _)| (number + 1, link.trim())));
        }
    }
    found
}

/// Lines of Rust code that stand in the chapter itself.
fn own_code(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut in_rust = false;
    for (number, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            in_rust = !in_rust && language.starts_with("rust");
        } else if in_rust && !line.trim_start().starts_with("{{#") {
            found.push(number + 1);
        }
    }
    found
}

/// What is wrong with a part of a file; mdbook takes nothing for it, without a word.
fn anchor_problem(code: &str, anchor: &str) -> Option<String> {
    if anchor.starts_with(|first: char| first.is_ascii_digit() || first == ':') {
        return Some(String::from(
            "lines by their numbers, which are others after the next change; use an anchor",
        ));
    }
    let line_of = |mark: &str| {
        code.lines().position(|line| line.split_once(mark).is_some_and(|(_, name)| name.trim() == anchor))
    };
    match (line_of("ANCHOR:"), line_of("ANCHOR_END:")) {
        (Some(begin), Some(end)) if begin + 1 < end => None,
        (Some(_), Some(_)) => Some(String::from("its anchor holds nothing")),
        _ => Some(format!("it has no `ANCHOR: {anchor}` with its end")),
    }
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).context(&path.display().to_string())
}

/// All files with this extension, in order.
pub(crate) fn files(folder: &Path, extension: &str) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).context(&folder.display().to_string())? {
        let path = entry.context(&folder.display().to_string())?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|end| end == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_are_found_with_their_lines() {
        let text = "one\n```rust\n{{#include ../a.rs:main}}\n{{#rustdoc_include b.rs}}\n```\n";
        assert_eq!(includes(text), [(3, "../a.rs:main"), (4, "b.rs")]);
    }

    #[test]
    fn rust_code_in_a_chapter_is_found_and_other_code_is_not() {
        let text = "```sh\ncargo run\n```\n```rust,no_run\n{{#include a.rs}}\nlet a = 1;\n```\nlet us see\n";
        assert_eq!(own_code(text), [6]);
    }

    #[test]
    fn an_anchor_must_be_there_with_its_end_and_hold_something() {
        let code =
            "// ANCHOR: a\nfn a() {}\n// ANCHOR_END: a\n// ANCHOR: b\n// ANCHOR_END: b\n// ANCHOR: c\n";
        assert_eq!(anchor_problem(code, "a"), None);
        for anchor in ["b", "c", "d", "3:5", ":5"] {
            assert!(anchor_problem(code, anchor).is_some(), "{anchor}");
        }
    }
}
