//! Addresses of webhooks, and what their receivers answer.

#![no_main]

use std::{net::IpAddr, sync::LazyLock};

use leadscore_domain::{Timestamp, webhook::DestinationPolicy};
use leadscore_pipeline::fuzzing::retry_after;
use libfuzzer_sys::fuzz_target;

/// Ways to write this machine, which no policy permits by itself.
fn is_here(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified() || address.is_multicast()
}

/// What an operator may permit for development.
static OPEN: LazyLock<DestinationPolicy> = LazyLock::new(|| {
    let ports = (1..=u16::MAX).collect();
    DestinationPolicy { allow_http: true, ports, networks: Vec::new() }
});

fuzz_target!(|text: &str| {
    let now = Timestamp::from_micros(1_800_000_000_000_000).expect("the year 2027 is supported");
    if let Some(asked_us) = retry_after(text, now) {
        assert!((1_000_000..=86_400_000_000).contains(&asked_us), "{asked_us}");
    }
    for policy in [&DestinationPolicy::default(), &*OPEN] {
        let Ok(destination) = policy.destination(text) else { continue };
        assert!(!destination.literal().is_some_and(is_here), "{text}");
        assert!(destination.target().starts_with('/') && !destination.host().is_empty(), "{text}");
        let again = policy.destination(destination.as_str()).expect("what is permitted stays so");
        assert_eq!(again, destination);
    }
});
