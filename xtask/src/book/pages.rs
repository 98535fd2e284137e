//! The built book: every link inside of it leads somewhere. Links to other sites are not followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::sources::files;
use crate::run::{Context as _, Outcome};

/// Pages whose links are those of other pages once more, or begin at the root of a site.
const REPEATED: &[&str] = &["print.html", "404.html"];

/// Looks through the pages of a built book.
pub(crate) fn check(book: &Path) -> Outcome<Vec<String>> {
    let mut pages = BTreeMap::new();
    for path in files(book, "html")? {
        let text = fs::read_to_string(&path).context(&path.display().to_string())?;
        let name = path.strip_prefix(book).unwrap_or(&path).display().to_string().replace('\\', "/");
        pages.insert(name, Page::read(&text));
    }
    let exists = |name: &str| book.join(name).is_file();
    Ok(lost_links(&pages, exists))
}

/// What of a page matters here.
#[derive(Debug, Default, PartialEq)]
struct Page {
    links: Vec<String>,
    ids: BTreeSet<String>,
    /// Includes and the like that were left as they are.
    left: Vec<String>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        for tag in tags(text) {
            for name in ["href", "src"] {
                page.links.extend(attribute(tag, name).map(unescaped));
            }
            page.ids.extend(attribute(tag, "id").map(unescaped));
        }
        let left = text.split("{{#").skip(1).filter_map(|rest| rest.split_once("}}"));
        page.left.extend(left.map(|(left, _)| format!("{{{{#{left}}}}}")));
        page
    }
}

fn lost_links(pages: &BTreeMap<String, Page>, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (name, page) in pages.iter().filter(|(name, _)| !REPEATED.contains(&name.as_str())) {
        found.extend(page.left.iter().map(|left| format!("{name}: `{left}` was not replaced")));
        for link in page.links.iter().filter(|link| is_inside(link)) {
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let aim = resolved(name, path);
            match pages.get(&aim) {
                Some(page) if fragment.is_empty() || page.ids.contains(fragment) => {}
                Some(_) => found.push(format!("{name}: {link}: there is no such heading")),
                None if exists(&aim) => {}
                None => found.push(format!("{name}: {link}: there is no such page")),
            }
        }
    }
    found
}

fn is_inside(link: &str) -> bool {
    !link.contains("://")
        && !["mailto:", "data:", "javascript:"].iter().any(|scheme| link.starts_with(scheme))
}

/// The page that `path`, on page `from`, leads to.
fn resolved(from: &str, path: &str) -> String {
    if path.is_empty() {
        return from.to_owned();
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The tags of a page, from `<` to before `>`, without the text of scripts.
fn tags(text: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find('<') {
        rest = &rest[begin + 1..];
        let mut quoted = false;
        let end = rest.find(|c: char| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let Some(end) = end else { break };
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        tags.push(tag);
        if tag.starts_with("script") {
            rest = rest.find("</script").map_or("", |end| &rest[end..]);
        }
    }
    tags
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

fn unescaped(value: &str) -> String {
    value.replace("&amp;", "&").replace("&#x27;", "'").replace("%20", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_headings_are_read_from_tags_only() {
        let page = Page::read(
            r##"<h1 id="a">A</h1><a class="x" href="b.html#c">&lt;a href="no"&gt;</a><script>"<a href='no'>"</script>"##,
        );
        assert_eq!(page.links, ["b.html#c"]);
        assert_eq!(page.ids, BTreeSet::from([String::from("a")]));
    }

    #[test]
    fn links_to_missing_pages_and_headings_are_named() {
        let pages = [
            (
                "a.html",
                r##"<h1 id="top"><a href="g/b.html#here"><a href="#top"><a href="https://example.org/x">"##,
            ),
            (
                "g/b.html",
                r##"<h1 id="here"><a href="../a.html"><img src="pic.png"><a href="no.html"><a href="../a.html#no">"##,
            ),
            ("c.html", "<p>{{#include lost.rs}}</p>"),
        ];
        let pages = pages.map(|(name, text)| (name.to_owned(), Page::read(text)));
        let found = lost_links(&BTreeMap::from(pages), |name| name == "g/pic.png");
        assert_eq!(
            found,
            [
                "c.html: `{{#include lost.rs}}` was not replaced",
                "g/b.html: no.html: there is no such page",
                "g/b.html: ../a.html#no: there is no such heading",
            ]
        );
    }
}
