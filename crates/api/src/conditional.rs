//! Conditional requests (RFC 9110, section 13): who already has what would be answered is told so.
//!
//! Who writes can say what they know, and nothing is written where that is no longer so.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, header, request::Parts},
};
use leadscore_domain::Score;
use uuid::Uuid;

use crate::socket::Version;

/// What a score is known by: where it stands in the log, when it was calculated, and what it is overridden by.
pub fn entity_tag(score: &Score, overridden: Option<Uuid>) -> HeaderValue {
    let version = Version::of(score);
    let tag = overridden.map_or_else(|| format!("\"{version}\""), |id| format!("\"{version}-{}\"", id.simple()));
    HeaderValue::try_from(tag).expect("digits, quotes and dashes are a header value")
}

/// What the sender already has: the `If-None-Match` fields.
pub struct IfNoneMatch(Vec<HeaderValue>);

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.get_all(header::IF_NONE_MATCH).iter().cloned().collect()))
    }
}

/// What the sender of a change knows: the `If-Match` fields.
#[derive(Default)]
pub struct IfMatch(Vec<HeaderValue>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.get_all(header::IF_MATCH).iter().cloned().collect()))
    }
}

impl IfMatch {
    /// Whether the change may be made to what is known by `tag`: nothing was said, `*`, or the tag is in a list. A weak
    /// tag never says that something is the same (RFC 9110, section 13.1.1).
    pub fn holds(&self, tag: &HeaderValue) -> bool {
        let known = |one: &[u8]| [b"*", tag.as_bytes()].contains(&one.trim_ascii());
        self.0.is_empty() || self.0.iter().any(|field| field.as_bytes().split(|byte| *byte == b',').any(known))
    }
}

impl IfNoneMatch {
    /// Whether the sender has what is known by `tag`: any of a list, `*`, or the tag as a weak one.
    pub fn has(&self, tag: &HeaderValue) -> bool {
        let known = |one: &[u8]| {
            let one = one.trim_ascii();
            one == b"*" || one.strip_prefix(b"W/").unwrap_or(one) == tag.as_bytes()
        };
        self.0.iter().any(|field| field.as_bytes().split(|byte| *byte == b',').any(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_in_whatever_form_the_sender_keeps_them() {
        let tag = HeaderValue::from_static("\"12-1772361000000000\"");
        let has = |fields: &[&'static str]| {
            IfNoneMatch(fields.iter().map(|field| HeaderValue::from_static(field)).collect()).has(&tag)
        };
        assert!(has(&["\"12-1772361000000000\""]));
        assert!(has(&["W/\"12-1772361000000000\""]));
        assert!(has(&["\"1\", \"12-1772361000000000\""]));
        assert!(has(&["\"1\"", "*"]));
        for field in ["", "12-1772361000000000", "\"12-177236100000000\"", "\"12-1772361000000000", "W/", ","] {
            assert!(!has(&[field]), "{field}");
        }
        assert!(!has(&[]));
    }
}
