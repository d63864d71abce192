//! How many events a sender may send: the limit, and the header fields that tell of it.
//!
//! Deliberately absent: buckets (the store's).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use leadscore_store::{Allowance, Rate};

use crate::{
    auth::bearer::Caller,
    problem::{Code, Problem},
    state::Api,
};

/// Name of the limit in the header fields.
const NAME: &str = "events";

/// What a sender's bucket said.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    allowance: Allowance,
    rate: Rate,
}

/// Takes what events cost from what the sender may send; nothing is said where there is no limit.
///
/// # Errors
/// What the bucket said, where there is not enough in it.
pub async fn spend(api: &Api, caller: &Caller, events: usize) -> Result<Option<Spent>, Spent> {
    let Some(limiter) = &api.events_rate else { return Ok(None) };
    let tokens = u32::try_from(events).unwrap_or(u32::MAX);
    let allowance = limiter.take(&format!("{NAME}:{}", caller.0), tokens).await;
    let spent = Spent { allowance, rate: limiter.rate() };
    if allowance.taken { Ok(Some(spent)) } else { Err(spent) }
}

impl Spent {
    /// What is said to a sender who must wait.
    #[must_use]
    pub fn problem(&self) -> Problem {
        Problem::new(Code::TooFast, format!("This token may send {} events each second.", self.rate.per_s))
            .retry_after_s(whole_s(self.allowance.wait).max(1))
    }

    /// Says what may still be sent (draft-ietf-httpapi-ratelimit-headers, from its eighth version on).
    pub fn show(&self, headers: &mut HeaderMap) {
        let Self { allowance, rate } = self;
        let window_s = (f64::from(rate.burst) / rate.per_s).ceil();
        let policy = format!("\"{NAME}\";q={};w={window_s}", rate.burst);
        let left = format!("\"{NAME}\";r={};t={}", allowance.left, whole_s(allowance.full_in));
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", left)] {
            let value = HeaderValue::try_from(value).expect("digits and punctuation are a header value");
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

fn whole_s(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::{Value, json};

    use crate::{rest::post_events::PATH, testing::TestApp};

    fn opened(id: &str) -> Value {
        json!({
            "source": "site",
            "source_event_id": id,
            "lead": {"identities": [{"kind": "web", "value": "w1"}]},
            "occurred_at": "2026-03-01T09:00:00Z",
            "type": "email",
            "data": {"action": "opened"}
        })
    }

    #[tokio::test]
    async fn who_sends_too_much_is_told_when_to_go_on() {
        let app = TestApp::new().await;
        let events: Vec<Value> = (0..1_000).map(|i| opened(&i.to_string())).collect();
        let first = app.post(PATH, &json!(events)).await;
        assert_eq!(
            (first.header("ratelimit-policy"), first.header("ratelimit")),
            ("\"events\";q=2000;w=20", "\"events\";r=1000;t=10")
        );
        assert_eq!(app.post(PATH, &json!(events)).await.status, StatusCode::ACCEPTED);
        let refused = app.post(PATH, &json!(&events[..150])).await;
        assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("too-fast", "2"));
        assert_eq!(refused.header("ratelimit"), "\"events\";r=0;t=20");
        app.clock.advance_micros(2_000_000);
        assert_eq!(app.post(PATH, &json!(&events[..150])).await.status, StatusCode::ACCEPTED);
    }
}
