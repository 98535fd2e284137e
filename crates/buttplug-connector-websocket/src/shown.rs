//! Addresses as people and logs may see them.

/// An address without what may be secret in it: its query, and a name and password before the host.
pub fn shown_url(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.find("://").map_or(("", url), |colon| url.split_at(colon + "://".len()));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_port_and_path_are_shown_and_nothing_else() {
        for (url, shown) in [
            ("wss://example.org:5/a/b?token=0123456789abcdef", "wss://example.org:5/a/b"),
            ("ws://[::1]:5?token=x&y=/z", "ws://[::1]:5"),
            ("ws://me:secret@host/a@b", "ws://host/a@b"),
            ("phone:5/path?token=x#y", "phone:5/path"),
            ("ws://host#x", "ws://host"),
            ("ws://host", "ws://host"),
            ("nonsense", "nonsense"),
            ("ws://", "ws://"),
            ("", ""),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }
}
