//! Deliveries of other systems: the first byte chooses the vendor, two lines are query and media type, the rest is the body.

#![no_main]

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};
use leadscore_connectors::{CallContext, Connector, Request};
use leadscore_domain::{Region, Timestamp};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// One of each vendor.
static CONNECTORS: LazyLock<Vec<Connector>> = LazyLock::new(|| {
    let (secrets, bearer) = (json!(["secret"]), json!({"scheme": "bearer", "secrets": ["secret"]}));
    let signed = |vendor: &str| json!({"source": vendor, "vendor": vendor, "secrets": secrets});
    let borne = |vendor: &str| json!({"source": vendor, "vendor": vendor, "proof": bearer});
    let mut all: Vec<Value> = ["retell", "twilio", "elevenlabs", "hubspot", "follow_up_boss", "segment", "mailgun"]
        .map(signed)
        .into_iter()
        .chain(["vapi", "rudderstack", "posthog", "postmark", "cloudevents"].map(borne))
        .collect();
    all.push(
        json!({"source": "standard", "vendor": "standard_webhooks", "secrets": ["whsec_AQEBAQEBAQEBAQEBAQEBAQ=="]}),
    );
    all.push(json!({"source": "livekit", "vendor": "livekit", "keys": [{"api_key": "key", "api_secret": "secret"}]}));
    all.push(json!({"source": "salesforce", "vendor": "salesforce", "organization_id": "00D000000000001EAA", "proof": bearer}));
    all.into_iter().map(|one| serde_json::from_value(one).expect("the configurations are valid")).collect()
});

fuzz_target!(|data: &[u8]| {
    let Some((which, rest)) = data.split_first() else { return };
    let mut parts = rest.splitn(3, |byte| *byte == b'\n');
    let (query, kind, body) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(url) = format!("https://leads.example.com/in?{}", String::from_utf8_lossy(query)).parse() else { return };
    let mut headers = HeaderMap::new();
    if let Ok(kind) = HeaderValue::from_bytes(kind) {
        headers.insert(CONTENT_TYPE, kind);
    }
    let received_at = Timestamp::from_micros(1_800_000_000_000_000).expect("the year 2027 is supported");
    let connector = &CONNECTORS[usize::from(*which) % CONNECTORS.len()];
    let request = Request { method: &Method::POST, url: &url, headers: &headers, body, received_at };
    let _ = connector.verify(&request);
    if let Ok(reading) = connector.read(&request) {
        let _ = connector.answer(&reading, Some(&CallContext::neutral()));
        for event in reading.events {
            let _ = event.validate(received_at, Region::default());
        }
    }
    let _ = connector.read_fetched(body, received_at);
});
