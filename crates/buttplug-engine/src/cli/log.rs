//! Flags that say how the log looks, and whether it is kept in a file too.

use crate::log::{Format, MAX_FILES, MIN_FILE_BYTES, Rotation};
use clap::builder::RangedU64ValueParser;
use std::path::PathBuf;

/// Bytes of a log file unless told otherwise: some weeks at the usual level.
const FILE_BYTES: u64 = 10 * 1024 * 1024;

/// Log files unless told otherwise.
const FILES: u32 = 5;

/// The most bytes of a log file.
const MAX_FILE_BYTES: u64 = 1024 * 1024 * 1024;

/// How and where `serve` logs.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogFlags {
    /// How lines look: text for people, json for programs, an object in each line
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: Format,

    /// Keep the log in this file too; when it is full it is renamed to FILE.1, FILE.1 to FILE.2, and so on
    #[arg(long, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,

    /// Bytes of such a file
    #[arg(long, value_name = "BYTES", default_value_t = FILE_BYTES, value_parser = RangedU64ValueParser::<u64>::new().range(MIN_FILE_BYTES..=MAX_FILE_BYTES))]
    pub(crate) log_file_size: u64,

    /// Such files that are kept, the newest included
    #[arg(long, value_name = "N", default_value_t = FILES, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_FILES)))]
    pub(crate) log_files: u32,
}

impl Default for LogFlags {
    fn default() -> Self {
        Self { log_format: Format::default(), log_file: None, log_file_size: FILE_BYTES, log_files: FILES }
    }
}

impl LogFlags {
    /// The file, and how much of it is kept.
    pub(crate) fn file(&self) -> Option<(PathBuf, Rotation)> {
        let rotation = Rotation { max_bytes: self.log_file_size, files: self.log_files };
        self.log_file.clone().map(|path| (path, rotation))
    }
}
