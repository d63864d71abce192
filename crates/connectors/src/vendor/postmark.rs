//! Postmark: events of messages.
//!
//! Owns: the records by their type. Invariant: a record's id is made of type, message, address and time, since Postmark
//! gives none. Deliberately absent: a signature, which Postmark does not send; Basic or a header holds a secret.

use leadscore_domain::{event::EmailAction, time::SECOND_US};
use serde::Deserialize;
use serde_json::Value;

use super::mail::{self, Told};
use crate::{
    json,
    make::Maker,
    proof::Proof,
    seam::{Malformed, Reading, Request},
};

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postmark {
    /// Basic authentication or a header of the webhook.
    pub proof: Proof,
}

impl Postmark {
    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let maker = Maker { source, received_at: request.received_at };
        let mut reading = Reading::default();
        let kind = json::text(&body, "/RecordType").ok_or(Malformed::Field("RecordType"))?;
        let flag = |pointer| body.pointer(pointer).and_then(Value::as_bool);
        let action = match kind {
            "Delivery" => EmailAction::Delivered,
            "Open" => EmailAction::Opened,
            "Click" => EmailAction::Clicked,
            "Bounce" => EmailAction::Bounced,
            "SpamComplaint" => EmailAction::Unsubscribed,
            "SubscriptionChange" if flag("/SuppressSending") == Some(true) => EmailAction::Unsubscribed,
            "SubscriptionChange" => {
                reading.dropped.ignored += 1;
                return Ok(reading);
            }
            other => {
                reading.count_unknown(other);
                return Ok(reading);
            }
        };
        let time = json::first(&body, &["/ReceivedAt", "/DeliveredAt", "/BouncedAt", "/ChangedAt"]);
        let message = json::text(&body, "/MessageID");
        let address = json::first(&body, &["/Recipient", "/Email"]);
        let own = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let link = json::text(&body, "/OriginalLink");
        let id = format!("{kind}:{}:{}:{}:{}", own(message), own(address), own(time), own(link));
        let at = time.and_then(|_| {
            ["/ReceivedAt", "/DeliveredAt", "/BouncedAt", "/ChangedAt"]
                .iter()
                .find_map(|pointer| json::time(&body, pointer, SECOND_US))
        });
        mail::take(maker, &mut reading, &Told { id: &id, address, at, message_id: message, action });
        Ok(reading)
    }
}
