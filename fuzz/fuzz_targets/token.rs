//! Access tokens, our own and those of providers, and sets of keys: as they come, and with a header and claims of any JSON, so that base64 hides nothing.

#![no_main]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use leadscore_api::fuzzing::{provider, token};
use leadscore_domain::Timestamp;
use libfuzzer_sys::fuzz_target;

const HEADER: &str = r#"{"alg":"EdDSA","kid":"1","typ":"at+jwt"}"#;

fuzz_target!(|text: &str| {
    let now = Timestamp::from_micros(1_800_000_000_000_000).expect("the year 2027 is supported");
    token(text, now);
    provider(text);
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let (header, claims) = text.split_once('\n').unwrap_or((HEADER, text));
    token(&format!("{}.{}.{}", part(header), part(claims), part(claims)), now);
    provider(&format!("{}.{}.{}", part(header), part(claims), part(claims)));
    token(&format!("{}.{}.{}", part(HEADER), part(claims), URL_SAFE_NO_PAD.encode([0_u8; 64])), now);
});
