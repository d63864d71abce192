//! Where a request comes from: the client's address and whether it spoke TLS, also behind proxies.
//!
//! Invariant: what a header says of the client counts only where a trusted proxy wrote it. Deliberately absent:
//! believing two headers at once: a proxy appends to the one it knows and hands the other on as the client sent it.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{Extensions, HeaderMap, HeaderName, header, request::Parts},
};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Most proxies between a client and the server; who claims more is not followed further.
const HOPS_MAX: usize = 16;

/// Whether a connection is encrypted; the listener puts it beside `ConnectInfo<SocketAddr>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encrypted(pub bool);

/// The address of the client; `None` where the server does not know, as without a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(Option<IpAddr>);

impl ClientAddress {
    /// The address.
    #[must_use]
    pub const fn ip(self) -> Option<IpAddr> {
        self.0
    }

    /// What is counted as one client: an IPv4 address, or the 64 bits of IPv6 that belong to one subscriber.
    #[must_use]
    pub fn network(self) -> Option<IpAddr> {
        self.0.map(|ip| match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        })
    }
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(None)))
    }
}

/// The header in which proxies name the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, with `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies whose word is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    /// Their networks.
    pub trusted: Vec<IpNet>,
    /// What they write.
    pub header: ForwardedHeader,
}

/// What one proxy says of whom it hands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Hop {
    address: Option<IpAddr>,
    encrypted: bool,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) address: ClientAddress,
    pub(crate) encrypted: bool,
}

impl Proxies {
    /// Where a request comes from, by its connection and its headers.
    pub(crate) fn origin(&self, extensions: &Extensions, headers: &HeaderMap) -> Origin {
        let encrypted = extensions.get() == Some(&Encrypted(true));
        let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        let direct = Origin { address: ClientAddress(peer), encrypted };
        match peer {
            Some(peer) if self.trusts(peer) => self.behind(peer, direct, headers),
            Some(_) | None => direct,
        }
    }

    /// Follows the proxies from the nearest one to the first that is not trusted, which is the client.
    fn behind(&self, peer: IpAddr, direct: Origin, headers: &HeaderMap) -> Origin {
        let hops = match self.header {
            ForwardedHeader::XForwardedFor => x_forwarded_for(headers),
            ForwardedHeader::Forwarded => forwarded(headers),
        };
        let (mut address, mut encrypted) = (peer, direct.encrypted);
        for hop in hops.unwrap_or_default().into_iter().rev().take(HOPS_MAX) {
            encrypted = hop.encrypted;
            match hop.address {
                Some(known) => address = known,
                None => break,
            }
            if !self.trusts(address) {
                break;
            }
        }
        Origin { address: ClientAddress(Some(address)), encrypted }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// The hops of `X-Forwarded-For`, the nearest last. `X-Forwarded-Proto` is the nearest proxy's word for all of them.
fn x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let protocol = headers.get_all(X_FORWARDED_PROTO).iter().next_back().and_then(|value| value.to_str().ok());
    let protocol = protocol.and_then(|list| list.rsplit(',').next()).unwrap_or_default();
    let encrypted = protocol.trim().eq_ignore_ascii_case("https");
    let mut hops = Vec::new();
    for value in headers.get_all(X_FORWARDED_FOR) {
        let list = value.to_str().ok()?;
        hops.extend(list.split(',').map(|text| Hop { address: address(text.trim()), encrypted }));
    }
    Some(hops)
}

/// The hops of `Forwarded`, the nearest last; `None` where its quotation marks do not match.
fn forwarded(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    for value in headers.get_all(header::FORWARDED) {
        for element in split_unquoted(value.to_str().ok()?, ',')? {
            hops.push(hop(element)?);
        }
    }
    Some(hops)
}

fn hop(element: &str) -> Option<Hop> {
    let mut hop = Hop::default();
    for pair in split_unquoted(element, ';')? {
        let Some((name, value)) = pair.trim().split_once('=') else { continue };
        let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
        if name.eq_ignore_ascii_case("for") {
            hop.address = address(value);
        } else if name.eq_ignore_ascii_case("proto") {
            hop.encrypted = value.eq_ignore_ascii_case("https");
        }
    }
    Some(hop)
}

/// Splits where `separator` stands outside of quotation marks; `None` where these do not match.
fn split_unquoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, char) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if quoted && char == '\\' {
            escaped = true;
        } else if char == '"' {
            quoted = !quoted;
        } else if char == separator && !quoted {
            parts.push(&text[start..at]);
            start = at + separator.len_utf8();
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// An address as proxies write it: bare, with a port, or in brackets. Anything else, such as `unknown`, is none.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || Ipv6Addr::from_str(text.strip_prefix('[')?.strip_suffix(']')?).ok().map(IpAddr::V6);
    let bare = IpAddr::from_str(text).ok();
    let with_port = || SocketAddr::from_str(text).ok().map(|socket| socket.ip());
    bare.or_else(with_port).or_else(bracketed).map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const XFF: ForwardedHeader = ForwardedHeader::XForwardedFor;
    const RFC: ForwardedHeader = ForwardedHeader::Forwarded;

    fn origin(kind: ForwardedHeader, peer: &str, sent: &[(&'static str, &str)]) -> Origin {
        let trusted = ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec();
        let proxies = Proxies { trusted, header: kind };
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 50_000)));
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        proxies.origin(&extensions, &headers)
    }

    fn client(kind: ForwardedHeader, peer: &str, sent: &[(&'static str, &str)]) -> String {
        origin(kind, peer, sent).address.ip().unwrap().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        for (peer, sent, expected) in [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("fd00::1", "2001:db8::5", "2001:db8::5"),
            // The client may write what it likes: what the proxy appended stands to the right.
            ("10.0.0.1", "127.0.0.1, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "10.9.9.9, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, 192.0.2.7, 10.3.3.3", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, 192.0.2.8, 10.3.3.3", "192.0.2.8"),
            ("10.0.0.1", "10.0.0.5, 10.0.0.6", "10.0.0.5"),
            // Forms of an address.
            ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
            ("10.0.0.1", "[2001:db8::5]:4711", "2001:db8::5"),
            ("10.0.0.1", "[2001:db8::5]", "2001:db8::5"),
            ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "  198.51.100.1  ", "198.51.100.1"),
            // What is no address ends the walk at the proxy that wrote it.
            ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "198.51.100.1, 999.1.1.1", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1,", "10.0.0.1"),
            ("10.0.0.1", "[2001:db8::5]x", "10.0.0.1"),
            ("10.0.0.1", "[2001:db8::5]:99999", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1:99999", "10.0.0.1"),
            ("10.0.0.1", "\u{e9}", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
        ] {
            assert_eq!(client(XFF, peer, &[("x-forwarded-for", sent)]), expected, "{peer}: {sent}");
        }
        assert_eq!(client(XFF, "10.0.0.1", &[]), "10.0.0.1");
        let lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "198.51.100.2")];
        assert_eq!(client(XFF, "10.0.0.1", &lines), "198.51.100.2", "lines are one list");
        let long = "10.0.0.2,".repeat(1_000) + "10.0.0.3";
        assert_eq!(client(XFF, "10.0.0.1", &[("x-forwarded-for", &long)]), "10.0.0.2", "a bounded walk");
        assert_eq!(client(XFF, "10.0.0.1", &[("forwarded", "for=198.51.100.1")]), "10.0.0.1", "the other header");
        assert_eq!(client(RFC, "10.0.0.1", &[("x-forwarded-for", "198.51.100.1")]), "10.0.0.1", "the other header");
    }

    #[test]
    fn the_standard_header_is_read_as_it_is_written() {
        for (sent, expected) in [
            ("for=198.51.100.1", "198.51.100.1"),
            ("For=\"198.51.100.1:80\";Proto=https;by=10.0.0.1", "198.51.100.1"),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=127.0.0.1, for=198.51.100.1", "198.51.100.1"),
            ("for=198.51.100.1, for=10.0.0.2;proto=http", "198.51.100.1"),
            ("for=\"a, for=127.0.0.1\", for=198.51.100.1", "198.51.100.1"),
            ("for=198.51.100.1;host=\"x;for=127.0.0.1\"", "198.51.100.1"),
            ("for=198.51.100.1, for=_hidden", "10.0.0.1"),
            ("for=198.51.100.1, for=unknown", "10.0.0.1"),
            ("for=198.51.100.1, by=10.0.0.1", "10.0.0.1"),
            ("for=\"198.51.100.1", "10.0.0.1"),
            ("for=\"198.51.100.1\\\"", "10.0.0.1"),
            ("198.51.100.1", "10.0.0.1"),
            (";;,;=,", "10.0.0.1"),
        ] {
            assert_eq!(client(RFC, "10.0.0.1", &[("forwarded", sent)]), expected, "{sent}");
        }
        assert_eq!(client(RFC, "203.0.113.9", &[("forwarded", "for=198.51.100.1")]), "203.0.113.9");
    }

    #[test]
    fn https_is_the_proxies_word_too() {
        let https = ("x-forwarded-proto", "https");
        let from = ("x-forwarded-for", "198.51.100.1");
        assert!(origin(XFF, "10.0.0.1", &[from, https]).encrypted);
        assert!(!origin(XFF, "10.0.0.1", &[from]).encrypted);
        assert!(!origin(XFF, "203.0.113.9", &[from, https]).encrypted, "not of anybody");
        assert!(!origin(XFF, "10.0.0.1", &[from, ("x-forwarded-proto", "https, http")]).encrypted);
        assert!(origin(RFC, "10.0.0.1", &[("forwarded", "for=198.51.100.1;proto=HTTPS")]).encrypted);
        assert!(origin(RFC, "10.0.0.1", &[("forwarded", "for=198.51.100.1;proto=https,for=10.0.0.2")]).encrypted);
        assert!(!origin(RFC, "10.0.0.1", &[("forwarded", "for=1.1.1.1;proto=https,for=198.51.100.1")]).encrypted);
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_client() {
        let network = |text: &str| ClientAddress(Some(text.parse().unwrap())).network().unwrap().to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("198.51.100.1"), "198.51.100.1");
        assert_eq!(ClientAddress(None).network(), None);
    }
}
