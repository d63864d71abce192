//! Bodies: JSON that is read strictly, and what unpacks them. The first byte says how the rest is packed.

#![no_main]

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, header::CONTENT_ENCODING},
};
use leadscore_api::fuzzing::{body, check, json};
use libfuzzer_sys::fuzz_target;

/// Small, so that a bomb is found without waiting for it.
const BODY_MAX_BYTES: usize = 64 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let Some((coding, rest)) = bytes.split_first() else { return };
    let mut headers = HeaderMap::new();
    match coding {
        b'g' => drop(headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"))),
        b'z' => drop(headers.insert(CONTENT_ENCODING, HeaderValue::from_static("zstd"))),
        _ => {}
    }
    match body(&headers, Bytes::copy_from_slice(rest), BODY_MAX_BYTES).and_then(|text| json(&text)) {
        Ok(value) => {
            let text = value.to_string();
            assert!(json(text.as_bytes()).is_ok_and(|again| again == value), "JSON is other JSON after it was written");
        }
        Err(problem) => check(problem),
    }
});
