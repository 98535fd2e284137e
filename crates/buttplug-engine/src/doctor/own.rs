//! A person's own files: what they decided about their devices, and definitions.

use super::Check;
use crate::definitions::counted;
use crate::user::{Decisions, UserFileError};
use std::path::Path;

/// Notices about one file that are shown; more are counted.
const MAX_SHOWN: usize = 10;

/// What is to be said of the file of devices, as it was read. `Ok(None)`: there is none.
pub(crate) fn user_file(path: &Path, read: &Result<Option<Decisions>, UserFileError>) -> Vec<Check> {
    const ABOUT: &str = "your devices";
    let file = path.display();
    match read {
        Ok(None) => vec![Check::ok(ABOUT, format!("there is no {file} yet"))],
        Ok(Some(decisions)) if decisions.notices.is_empty() => {
            let devices = counted(decisions.configuration.devices.len(), "device");
            vec![Check::ok(ABOUT, format!("{file} is understood: {devices}"))]
        }
        Ok(Some(decisions)) => {
            let notices = decisions.notices.iter().take(MAX_SHOWN);
            let mut checks: Vec<Check> = notices
                .map(|notice| Check::attention(ABOUT, notice.clone(), "correct that part of the file"))
                .collect();
            let more = decisions.notices.len().saturating_sub(MAX_SHOWN);
            if more > 0 {
                checks.push(Check::attention(ABOUT, format!("{more} more"), "correct these first"));
            }
            checks
        }
        Err(error) => vec![Check::problem(
            ABOUT,
            format!("{file} is of no use: {error}"),
            "mend it; no engine starts without it unless --ignore-bad-user-config is passed",
        )],
    }
}

/// What is to be said of a folder of definitions: how many files are right, and which are wrong.
pub(crate) fn definitions(folder: &Path, read: &Result<(usize, Vec<String>), String>) -> Vec<Check> {
    const ABOUT: &str = "your definitions";
    match read {
        Err(error) => vec![Check::problem(ABOUT, error.clone(), "pass another --device-definitions")],
        Ok((right, wrong)) => {
            let says = format!("{}: {} in use", folder.display(), counted(*right, "file"));
            let problem = |file: &String| {
                let advice = format!("`buttplug devices check {file}` says what is wrong");
                Check::problem(ABOUT, format!("{file} is wrong and not used"), advice)
            };
            std::iter::once(Check::ok(ABOUT, says)).chain(wrong.iter().map(problem)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Standing::{self, Attention, Ok as Well, Problem};

    fn of(checks: &[Check]) -> Vec<(Standing, &str)> {
        checks.iter().map(|check| (check.standing, check.says.as_str())).collect()
    }

    #[test]
    fn what_is_said_of_the_file_of_devices() {
        let path = Path::new("my.toml");
        let say = |read: Result<Option<Decisions>, UserFileError>| user_file(path, &read);
        let noticed =
            |count| Decisions { notices: vec!["line 3: odd".into(); count], ..Decisions::default() };
        assert_eq!(of(&say(Ok(None))), [(Well, "there is no my.toml yet")]);
        let checks = say(Ok(Some(Decisions::default())));
        assert_eq!(of(&checks), [(Well, "my.toml is understood: 0 devices")]);
        assert_eq!(of(&say(Ok(Some(noticed(1))))), [(Attention, "line 3: odd")]);
        let many = say(Ok(Some(noticed(MAX_SHOWN + 2))));
        assert_eq!(of(&many)[MAX_SHOWN..], [(Attention, "2 more")]);
        let checks = say(Err(UserFileError::Gone));
        assert_eq!(of(&checks), [(Problem, "my.toml is of no use: it is gone")]);
    }

    #[test]
    fn what_is_said_of_definitions() {
        let folder = Path::new("mine");
        let checks = definitions(folder, &Ok((2, vec!["mine/x.toml".into()])));
        assert_eq!(
            of(&checks),
            [(Well, "mine: 2 files in use"), (Problem, "mine/x.toml is wrong and not used")]
        );
        assert_eq!(of(&definitions(folder, &Err("gone".into()))), [(Problem, "gone")]);
    }
}
