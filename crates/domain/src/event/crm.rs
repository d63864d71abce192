//! What the CRM and its agents say of a lead: creation, fields, stage, actions, outcome, merges.

use serde::{Deserialize, Serialize};

use super::check::check_optional;
use crate::{
    Attributes, Consent, Invalid, LeadId,
    attribute::{deserialize_attributes, validate_attributes},
    invalid::check_count,
    limits,
};

/// Data of [`EventBody::LeadCreated`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeadCreated {
    /// The person's name; kept encrypted, never a feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the lead came from, such as `referral`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The lead's IANA time zone, such as `America/Chicago`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Custom attributes.
    #[serde(default, skip_serializing_if = "Attributes::is_empty", deserialize_with = "deserialize_attributes")]
    pub attributes: Attributes,
    /// Consents given with the lead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<Consent>,
}

/// Data of [`EventBody::CrmUpdated`]: the fields that changed; `null` clears one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrmUpdated {
    /// Changed attributes.
    #[serde(deserialize_with = "deserialize_attributes")]
    pub attributes: Attributes,
}

/// Data of [`EventBody::StageChanged`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageChanged {
    /// The stage now.
    pub stage: Stage,
}

/// Where a lead stands in the brokerage's pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Not contacted yet.
    New,
    /// Contact was tried.
    Contacted,
    /// There was a conversation.
    Engaged,
    /// Wish, budget and time are known.
    Qualified,
    /// Viewing homes.
    Showing,
    /// An offer is on the table.
    Negotiating,
    /// For later.
    Nurturing,
    /// Ended without a deal.
    Lost,
    /// Ended with a deal.
    Won,
}

impl Stage {
    /// Every stage, in the order of the pipeline.
    pub const ALL: [Self; 9] = [
        Self::New,
        Self::Contacted,
        Self::Engaged,
        Self::Qualified,
        Self::Showing,
        Self::Negotiating,
        Self::Nurturing,
        Self::Lost,
        Self::Won,
    ];

    /// The word used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Contacted => "contacted",
            Self::Engaged => "engaged",
            Self::Qualified => "qualified",
            Self::Showing => "showing",
            Self::Negotiating => "negotiating",
            Self::Nurturing => "nurturing",
            Self::Lost => "lost",
            Self::Won => "won",
        }
    }
}

/// What an agent did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentActionKind {
    /// Took the lead.
    Assigned,
    /// Wrote a note.
    NoteWritten,
    /// Sent listings.
    ListingsSent,
    /// Offered a viewing.
    ShowingOffered,
    /// Sent a valuation.
    ValuationSent,
    /// Planned the next contact.
    FollowUpPlanned,
}

/// Data of [`EventBody::AgentAction`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentAction {
    /// What.
    pub action: AgentActionKind,
    /// Who, as the CRM names the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeResult {
    /// Converted: signed with the brokerage. What the model predicts.
    Won,
    /// Ended without a deal.
    Lost,
    /// Never reached.
    NoAnswer,
}

/// Data of [`EventBody::Outcome`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// How it ended.
    pub result: OutcomeResult,
    /// Why, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Worth of the deal to the brokerage, in whole units of its currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
}

/// Data of [`EventBody::LeadMerged`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeadMerged {
    /// The lead whose history now belongs to the event's lead.
    pub absorbed: LeadId,
}

impl LeadCreated {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        check_optional("name", self.name.as_deref(), limits::CATEGORY_MAX_BYTES)?;
        check_optional("channel", self.channel.as_deref(), limits::NAME_MAX_BYTES)?;
        if let Some(zone) = &self.time_zone
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            return Err(Invalid::new("time_zone", "is not an IANA time zone", "send a name such as America/Chicago"));
        }
        check_count("consents", self.consents.len(), limits::IDENTITIES_MAX)?;
        for (i, consent) in self.consents.iter().enumerate() {
            consent.validate().map_err(|e| e.within(&format!("consents[{i}]")))?;
        }
        validate_attributes(&self.attributes)
    }
}
