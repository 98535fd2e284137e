//! What the files say that the flags name, or that are where a person keeps them.

use super::SettingsError;
use crate::cli::{OwnFlags, ServeFlags};
use crate::user::{CatalogueFile, Decisions, Opened, UserFiles};
use buttplug_protocols::definition::Addition;
use std::path::PathBuf;

/// What a catalogue file of an earlier engine adds to what is built in.
pub(super) fn catalogue_additions(
    flags: &ServeFlags,
    notices: &mut Vec<String>,
) -> Result<Vec<Addition>, SettingsError> {
    let Some(path) = &flags.launch.device_config_file else { return Ok(Vec::new()) };
    let file = CatalogueFile::open(path)
        .map_err(|error| SettingsError::CatalogueFile { path: path.clone(), error })?;
    notices.push(format!(
        "the catalogue is built in; of {} only that is used which is not in it",
        path.display()
    ));
    notices.extend(file.notices);
    Ok(file.additions)
}

/// The file with what a person decided, the one that goes with it, and what that is. A file of no use is left alone:
/// starting without it could let a device in that is denied, so that has to be asked for.
pub(super) fn user_file(
    flags: &OwnFlags,
    usual: Option<PathBuf>,
    notices: &mut Vec<String>,
) -> Result<(Option<UserFiles>, Decisions), SettingsError> {
    let Some(path) = flags.user_device_config_file.clone().or(usual) else {
        return Ok((None, Decisions::default()));
    };
    let Opened { files, mut decisions, useless } = UserFiles::open(&path);
    notices.append(&mut decisions.notices);
    if useless.is_empty() && !files.is_there() && flags.user_device_config_file.is_some() {
        notices.push(format!(
            "there is no user file {}; it is made when the first device connects",
            path.display()
        ));
    }
    if let Some(beside) = files.beside() {
        notices.push(format!(
            "{} counts too: there stand devices for which there is no place in {}",
            beside.display(),
            path.display()
        ));
    }
    for (path, error) in useless {
        if !flags.ignore_bad_user_config {
            return Err(SettingsError::UserFile { path, error });
        }
        notices.push(format!(
            "the user file {} is of no use: {error}; started without it, what it denies is not denied",
            path.display()
        ));
    }
    Ok((Some(files), decisions))
}

#[cfg(test)]
mod tests {
    use crate::settings::tests::settings;

    #[test]
    fn a_missing_user_file_is_a_notice() {
        let settings =
            settings(|flags| flags.own.user_device_config_file = Some("/no/such/file.json".into())).unwrap();
        assert!(settings.notices.iter().any(|notice| notice.contains("/no/such/file.json")));
    }

    #[test]
    fn an_unusable_user_file_is_named_with_the_reason() {
        // Where the system's name for it ends with a separator, ours does not.
        let directory = std::env::temp_dir().components().collect::<std::path::PathBuf>();
        let error =
            settings(|flags| flags.own.user_device_config_file = Some(directory.clone())).unwrap_err();
        assert!(error.to_string().contains(&directory.display().to_string()), "{error}");
    }
}
