//! What the demonstration has found out.

use super::screen::{Ink, Screen};
use std::io::Write;

/// Statements, and whether they turned out to be true.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    statements: Vec<(bool, String)>,
}

impl Proofs {
    /// Keeps a statement.
    pub(super) fn check(&mut self, holds: bool, statement: String) {
        self.statements.push((holds, statement));
    }

    /// Prints all statements. Answers whether all are true.
    pub(super) fn print<W: Write>(&self, screen: &mut Screen<W>) -> bool {
        let all = self.statements.iter().all(|(holds, _)| *holds);
        screen.line("");
        screen.line(screen.ink(Ink::Heading, if all { "Proved" } else { "Proved in part" }));
        for (holds, statement) in &self.statements {
            let mark = match (holds, screen.is_live()) {
                (true, true) => screen.ink(Ink::Good, "✔"),
                (false, true) => screen.ink(Ink::Bad, "✘"),
                (true, false) => "ok".into(),
                (false, false) => "FAILED".into(),
            };
            screen.line(format_args!("  {mark}  {statement}"));
        }
        all
    }
}
