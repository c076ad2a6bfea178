//! The address of a node, and the paths of its API.

use ureq::http::Uri;

/// Checks the address of a node, and returns it as it is kept: without a slash at its end.
///
/// # Errors
/// It is none; what would be right.
pub(crate) fn check(url: &str) -> Result<String, String> {
    let like = "it must be like http://127.0.0.1:7070 or https://node.example.com";
    let uri: Uri = url.parse().map_err(|_| format!("the address of the node is no URL; {like}"))?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err("the address of a node has no user and no token in it".into());
    }
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(format!("`{url}` is no address of a node; {like}"));
    }
    if uri.query().is_some() || url.contains('#') {
        return Err(format!("`{url}` has a part behind its path; {like}"));
    }
    Ok(url.trim_end_matches('/').to_string())
}

/// Whether a checked address is of a host for which this holds; not for one that is no address.
fn has_host(url: &str, holds: impl Fn(&str) -> bool) -> bool {
    url.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| holds(host.trim_matches(['[', ']']))))
}

/// Whether the host is this machine.
pub(super) fn is_local(url: &str) -> bool {
    has_host(url, |host| {
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// Whether a token travels to it for everybody to read.
pub(super) fn is_open(url: &str) -> bool {
    url.starts_with("http:") && !is_local(url)
}

/// Returns a path of the API: `/api/v1` and these steps, each escaped.
pub(super) fn path(steps: &[&str]) -> String {
    let mut path = String::from("/api/v1");
    for step in steps {
        path.push('/');
        path += &escaped(step);
    }
    path
}

/// Adds a query to a path. What has no value is left out.
pub(super) fn query(path: &str, of: &[(&str, Option<String>)]) -> String {
    let mut text = path.to_string();
    for (name, value) in of {
        if let Some(value) = value {
            let mark = if text.contains('?') { '&' } else { '?' };
            text += &format!("{mark}{name}={}", escaped(value));
        }
    }
    text
}

/// Escapes all but unreserved characters (RFC 3986, section 2.3). A step of dots alone would be one upwards.
fn escaped(text: &str) -> String {
    let is_dots = !text.is_empty() && text.chars().all(|c| c == '.');
    let is_free = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) || (byte == b'.' && !is_dots);
    text.bytes().map(|byte| if is_free(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host_and_no_more() {
        for (good, kept) in [
            ("http://127.0.0.1:7070", "http://127.0.0.1:7070"),
            ("https://node.example.com/", "https://node.example.com"),
            ("https://example.com/flowgate/", "https://example.com/flowgate"),
            ("http://[::1]:7070", "http://[::1]:7070"),
        ] {
            assert_eq!(check(good).as_deref(), Ok(kept));
        }
        for bad in ["", "node", "127.0.0.1:7070", "ftp://a", "http://", "http://a?b=c", "http://a/#b", "http://u:p@a"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(!check("http://me:secret@a").unwrap_err().contains("secret"));
    }

    #[test]
    fn only_this_machine_needs_no_encryption() {
        for (url, open) in [
            ("http://127.0.0.1:7070", false),
            ("http://localhost:7070", false),
            ("http://[::1]:7070", false),
            ("https://node.example.com", false),
            ("http://node.example.com", true),
            ("http://10.0.0.1:7070", true),
        ] {
            assert_eq!(is_open(url), open, "{url}");
        }
    }

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        assert_eq!(path(&["tenants", "acme", "jobs", "a/b?c"]), "/api/v1/tenants/acme/jobs/a%2Fb%3Fc");
        assert_eq!(path(&["tenants", "..", "x.y"]), "/api/v1/tenants/%2E%2E/x.y");
        let limit = |limit: Option<&str>| [("limit", limit.map(String::from)), ("after", Some("a&b".into()))];
        assert_eq!(query("/x", &limit(Some("5"))), "/x?limit=5&after=a%26b");
        assert_eq!(query("/x", &limit(None)), "/x?after=a%26b");
    }
}
