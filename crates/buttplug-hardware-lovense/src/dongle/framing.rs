//! How lines travel: in reports of a fixed length to and from the HID stick, as they are over the serial one.

use super::limits::MAX_LINE_BYTES;

/// Bytes of a line in one report.
pub(crate) const REPORT_TEXT: usize = 63;

/// Bytes of a report to the stick: its number, the text, a zero.
pub(crate) const REPORT_BYTES: usize = REPORT_TEXT + 2;

/// A line cut into reports.
pub(crate) fn reports(line: &[u8]) -> impl Iterator<Item = [u8; REPORT_BYTES]> {
    line.chunks(REPORT_TEXT).map(|chunk| {
        let mut report = [0; REPORT_BYTES];
        report[1..=chunk.len()].copy_from_slice(chunk);
        report
    })
}

/// What a report from the stick says: all but the zero at its end.
pub(crate) fn text_of_report(report: &[u8]) -> &[u8] {
    report.split_last().map_or(&[], |(_, text)| text)
}

/// Puts lines together from what comes in.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    text: Vec<u8>,
    /// A line was too long: what comes up to its end belongs to it.
    too_long: bool,
}

impl Lines {
    /// Takes in bytes and returns the lines that are complete now. Zeros are what reports are filled up with; a line that is
    /// too long or no text is dropped.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes.iter().copied().filter(|byte| *byte != 0) {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.text);
                if !std::mem::take(&mut self.too_long) {
                    lines.extend(String::from_utf8(line).ok());
                }
            } else if self.text.len() < MAX_LINE_BYTES {
                self.text.push(byte);
            } else {
                self.too_long = true;
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dongle::message::Order;

    fn padded(text: &str) -> [u8; REPORT_BYTES] {
        let mut report = [0; REPORT_BYTES];
        report[1..=text.len()].copy_from_slice(text.as_bytes());
        report
    }

    #[test]
    fn a_line_is_cut_into_reports() {
        let all = |order: Order| reports(&order.line()).collect::<Vec<_>>();
        assert_eq!(all(Order::Search), [padded("{\"type\":\"toy\",\"func\":\"search\"}\r\n")]);
        assert_eq!(all(Order::Status), [padded("{\"type\":\"toy\",\"func\":\"statuss\"}\r\n")]);
        assert_eq!(all(Order::StopSearch), [padded("{\"type\":\"usb\",\"func\":\"stopSearch\"}\r\n")]);
        let command = Order::Command { toy: "0082059AD3BD".into(), text: "DeviceType;".into() };
        assert_eq!(command.line().len(), 73);
        assert_eq!(
            all(command),
            [
                padded(r#"{"type":"toy","func":"command","id":"0082059AD3BD","cmd":"Devic"#),
                padded("eType;\"}\r\n")
            ]
        );
        assert_eq!(reports(&[b'x'; REPORT_TEXT]).count(), 1);
        assert_eq!(reports(&[b'x'; REPORT_TEXT + 1]).count(), 2);
    }

    #[test]
    fn lines_are_put_together_from_reports_and_none_is_lost() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(text_of_report(b"{\"a\":\0")), Vec::<String>::new());
        assert_eq!(lines.take(text_of_report(b"1}\n{\"b\"\0")), ["{\"a\":1}"]);
        assert_eq!(lines.take(text_of_report(b":2}\r\n\0\0\0")), ["{\"b\":2}\r"]);
        assert_eq!(lines.take(b"x\ny\n"), ["x", "y"]);
        assert_eq!(text_of_report(b""), b"");
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_in_is_bounded_and_understood_or_passed_over(
            reads in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), 0..40),
        ) {
            let mut lines = Lines::default();
            for read in reads {
                for line in lines.take(&read) {
                    proptest::prop_assert!(line.len() <= MAX_LINE_BYTES && !line.contains(['\n', '\0']));
                    let _ = crate::dongle::message::heard(&line);
                }
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_or_no_text_is_dropped() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            assert!(lines.take(&[b'x'; 1000]).is_empty());
        }
        assert!(lines.text.len() <= MAX_LINE_BYTES);
        assert_eq!(lines.take(b"\n\xff\xfe\nok\n"), ["ok"]);
    }
}
