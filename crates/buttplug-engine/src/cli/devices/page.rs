//! `buttplug devices --markdown`: the models as a page of the book.

use super::models::Listed;
use crate::definitions::counted;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The page about these models: a table for each maker or protocol would be longer to look through than one for all.
pub(super) fn page(models: &[Listed]) -> String {
    let mut protocols: BTreeMap<&str, usize> = BTreeMap::new();
    for listed in models {
        *protocols.entry(listed.candidate.protocol()).or_default() += 1;
    }
    let mut page = format!(
        "# Supported devices\n\n\
         {} in {}. The numbers behind what a device has are its steps. `buttplug devices WORD` searches this list, \
         and `buttplug devices show PROTOCOL` tells what a device is told.\n\n\
         A device that is not here may speak the language of one that is: [add it](adding-a-device.md) without a compiler.\n\n\
         | device | what it has | bus | protocol |\n|---|---|---|---|\n",
        counted(models.len(), "model"),
        counted(protocols.len(), "protocol"),
    );
    for listed in models {
        let buses: Vec<String> = listed.buses.iter().map(ToString::to_string).collect();
        // Writing to a string can't fail.
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} |",
            cell(&listed.entry.model.name),
            cell(&listed.abilities()),
            buses.join(", "),
            listed.candidate.protocol()
        );
    }
    page
}

/// A text as the content of a cell.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('*', "\\*")
        .replace('_', "\\_")
}
