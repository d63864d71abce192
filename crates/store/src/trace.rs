//! The trace that a piece of work belongs to, handed on with what it sends to other processes.
//!
//! Owns: the W3C trace context (<https://www.w3.org/TR/trace-context/>) of the task at hand. Deliberately absent:
//! spans, and making traces up: whoever sends none has none.

use std::future::Future;

tokio::task_local! {
    static PARENT: TraceParent;
}

/// A `traceparent`, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent(String);

impl TraceParent {
    /// The header's name, in HTTP and in Kafka.
    pub const HEADER: &str = "traceparent";

    /// Takes a header's value; `None` where it is none of version 00.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let [version, trace, parent, flags] = parts.as_slice() else { return None };
        let is_hex = |part: &str, digits: usize| {
            part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let is_set = |part: &str| part.bytes().any(|byte| byte != b'0');
        let valid = *version == "00" && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
        (valid && is_set(trace) && is_set(parent)).then(|| Self(text.to_owned()))
    }

    /// The header's value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The trace's id: the same for all that is done on behalf of one request.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.0.split('-').nth(1).unwrap_or_default()
    }

    /// Does `work` as a part of this trace.
    pub async fn within<F: Future>(self, work: F) -> F::Output {
        PARENT.scope(self, work).await
    }

    /// The trace of the work at hand.
    pub(crate) fn current() -> Option<Self> {
        PARENT.try_with(Clone::clone).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_trace_context_is_handed_on_and_only_within_its_work() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for bad in [
            "",
            "00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e473\n-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
        let parent = TraceParent::parse(good).unwrap();
        assert_eq!(parent.clone().within(async { TraceParent::current() }).await, Some(parent));
        assert_eq!(TraceParent::current(), None);
    }
}
