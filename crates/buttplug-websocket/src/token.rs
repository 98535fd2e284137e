//! The secret that lets a peer in. It is compared without telling how much of it was right, and never shown.

use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;
use thiserror::Error;

/// The fewest characters of a token. As many as can't be guessed over a network, even if they are hexadecimal digits.
pub const MIN_TOKEN_CHARS: usize = 16;

/// The most characters of a token: it has to fit into a URL beside everything else.
pub const MAX_TOKEN_CHARS: usize = 512;

/// A secret that a peer has to know. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// What a peer gave as its token, right or wrong. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented(Vec<u8>);

/// Why a text can't be a token. Does not show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Too short or too long.
    #[error("a token has {MIN_TOKEN_CHARS} to {MAX_TOKEN_CHARS} characters, and this one {length}")]
    Length {
        /// How many it has.
        length: usize,
    },
    /// Characters that can't be sent in a header as they are.
    #[error("a token consists of letters and digits of English, and of - . _ ~ + / =")]
    Characters,
}

impl Token {
    /// Whether this is it. Takes as long for a token that is nearly right as for one that is quite wrong.
    pub fn is(&self, presented: &Presented) -> bool {
        self.0.as_bytes().ct_eq(&presented.0).into()
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let good = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        if !text.chars().all(good) {
            return Err(TokenError::Characters);
        }
        if !(MIN_TOKEN_CHARS..=MAX_TOKEN_CHARS).contains(&text.len()) {
            return Err(TokenError::Length { length: text.len() });
        }
        Ok(Self(text.into()))
    }
}

impl Presented {
    /// From an `Authorization` header, if it is of the kind that carries a token.
    pub(crate) fn in_header(value: &[u8]) -> Option<Self> {
        let (scheme, token) = value.split_at_checked(6)?;
        let token = token.strip_prefix(b" ").filter(|_| scheme.eq_ignore_ascii_case(b"bearer"))?;
        Some(Self(token.trim_ascii().to_vec()))
    }

    /// From the query of a URL, `token=…`: browsers let a page set no header.
    pub(crate) fn in_query(query: &str) -> Option<Self> {
        let token = query.split('&').find_map(|pair| pair.strip_prefix("token="))?;
        Some(Self(decoded(token)))
    }
}

/// What stands for its `%XX`; what is not of this form is left as it is.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    bytes
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(secret)")
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789+/abc=";

    #[test]
    fn only_the_whole_token_is_it() {
        let token: Token = TOKEN.parse().unwrap();
        assert!(token.is(&Presented(TOKEN.into())));
        for wrong in ["", "0123456789+/abc", "0123456789+/abc==", "x123456789+/abc=", "0123456789+/ABC="] {
            assert!(!token.is(&Presented(wrong.into())), "{wrong}");
        }
    }

    #[test]
    fn it_is_found_where_programs_and_pages_put_it() {
        let header = |text: &str| Presented::in_header(text.as_bytes()).map(|presented| presented.0);
        assert_eq!(header("Bearer abc"), Some(b"abc".to_vec()));
        assert_eq!(header("bearer  abc "), Some(b"abc".to_vec()));
        for other in ["Basic abc", "Bearer", "Bearerabc", "", "é"] {
            assert_eq!(header(other), None, "{other}");
        }
        let query = |text: &str| Presented::in_query(text).map(|presented| presented.0);
        assert_eq!(query("token=abc"), Some(b"abc".to_vec()));
        assert_eq!(query("a=b&token=a%2Bb%2fc%3D&token=x"), Some(b"a+b/c=".to_vec()));
        assert_eq!(query("token=%zz%4"), Some(b"%zz%4".to_vec()));
        assert_eq!(query("token=%+1%é"), Some("%+1%é".into()));
        assert_eq!(query("notatoken=abc"), None);
    }

    #[test]
    fn what_can_be_guessed_or_not_be_sent_is_no_token() {
        assert_eq!("short".parse::<Token>(), Err(TokenError::Length { length: 5 }));
        assert_eq!("x".repeat(513).parse::<Token>(), Err(TokenError::Length { length: 513 }));
        for bad in ["0123456789 abcdef", "0123456789abcdé", "0123456789abcdef\n"] {
            assert_eq!(bad.parse::<Token>(), Err(TokenError::Characters), "{bad}");
        }
    }

    #[test]
    fn it_is_never_shown() {
        let token: Token = TOKEN.parse().unwrap();
        let shown =
            format!("{token:?} {:?} {}", Presented(TOKEN.into()), "abc".parse::<Token>().unwrap_err());
        assert!(!shown.contains("0123") && !shown.contains("abc"), "{shown}");
    }
}
