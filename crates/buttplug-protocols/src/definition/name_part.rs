//! A part of the advertised name: `*_(*)_*` is what stands between the first two `_`.

use serde::{Deserialize, Serialize};

/// A pattern over names with one part in parentheses. `?` is any character, `#` a digit, `*` any number of characters, as
/// few as will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamePart(String);

impl NamePart {
    /// Reads a pattern. `None`: there is not exactly one part in parentheses, or it is empty.
    pub fn new(pattern: &str) -> Option<Self> {
        let (before, rest) = pattern.split_once('(')?;
        let (part, after) = rest.split_once(')')?;
        let plain = |text: &str| !text.contains(['(', ')']);
        let good = plain(before) && plain(part) && plain(after) && !part.is_empty();
        good.then(|| Self(pattern.to_owned()))
    }

    /// How many characters are compared at most to find the part of a name.
    pub fn effort(&self, name: &str) -> u64 {
        (self.0.len() as u64 + 1).saturating_mul(name.len() as u64 + 1)
    }

    /// The part of a name that fits the whole pattern.
    pub fn of<'n>(&self, name: &'n str) -> Option<&'n str> {
        let pattern: Vec<char> = self.0.chars().collect();
        let letters: Vec<(usize, char)> = name.char_indices().collect();
        let place = |letter: usize| letters.get(letter).map_or(name.len(), |(at, _)| *at);
        let (mut at, mut letter) = (0, 0);
        let (mut start, mut end) = (0, 0);
        // After the last `*`, and how far it reaches. Only the last one ever has to give way.
        let mut star: Option<(usize, usize)> = None;
        loop {
            let next = letters.get(letter).map(|(_, letter)| *letter);
            match (pattern.get(at), next) {
                (Some('('), _) => start = place(letter),
                (Some(')'), _) => end = place(letter),
                (Some('*'), _) => star = Some((at + 1, letter)),
                (Some('?'), Some(_)) => letter += 1,
                (Some('#'), Some(found)) if found.is_ascii_digit() => letter += 1,
                (Some(wanted), Some(found)) if *wanted == found && found != '#' => letter += 1,
                (None, None) => return name.get(start..end),
                _ => {
                    let (after, reach) = star?;
                    if reach == letters.len() {
                        return None;
                    }
                    star = Some((after, reach + 1));
                    (at, letter) = (after, reach + 1);
                    continue;
                }
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_in_parentheses_is_found_in_names_that_fit() {
        let cases = [
            ("??(??)*", "UMMiB0001", Some("Mi")),
            ("??(??)*", "UMMi", Some("Mi")),
            ("??(??)*", "UMM", None),
            ("??(??)*", "", None),
            ("??(??)*", "ÄÖÜßx", Some("Üß")),
            ("*_(*)_*", "OHD_hw4_abc123", Some("hw4")),
            ("*_(*)_*", "OHD_hw4_abc_123", Some("hw4")),
            ("*_(*)_*", "OHD__abc123", Some("")),
            ("*_(*)_*", "OHD_hw4", None),
            ("A_*_(*)", "A_EBD8A0CFE5E0_2", Some("2")),
            ("A_*_(*)", "A_EBD8A0CFE5E0_", Some("")),
            ("A_*_(*)", "A_", None),
            ("A_*_(*)", "B_EBD8A0CFE5E0_2", None),
            ("(*)-?", "a-b-c", Some("a-b")),
            ("(*)#*", "PBT2601", Some("PBT")),
            ("(*)#*", "PBT#", None),
            ("(X Y) *", "X Y 0F313B", Some("X Y")),
            ("(*)", "anything", Some("anything")),
        ];
        for (pattern, name, part) in cases {
            assert_eq!(NamePart::new(pattern).unwrap().of(name), part, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_has_one_part_in_parentheses() {
        for wrong in ["", "*", "()", "a)b(", "(a", "a)", "((a))", "(a)(b)", "(a))"] {
            assert_eq!(NamePart::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_name_takes_long() {
        let pattern = NamePart::new(&format!("({})*b", "*a".repeat(100))).unwrap();
        assert_eq!(pattern.of(&"a".repeat(10_000)), None);
    }
}
