//! Words as each system wants them written, so that none of them falls apart or means something else.

/// An argument in a line of systemd.
pub(super) fn systemd(word: &str) -> String {
    systemd_program(word).replace('$', "$$")
}

/// The program in a line of systemd, in which nothing is replaced but `%`.
pub(super) fn systemd_program(word: &str) -> String {
    let word = word.replace('%', "%%");
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-+=:,%@$".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// A text within XML.
pub(super) fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// An argument in a command line of Windows: backslashes count only in front of a quotation mark.
pub(super) fn windows(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '"']) {
        return word.to_owned();
    }
    let (mut quoted, mut backslashes) = (String::from("\""), 0);
    for character in word.chars() {
        if character == '"' {
            quoted.extend(std::iter::repeat_n('\\', backslashes + 1));
        }
        backslashes = if character == '\\' { backslashes + 1 } else { 0 };
        quoted.push(character);
    }
    quoted.extend(std::iter::repeat_n('\\', backslashes));
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_gets_one_word_in_which_nothing_is_replaced() {
        for (word, written) in [
            ("--websocket-port=5", "--websocket-port=5"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("100%", "100%%"),
            ("$HOME", "$$HOME"),
            ("say \"x\\y\"", "\"say \\\"x\\\\y\\\"\""),
            ("'", "\"'\""),
            (";", "\";\""),
        ] {
            assert_eq!(systemd(word), written);
        }
        assert_eq!(systemd_program("/opt/$x/100%"), "/opt/$x/100%%");
    }

    #[test]
    fn windows_gets_one_word() {
        for (word, written) in [
            ("--a=b", "--a=b"),
            ("", "\"\""),
            ("C:\\a b\\", "\"C:\\a b\\\\\""),
            ("a \"b\"", "\"a \\\"b\\\"\""),
            ("a\\\" b", "\"a\\\\\\\" b\""),
            ("C:\\a\\b", "C:\\a\\b"),
        ] {
            assert_eq!(windows(word), written);
        }
    }

    #[test]
    fn xml_has_no_marks_in_texts() {
        assert_eq!(xml("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
    }
}
