//! Where the demonstration is seen: a terminal with a part that is drawn over and over, or plain lines.

use std::fmt;
use std::io::{self, IsTerminal, Write};

/// No wrapping and no cursor while lines are drawn over.
const LIVE: &str = "\x1b[?7l\x1b[?25l";
const STILL: &str = "\x1b[?7h\x1b[?25h";

/// What a piece of text is, so that it can be told by its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Heading,
    Quiet,
    Good,
    Bad,
    Vibrate,
    Rotate,
    Position,
    Pressure,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Heading => "1",
            Self::Quiet => "2",
            Self::Good | Self::Pressure => "32",
            Self::Bad => "31",
            Self::Vibrate => "35",
            Self::Rotate => "36",
            Self::Position => "33",
        }
    }
}

/// The output of the demonstration.
pub(super) struct Screen<W: Write> {
    output: W,
    live: bool,
    colours: bool,
    drawn: usize,
}

impl Screen<io::Stdout> {
    /// The process's own output.
    pub(super) fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let live = io::stdout().is_terminal() && !dumb;
        Self { output: io::stdout(), live, colours: crate::log::colours(), drawn: 0 }
    }
}

impl<W: Write> Screen<W> {
    /// Whether lines can be drawn over.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// `text` in its colour, where there are colours.
    pub(super) fn ink(&self, ink: Ink, text: impl fmt::Display) -> String {
        if self.colours { format!("\x1b[{}m{text}\x1b[0m", ink.code()) } else { text.to_string() }
    }

    /// Writes a line for good. What was drawn before stays above it.
    pub(super) fn line(&mut self, text: impl fmt::Display) {
        self.settle();
        self.put(format_args!("{text}\n"));
    }

    /// Draws lines over those drawn before. Nothing happens where that is not possible.
    pub(super) fn draw(&mut self, lines: &[String]) {
        if !self.live {
            return;
        }
        let mut frame = if self.drawn > 0 { format!("\x1b[{}A", self.drawn) } else { String::from(LIVE) };
        for line in lines {
            frame.push_str("\r\x1b[2K");
            frame.push_str(line);
            frame.push('\n');
        }
        self.drawn = lines.len();
        self.put(format_args!("{frame}"));
    }

    /// Leaves what was drawn as it is.
    pub(super) fn settle(&mut self) {
        if std::mem::take(&mut self.drawn) > 0 {
            self.put(format_args!("{STILL}"));
        }
    }

    /// A reader who has gone is no error: what is proved is proved.
    fn put(&mut self, text: fmt::Arguments<'_>) {
        let _ = self.output.write_fmt(text).and_then(|()| self.output.flush());
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(live: bool, colours: bool, act: impl FnOnce(&mut Screen<&mut Vec<u8>>)) -> String {
        let mut output = Vec::new();
        act(&mut Screen { output: &mut output, live, colours, drawn: 0 });
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn without_a_terminal_there_are_lines_and_no_escapes() {
        let text = seen(false, false, |screen| {
            let found = screen.ink(Ink::Good, "found");
            screen.line(found);
            screen.draw(&["bar".into()]);
            screen.line("end");
        });
        assert_eq!(text, "found\nend\n");
    }

    #[test]
    fn on_a_terminal_lines_are_drawn_over_and_the_cursor_comes_back() {
        let text = seen(true, true, |screen| {
            screen.draw(&["one".into(), "two".into()]);
            screen.draw(&["three".into(), "four".into()]);
        });
        assert_eq!(
            text,
            format!("{LIVE}\r\x1b[2Kone\n\r\x1b[2Ktwo\n\x1b[2A\r\x1b[2Kthree\n\r\x1b[2Kfour\n{STILL}")
        );
    }
}
