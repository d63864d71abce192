//! Header fields that are believed, or not: whom proxies name, traces, origins. Each line is a value.

#![no_main]

use std::net::SocketAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use leadscore_api::{
    ForwardedHeader, Proxies,
    fuzzing::{client, origin},
};
use leadscore_store::TraceParent;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 5] = ["x-forwarded-for", "x-forwarded-proto", "forwarded", "origin", "host"];

fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    for (line, name) in bytes.split(|byte| *byte == b'\n').zip(NAMES.into_iter().cycle()).take(20) {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        if let Some(trace) = value.to_str().ok().and_then(TraceParent::parse) {
            assert_eq!(trace.trace_id().len(), 32);
        }
        headers.append(HeaderName::from_static(name), value);
    }
    let trusted = vec!["10.0.0.0/8".parse().expect("a network"), "2001:db8::/32".parse().expect("a network")];
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        let proxies = Proxies { trusted: trusted.clone(), header };
        let near: SocketAddr = "10.0.0.1:4711".parse().expect("an address");
        let (address, _) = client(&proxies, near, &headers);
        assert!(address.is_some(), "a client without an address");
        let stranger: SocketAddr = "198.51.100.7:4711".parse().expect("an address");
        assert_eq!(client(&proxies, stranger, &headers), (Some(stranger.ip()), false), "a stranger was believed");
    }
    let _ = origin(&headers, &[]);
    let _ = origin(&headers, &["https://app.example.com".to_owned()]);
});
