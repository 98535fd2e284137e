//! When a log file is full, and which names its predecessors get. Pure: no file is touched here.

/// The fewest bytes of a file: two of the longest lines.
pub(crate) const MIN_FILE_BYTES: u64 = 4096;

/// The most files that are kept.
pub(crate) const MAX_FILES: u32 = 100;

/// How much of a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// Bytes of one file.
    pub(crate) max_bytes: u64,
    /// Files, the one that is written to included.
    pub(crate) files: u32,
}

impl Rotation {
    /// How many bytes of these lines go into a file that has so many already: whole lines, as many as there is room for.
    /// None of them: it is full. An empty file takes at least one line.
    pub(super) fn share(&self, written: u64, lines: &[u8]) -> usize {
        let room = usize::try_from(self.max_bytes.saturating_sub(written)).unwrap_or(usize::MAX);
        if lines.len() <= room {
            return lines.len();
        }
        let end = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n').map(|last| last + 1);
        let first = || lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |first| first + 1);
        match lines.get(..room).and_then(end) {
            Some(whole) => whole,
            None if written == 0 => first(),
            None => 0,
        }
    }

    /// Who takes whose place when a new file is begun, in this order. Number 0 is the file itself; the oldest is replaced.
    pub(super) fn moves(&self) -> impl Iterator<Item = (u32, u32)> + use<> {
        (1..self.files).rev().map(|to| (to - 1, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_whole_lines_and_never_more_than_it_may_hold() {
        let rotation = Rotation { max_bytes: 10, files: 3 };
        for (written, lines, share) in [
            (0, "12\n45\n", 6),
            (4, "12\n45\n", 6),
            (5, "12\n45\n", 3),
            (7, "12\n45\n", 3),
            (8, "12\n45\n", 0),
            (10, "12\n", 0),
            (99, "12\n", 0),
            (0, "a line that is too long\nnext\n", 24),
            (1, "a line that is too long\nnext\n", 0),
            (0, "no end of the line", 18),
        ] {
            assert_eq!(rotation.share(written, lines.as_bytes()), share, "{written} {lines:?}");
        }
    }

    #[test]
    fn the_oldest_goes_and_every_other_moves_by_one() {
        let moves = |files| Rotation { max_bytes: 1, files }.moves().collect::<Vec<_>>();
        assert_eq!(moves(4), [(2, 3), (1, 2), (0, 1)]);
        assert_eq!(moves(2), [(0, 1)]);
        assert_eq!(moves(1), []);
    }
}
