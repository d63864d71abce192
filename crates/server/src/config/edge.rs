//! What the configuration says of the network: connections, TLS, proxies, other sites, rates.

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::http::HeaderValue;
use ipnet::IpNet;
use leadscore_api::{Edge, Proxies, RequestRates};
use leadscore_domain::Clock;
use leadscore_store::{Rate, RateLimiter, Redis};
use serde::Deserialize;

use crate::{
    config::Server,
    listener::{Bounds, tls::Files},
};

/// Certificate and key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    hsts_max_age_s: u32,
}

impl Tls {
    /// The files; `None` where HTTP is spoken in the clear.
    pub fn files(&self) -> Option<Files> {
        let Self { certificate, key, .. } = self.clone();
        (!certificate.as_os_str().is_empty()).then_some(Files { certificate, key })
    }

    /// What addresses of the server begin with.
    pub fn scheme(&self) -> &'static str {
        if self.files().is_some() { "https" } else { "http" }
    }
}

/// How many requests are taken.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    person_per_s: u32,
    person_burst: u32,
    key_per_s: u32,
    key_burst: u32,
    address_per_s: u32,
    address_burst: u32,
}

/// The header in which proxies name the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    XForwardedFor,
    Forwarded,
}

impl Server {
    /// What connections may cost.
    pub const fn bounds(&self) -> Bounds {
        Bounds {
            connections_max: self.connections_max,
            header_timeout: Duration::from_secs(self.header_timeout_s),
            idle_timeout: Duration::from_secs(self.idle_timeout_s),
        }
    }

    /// What stands between the network and the endpoints.
    ///
    /// # Errors
    /// As [`Self::edge_problem`], which the configuration has passed.
    pub fn edge(&self, clock: &Arc<dyn Clock>, redis: Option<&Redis>) -> anyhow::Result<Edge> {
        let Rates { person_per_s, person_burst, key_per_s, key_burst, address_per_s, address_burst } = self.rates;
        let limiter = |per_s: u32, burst: u32| {
            let rate = Rate { per_s: f64::from(per_s), burst };
            (per_s > 0).then(|| RateLimiter::new(rate, Arc::clone(clock), redis.cloned()))
        };
        let header = match self.forwarded_header {
            ForwardedHeader::XForwardedFor => leadscore_api::ForwardedHeader::XForwardedFor,
            ForwardedHeader::Forwarded => leadscore_api::ForwardedHeader::Forwarded,
        };
        let trusted = self.trusted_proxies.iter().map(|text| network(text));
        let origins = self.cross_origins.iter().map(|text| origin(text));
        let age_s = self.tls.hsts_max_age_s;
        Ok(Edge {
            proxies: Proxies { trusted: trusted.collect::<Result<_, _>>().map_err(anyhow::Error::msg)?, header },
            rates: RequestRates {
                people: limiter(person_per_s, person_burst),
                keys: limiter(key_per_s, key_burst),
                addresses: limiter(address_per_s, address_burst),
            },
            transport_security: (age_s > 0).then(|| HeaderValue::try_from(format!("max-age={age_s}"))).transpose()?,
            origins: origins.collect::<Result<_, _>>().map_err(anyhow::Error::msg)?,
        })
    }

    /// The key that is wrong, and why.
    pub(super) fn edge_problem(&self) -> Option<(&'static str, String)> {
        if !(1..=1_000_000).contains(&self.connections_max) {
            return Some(("server.connections_max", "must be from 1 to 1000000".to_owned()));
        }
        if !(1..=120).contains(&self.header_timeout_s) {
            return Some(("server.header_timeout_s", "must be from 1 to 120".to_owned()));
        }
        // A request may take half a minute, during which nothing moves.
        if !(40..=3_600).contains(&self.idle_timeout_s) {
            return Some(("server.idle_timeout_s", "must be from 40 to 3600".to_owned()));
        }
        if self.tls.certificate.as_os_str().is_empty() != self.tls.key.as_os_str().is_empty() {
            return Some(("server.tls", "must name both certificate and key, or neither".to_owned()));
        }
        let Rates { person_burst, key_burst, address_burst, .. } = self.rates;
        if [person_burst, key_burst, address_burst].contains(&0) {
            return Some(("server.rates", "a burst must be from 1".to_owned()));
        }
        let proxy = self.trusted_proxies.iter().find_map(|text| network(text).err());
        let site = self.cross_origins.iter().find_map(|text| origin(text).err());
        proxy
            .map(|problem| ("server.trusted_proxies", problem))
            .or_else(|| site.map(|problem| ("server.cross_origins", problem)))
    }
}

/// A network, or the one of a single address.
fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| format!("`{text}` is no network such as 10.0.0.0/8, and no address"))
}

/// A site as browsers name it: scheme and host, with the port where it is not the scheme's.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let is_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return Err(format!("`{text}` is no site such as https://app.example.com"));
    }
    HeaderValue::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn with_file(text: &str) -> Result<Config, String> {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Some(file.path())).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_key() {
        for (text, key) in [
            ("[server]\ntrusted_proxies = [\"10.0.0.0/33\"]", "server.trusted_proxies: `10.0.0.0/33`"),
            ("[server]\ntrusted_proxies = [\"localhost\"]", "server.trusted_proxies: `localhost`"),
            ("[server]\nforwarded_header = \"x-real-ip\"", "forwarded_header"),
            ("[server]\ncross_origins = [\"*\"]", "server.cross_origins: `*`"),
            ("[server]\ncross_origins = [\"https://app.example.com/\"]", "server.cross_origins"),
            ("[server]\ncross_origins = [\"app.example.com\"]", "server.cross_origins"),
            ("[server]\nidle_timeout_s = 5", "server.idle_timeout_s"),
            ("[server]\nheader_timeout_s = 0", "server.header_timeout_s"),
            ("[server]\nconnections_max = 0", "server.connections_max"),
            ("[server.tls]\ncertificate = \"cert.pem\"", "server.tls: must name both"),
            ("[server.rates]\nkey_burst = 0", "server.rates"),
            ("[server.rates]\nkeys_per_s = 1", "keys_per_s"),
        ] {
            let error = with_file(text).unwrap_err();
            assert!(error.contains(key), "{text}: {error}");
        }
    }

    #[test]
    fn proxies_sites_and_files_are_taken_over() {
        let config = with_file(
            "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"fd00::1\"]\ncross_origins = [\"https://a.example:8443\"]\n\
             [server.tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"\n[server.rates]\nkey_per_s = 0\n",
        )
        .unwrap();
        let clock: std::sync::Arc<dyn leadscore_domain::Clock> = std::sync::Arc::new(crate::clock::SystemClock);
        let edge = config.server.edge(&clock, None).unwrap();
        assert_eq!(edge.proxies.trusted, ["10.0.0.0/8".parse().unwrap(), "fd00::1/128".parse().unwrap()]);
        assert_eq!(edge.origins, ["https://a.example:8443"]);
        assert_eq!(edge.transport_security.unwrap(), "max-age=31536000");
        assert!(edge.rates.keys.is_none() && edge.rates.people.is_some() && edge.rates.addresses.is_some());
        assert_eq!((config.server.tls.scheme(), config.server.tls.files().is_some()), ("https", true));
    }
}
