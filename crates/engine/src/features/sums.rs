//! What is added up over a lead's whole life.
//!
//! Owns: [`Sums`] and how a conversation is added to it. Invariant: integers that saturate, so that the order of the
//! events does not matter. Deliberately absent: means and shares; they are features.

use serde::{Deserialize, Serialize};

use crate::conversation::CallReading;

/// Sums over a lead's whole life, saturating.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Sums {
    pub(super) call_ms: u64,
    pub(super) longest_call_ms: u32,
    pub(super) lead_speech_ms: u64,
    pub(super) agent_speech_ms: u64,
    pub(super) questions: u32,
    pub(super) conversations: u32,
    pub(super) mood_milli: i64,
    pub(super) moods: u32,
    pub(super) platform_mood_milli: i64,
    pub(super) platform_moods: u32,
    pub(super) trend_milli: i64,
    pub(super) trends: u32,
    pub(super) lead_words: u64,
    pub(super) agent_questions: u32,
    pub(super) lead_replies: u32,
    pub(super) lead_pause_ms: u64,
    pub(super) lead_interruptions: u32,
    pub(super) agent_replies: u32,
    pub(super) agent_pause_ms: u64,
    pub(super) agent_interruptions: u32,
    pub(super) session_ms: u64,
    pub(super) longest_session_ms: u32,
    pub(super) session_pages: u64,
    pub(super) downloads: u64,
    pub(super) page_ms: u64,
    pub(super) centre: u64,
    pub(super) centres: u32,
    pub(super) saved_price: u64,
    pub(super) saved_prices: u32,
    /// Bit per property type ever searched or saved.
    pub(super) types: u8,
}

impl Sums {
    /// Adds a conversation.
    pub(super) fn talked(&mut self, reading: &CallReading) {
        let add = |sum: &mut u32, more: u32| *sum = sum.saturating_add(more);
        let add_long = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        let add_milli = |sum: &mut i64, count: &mut u32, milli: Option<i16>| {
            *sum = sum.saturating_add(milli.unwrap_or_default().into());
            *count = count.saturating_add(milli.is_some().into());
        };
        let (lead, agent) = (reading.lead, reading.agent);
        add(&mut self.conversations, u32::from(lead.turns > 0));
        add(&mut self.questions, lead.questions);
        add(&mut self.agent_questions, agent.questions);
        add(&mut self.lead_replies, lead.replies);
        add(&mut self.agent_replies, agent.replies);
        add(&mut self.lead_interruptions, lead.interruptions);
        add(&mut self.agent_interruptions, agent.interruptions);
        add_long(&mut self.lead_words, lead.words.into());
        add_long(&mut self.lead_speech_ms, lead.speech_ms);
        add_long(&mut self.agent_speech_ms, agent.speech_ms);
        add_long(&mut self.lead_pause_ms, lead.pause_ms);
        add_long(&mut self.agent_pause_ms, agent.pause_ms);
        add_milli(&mut self.mood_milli, &mut self.moods, reading.sentiment_milli.or(reading.platform_milli));
        add_milli(&mut self.platform_mood_milli, &mut self.platform_moods, reading.platform_milli);
        add_milli(&mut self.trend_milli, &mut self.trends, reading.trend_milli);
    }
}
