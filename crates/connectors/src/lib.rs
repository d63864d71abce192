//! What other systems send, as events; and the answers that they wait for.
//!
//! Owns: the proof of origin, the reading and the answer for each vendor. Invariant: a pure function of bytes, headers,
//! method, address and arrival; the same delivery gives the same events. Deliberately absent: I/O, the clock, the store
//! of replay keys, the look-up of callers.

mod analytics;
mod json;
mod make;
mod proof;
mod seam;
mod text;
pub mod vendor;
mod xml;

use leadscore_domain::Timestamp;
use serde::Deserialize;

pub use proof::{Encoding, Hash, Proof, SECRETS_MAX, Secrets, WINDOW_S};
pub use seam::{
    Answer, CallContext, ContextRequest, Dropped, EVENTS_MAX, LiveSignal, Malformed, Moment, Reading, Refusal,
    ReplayKey, Request, ToolCall, UNKNOWN_MAX, UnknownType,
};
use vendor::{
    cloudevents::CloudEvents,
    elevenlabs::ElevenLabs,
    follow_up_boss::FollowUpBoss,
    hubspot::HubSpot,
    livekit::LiveKit,
    mailgun::Mailgun,
    mapped::Mapped,
    posthog::PostHog,
    postmark::Postmark,
    retell::Retell,
    salesforce::Salesforce,
    segment::{RudderStack, Segment},
    sendgrid::SendGrid,
    standard::StandardWebhooks,
    twilio::Twilio,
    vapi::Vapi,
};

/// A configured connector.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Connector {
    /// Its name: the events' source.
    pub source: String,
    /// Whose.
    #[serde(flatten)]
    pub vendor: Vendor,
}

/// A vendor with its settings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "vendor", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is documented at its settings")]
pub enum Vendor {
    StandardWebhooks(StandardWebhooks),
    Vapi(Vapi),
    Retell(Retell),
    Twilio(Twilio),
    #[serde(rename = "elevenlabs")]
    ElevenLabs(ElevenLabs),
    #[serde(rename = "livekit")]
    LiveKit(LiveKit),
    #[serde(rename = "hubspot")]
    HubSpot(HubSpot),
    FollowUpBoss(FollowUpBoss),
    Salesforce(Salesforce),
    Segment(Segment),
    #[serde(rename = "rudderstack")]
    RudderStack(RudderStack),
    #[serde(rename = "posthog")]
    PostHog(PostHog),
    #[serde(rename = "sendgrid")]
    SendGrid(SendGrid),
    Mailgun(Mailgun),
    Postmark(Postmark),
    #[serde(rename = "cloudevents")]
    CloudEvents(CloudEvents),
    Mapped(Mapped),
}

impl Vendor {
    /// The word in the configuration and in metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::StandardWebhooks(_) => "standard_webhooks",
            Self::Vapi(_) => "vapi",
            Self::Retell(_) => "retell",
            Self::Twilio(_) => "twilio",
            Self::ElevenLabs(_) => "elevenlabs",
            Self::LiveKit(_) => "livekit",
            Self::HubSpot(_) => "hubspot",
            Self::FollowUpBoss(_) => "follow_up_boss",
            Self::Salesforce(_) => "salesforce",
            Self::Segment(_) => "segment",
            Self::RudderStack(_) => "rudderstack",
            Self::PostHog(_) => "posthog",
            Self::SendGrid(_) => "sendgrid",
            Self::Mailgun(_) => "mailgun",
            Self::Postmark(_) => "postmark",
            Self::CloudEvents(_) => "cloudevents",
            Self::Mapped(_) => "mapped",
        }
    }
}

impl Connector {
    /// Checks that the request is from the vendor. Over the raw bytes, before anything is read.
    ///
    /// # Errors
    /// Says which part of the proof is missing or wrong.
    pub fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        match &self.vendor {
            Vendor::StandardWebhooks(vendor) => vendor.verify(request),
            Vendor::Vapi(vendor) => vendor.proof.verify(request),
            Vendor::Retell(vendor) => vendor.verify(request),
            Vendor::Twilio(vendor) => vendor.verify(request),
            Vendor::ElevenLabs(vendor) => vendor.verify(request),
            Vendor::LiveKit(vendor) => vendor.verify(request),
            Vendor::HubSpot(vendor) => vendor.verify(request),
            Vendor::FollowUpBoss(vendor) => vendor.verify(request),
            Vendor::Salesforce(vendor) => vendor.proof.verify(request),
            Vendor::Segment(vendor) => vendor.verify(request),
            Vendor::RudderStack(vendor) => vendor.proof.verify(request),
            Vendor::PostHog(vendor) => vendor.proof.verify(request),
            Vendor::SendGrid(vendor) => vendor.verify(request),
            Vendor::Mailgun(vendor) => vendor.verify(request),
            Vendor::Postmark(vendor) => vendor.proof.verify(request),
            Vendor::CloudEvents(vendor) => vendor.verify(request),
            Vendor::Mapped(vendor) => vendor.proof.verify(request),
        }
    }

    /// Reads a request that [`Self::verify`] let pass.
    ///
    /// # Errors
    /// Where the body is not what the vendor sends. Unknown types are no error.
    pub fn read(&self, request: &Request<'_>) -> Result<Reading, Malformed> {
        let source = self.source.as_str();
        match &self.vendor {
            Vendor::StandardWebhooks(vendor) => vendor.read(source, request),
            Vendor::Vapi(vendor) => vendor.read(source, request),
            Vendor::Retell(vendor) => vendor.read(source, request),
            Vendor::Twilio(vendor) => vendor.read(source, request),
            Vendor::ElevenLabs(vendor) => vendor.read(source, request),
            Vendor::LiveKit(vendor) => vendor.read(source, request),
            Vendor::HubSpot(vendor) => vendor.read(source, request),
            Vendor::FollowUpBoss(vendor) => vendor.read(source, request),
            Vendor::Salesforce(vendor) => vendor.read(source, request),
            Vendor::Segment(vendor) => vendor.read(source, request),
            Vendor::RudderStack(vendor) => vendor.read(source, request),
            Vendor::PostHog(vendor) => vendor.read(source, request),
            Vendor::SendGrid(vendor) => vendor.read(source, request),
            Vendor::Mailgun(vendor) => vendor.read(source, request),
            Vendor::Postmark(vendor) => vendor.read(source, request),
            Vendor::CloudEvents(vendor) => vendor.read(source, request),
            Vendor::Mapped(vendor) => vendor.read(source, request),
        }
    }

    /// The answer in the vendor's terms; neutral where nothing is known of the caller.
    #[must_use]
    pub fn answer(&self, reading: &Reading, context: Option<&CallContext>) -> Answer {
        match &self.vendor {
            Vendor::Vapi(vendor) => vendor.answer(reading, context),
            Vendor::Retell(vendor) => vendor.answer(reading, context),
            Vendor::Twilio(vendor) => vendor.answer(reading, context),
            Vendor::ElevenLabs(_) => ElevenLabs::answer(reading, context),
            Vendor::Salesforce(_) => Salesforce::answer(),
            Vendor::CloudEvents(_) => CloudEvents::answer(reading),
            Vendor::StandardWebhooks(_)
            | Vendor::LiveKit(_)
            | Vendor::HubSpot(_)
            | Vendor::FollowUpBoss(_)
            | Vendor::Segment(_)
            | Vendor::RudderStack(_)
            | Vendor::PostHog(_)
            | Vendor::SendGrid(_)
            | Vendor::Mailgun(_)
            | Vendor::Postmark(_)
            | Vendor::Mapped(_) => Answer::empty(),
        }
    }

    /// Reads what an address of [`Reading::refetch`] answered; `None` for vendors that name none.
    ///
    /// # Errors
    /// Where the body is not what the vendor answers.
    pub fn read_fetched(&self, body: &[u8], received_at: Timestamp) -> Option<Result<Reading, Malformed>> {
        match &self.vendor {
            Vendor::FollowUpBoss(vendor) => Some(vendor.read_fetched(&self.source, body, received_at)),
            Vendor::StandardWebhooks(_)
            | Vendor::Vapi(_)
            | Vendor::Retell(_)
            | Vendor::Twilio(_)
            | Vendor::ElevenLabs(_)
            | Vendor::LiveKit(_)
            | Vendor::HubSpot(_)
            | Vendor::Salesforce(_)
            | Vendor::Segment(_)
            | Vendor::RudderStack(_)
            | Vendor::PostHog(_)
            | Vendor::SendGrid(_)
            | Vendor::Mailgun(_)
            | Vendor::Postmark(_)
            | Vendor::CloudEvents(_)
            | Vendor::Mapped(_) => None,
        }
    }
}
