//! Vibio: as VibCrafter, with another key, a longer greeting and freer challenges.

use super::vibcrafter::Dialect;

/// Vibio's own.
pub(crate) static VIBIO: Dialect = Dialect {
    key: b"jdk#vib%y5fir21a",
    greeting_letters: 8,
    is_prefix: |c| c.is_ascii_hexdigit(),
    is_challenge: |c| c != ';',
};

#[cfg(test)]
mod tests {
    use super::super::vibcrafter::tests::{greets_with, tells_challenges};
    use super::*;

    #[test]
    fn the_greeting_is_made_from_the_seed() {
        greets_with(&VIBIO, 198_908_438_699_620, "a9 2c 90 8f a8 d0 8d 98 ed 1e bf 3d 3d 9d 79 32");
    }

    #[test]
    fn a_challenge_has_a_prefix_in_hex_and_may_be_any_text() {
        let others = ["x7Yz:Q3wErT9;", "1F0a:;", "1F0:a;", "1F0a:a;b;", "1F0a:a", "ERR;"];
        tells_challenges(&VIBIO, &["1F0a:Kj8-2Lm;", "1F0a:äö:~;"], &others);
    }
}
