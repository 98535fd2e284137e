//! What the catalogue costs: the bench beside it prints figures, here they get their targets.

use std::process::Stdio;

use super::report::{Report, Target};
use crate::run::{Context as _, Outcome, cargo};

/// At most so long to recognise an advertisement: a hundred of them in a second are nothing then.
const MATCH_NS: f64 = 2000.0;

/// At most so long to put a command into frames, on the average and usually.
const ENCODE_NS: f64 = 200.0;

/// A figure as the bench prints it.
struct Figure<'a> {
    what: &'a str,
    value: f64,
    unit: &'a str,
}

/// Runs the bench of the catalogue and reports what it prints.
pub(crate) fn report(report: &mut Report) -> Outcome {
    let bench = ["bench", "--quiet", "--package", "buttplug-protocols", "--bench", "catalogue"];
    let output = cargo(&bench).stderr(Stdio::inherit()).output().context("can't start cargo")?;
    if !output.status.success() {
        return Err(format!("the bench of the catalogue failed ({})", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<Figure<'_>> = text.lines().filter_map(figure).collect();
    for part in ["match: ", "encode: mean", "encode: median", "unpack ", "packed "] {
        if !figures.iter().any(|figure| figure.what.starts_with(part)) {
            return Err(format!("the bench of the catalogue has no figure `{part}..`"));
        }
    }
    report.section("Catalogue");
    for Figure { what, value, unit } in figures {
        report.line(what, value, unit, target(what));
    }
    Ok(())
}

fn figure(line: &str) -> Option<Figure<'_>> {
    let mut parts = line.split('\t');
    let (what, value, unit) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Figure { what, value: value.parse().ok()?, unit })
}

fn target(what: &str) -> Target {
    if what.starts_with("match: ") {
        Target::AtMost(MATCH_NS)
    } else if ["encode: mean", "encode: median"].iter().any(|usual| what.starts_with(usual)) {
        Target::AtMost(ENCODE_NS)
    } else {
        Target::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_other_lines_are_not() {
        let found =
            figure("match: an exact name\t699.25\tns").map(|found| (found.what, found.value, found.unit));
        assert_eq!(found, Some(("match: an exact name", 699.25, "ns")));
        assert!(["", "warning: unused", "a\tb\tns", "a\t1"].iter().all(|line| figure(line).is_none()));
    }

    #[test]
    fn what_is_usual_has_a_target_and_what_is_rare_has_none() {
        assert!(matches!(target("match: manufacturer data"), Target::AtMost(MATCH_NS)));
        assert!(matches!(target("encode: median of all models"), Target::AtMost(ENCODE_NS)));
        assert!(matches!(target("encode: slowest model (x)"), Target::None));
        assert!(matches!(target("unpack a protocol, longest (x)"), Target::None));
    }
}
