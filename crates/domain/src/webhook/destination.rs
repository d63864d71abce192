//! Where a request of ours may go: the guard against being made to ask what only we can reach (server-side request
//! forgery, CWE-918).
//!
//! Everything is refused that is not global unicast by IANA's registries of special-purpose addresses (RFC 6890 and
//! its updates), unless the operator named its network. Names are parsed as browsers parse them (WHATWG URL), so that
//! `0x7f.1` and `2130706433` are known for what they are.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use url::{Host, Url};

use crate::Invalid;

/// Longest address.
const URL_MAX_BYTES: usize = 2_048;

/// What an operator permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationPolicy {
    /// Whether plain HTTP may be spoken: for development.
    pub allow_http: bool,
    /// The ports that may be asked.
    pub ports: Vec<u16>,
    /// Networks that are permitted though they are not global.
    pub networks: Vec<IpNet>,
}

impl Default for DestinationPolicy {
    fn default() -> Self {
        Self { allow_http: false, ports: vec![443], networks: Vec::new() }
    }
}

/// That an address must not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forbidden;

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("leads to an address that is not public")
    }
}

impl std::error::Error for Forbidden {}

/// An address that a policy permits to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination(Url);

impl DestinationPolicy {
    /// The destination that `text` names.
    ///
    /// # Errors
    /// Where it is no address, of another scheme or port than permitted, carries a user name, or is an IP address that
    /// is not permitted.
    pub fn destination(&self, text: &str) -> Result<Destination, Invalid> {
        let refuse = |problem: &str, remedy: &str| Err(Invalid::new("url", problem, remedy));
        if text.len() > URL_MAX_BYTES {
            return refuse("is too long", "send at most 2048 bytes");
        }
        let Ok(url) = Url::parse(text) else {
            return refuse("is no address", "send one such as https://example.com/hooks");
        };
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            _ => return refuse("is not https", "send an address that begins with https://"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("carries a user name or password", "leave it out: receivers verify the signature");
        }
        if url.fragment().is_some() {
            return refuse("has a fragment", "leave out what follows #");
        }
        let destination = Destination(url);
        if !self.ports.contains(&destination.port()) {
            return refuse("names a port that is not permitted", "use 443, or ask for the port in webhooks.ports");
        }
        match destination.literal().map(|literal| self.permit([literal])) {
            None | Some(Ok(())) => Ok(destination),
            Some(Err(forbidden)) => Err(Invalid::new("url", forbidden, Self::REMEDY)),
        }
    }

    /// What whoever named a forbidden address can do.
    pub const REMEDY: &str = "send a public address, or ask for its network in webhooks.private_networks";

    /// Permits all of the addresses that a name stands for, or none.
    ///
    /// # Errors
    /// Where one of them is not permitted, or there is none.
    pub fn permit(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Result<(), Forbidden> {
        let mut any = false;
        for address in addresses {
            any = true;
            // A mapped address reaches the very host that it maps.
            let address = address.to_canonical();
            if !is_public(address) && !self.networks.iter().any(|network| network.contains(&address)) {
                return Err(Forbidden);
            }
        }
        if any { Ok(()) } else { Err(Forbidden) }
    }
}

impl Destination {
    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name of the host, or its address, without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        match self.0.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Domain(name)) => name.to_owned(),
            None => unreachable!("http and https addresses have hosts"),
        }
    }

    /// The host's address, where it is not a name.
    #[must_use]
    pub fn literal(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().expect("http and https have default ports")
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// What the `Host` header says.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.authority()
    }

    /// Path and query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.0[url::Position::BeforePath..url::Position::AfterQuery]
    }
}

/// Whether anybody on the internet could be asked at this address.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// IANA's IPv4 Special-Purpose Address Registry, with multicast and class E.
const fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127 | 224..=255, ..]        // this network, private, loopback, multicast, reserved, broadcast
            | [100, 64..=127, ..]             // shared by carriers
            | [169, 254, ..]                  // link-local, where clouds answer with credentials
            | [172, 16..=31, ..]              // private
            | [192, 168, ..]                  // private
            | [192, 0, 0 | 2, _]              // protocol assignments, documentation
            | [192, 88, 99, _]                // relays of 6to4
            | [198, 18..=19, ..]              // benchmarks
            | [198, 51, 100, _]               // documentation
            | [203, 0, 113, _] // documentation
    )
}

/// IANA's IPv6 registries: of everything, `2000::/3` is global unicast, without the protocols' and the examples' parts;
/// beside it the addresses by which NAT64 (RFC 6052) leads to public IPv4.
const fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Protocol assignments with Teredo, documentation, 6to4, and documentation again.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}
