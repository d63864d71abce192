//! From which web pages a socket may be opened (RFC 6455, section 10.2).
//!
//! A browser opens sockets for any page, and says which: only those of this host, or of a list, are let in. What is no
//! browser sends no Origin.

use axum::http::{HeaderMap, header};

/// Whether a request with these headers may open a socket; `allowed` is the list, empty for the host that is asked.
pub fn is_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return !headers.contains_key(header::ORIGIN);
    };
    let Ok(origin) = origin.to_str() else { return false };
    if !allowed.is_empty() {
        return allowed.iter().any(|one| one.trim_end_matches('/').eq_ignore_ascii_case(origin));
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    // A browser leaves the scheme's own port out of both; a proxy may put it into Host.
    let plain = |authority: &str| authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase();
    host.is_some_and(|host| plain(host) == plain(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(origin: Option<&'static str>, host: &'static str, allowed: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        is_allowed(&headers, &allowed.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn pages_of_other_hosts_are_kept_out_unless_they_are_on_the_list() {
        let host = "leads.example.com";
        for origin in ["https://leads.example.com", "http://LEADS.example.com", "https://leads.example.com:443"] {
            assert!(asked(Some(origin), host, &[]), "{origin}");
        }
        for origin in [
            "https://evil.example.com",
            "https://leads.example.com.evil.com",
            "https://leads.example.com:8443",
            "http://leads.example.com:443",
            "null",
            "",
            "file://leads.example.com",
            "leads.example.com",
        ] {
            assert!(!asked(Some(origin), host, &[]), "{origin}");
        }
        let list = ["https://crm.example.com", "http://localhost:5173/"];
        assert!(asked(Some("https://crm.example.com"), host, &list));
        assert!(asked(Some("http://localhost:5173"), host, &list));
        assert!(!asked(Some("https://leads.example.com"), host, &list), "the list is all there is");
        assert!(!asked(Some("https://crm.example.com.evil.com"), host, &list));
    }

    #[test]
    fn what_is_no_browser_sends_no_origin() {
        assert!(asked(None, "leads.example.com", &[]));
        assert!(asked(None, "leads.example.com", &["https://crm.example.com"]));
        let mut two = HeaderMap::new();
        two.append(header::ORIGIN, "https://a.example.com".parse().unwrap());
        two.append(header::ORIGIN, "https://b.example.com".parse().unwrap());
        assert!(!is_allowed(&two, &["https://a.example.com".to_owned()]));
    }
}
