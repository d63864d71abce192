//! What an event says in figures that may stand beside it in the clear.
//!
//! Invariant: coarse. Sentiment has one decimal and durations whole seconds: enough to count and to chart with, too
//! little to tell one conversation from another. Deliberately absent: judging texts, which the engine does.

use super::{Direction, EventBody, Speaker, VoiceCall};

impl EventBody {
    /// Sentiment of the lead as the event's platform judged it, −1 to 1 in steps of 0.1; `None` where it says nothing.
    /// Of a call without a judgement of the whole it is the mean of the lead's turns.
    #[must_use]
    pub fn sentiment(&self) -> Option<f64> {
        let said = match self {
            Self::VoiceCall(call) => call.sentiment.map(f64::from).or_else(|| mean_of_turns(call)),
            // What the agent wrote says nothing about the lead.
            Self::Message(message) if message.direction == Direction::Inbound => message.sentiment.map(f64::from),
            Self::Message(_)
            | Self::LeadCreated(_)
            | Self::CrmUpdated(_)
            | Self::StageChanged(_)
            | Self::WebSession(_)
            | Self::PageView(_)
            | Self::Email(_)
            | Self::PropertySearch(_)
            | Self::ListingSaved(_)
            | Self::Showing(_)
            | Self::AgentAction(_)
            | Self::Consent(_)
            | Self::Outcome(_)
            | Self::LeadMerged(_)
            | Self::ProcessingLimit(_)
            | Self::CallTurn(_) => None,
        };
        // Adding 0 makes −0 a plain one.
        said.map(|sentiment| (sentiment * 10.0).round() / 10.0 + 0.0)
    }

    /// How long the lead was engaged, in whole seconds: talking, on the site, on a page. `None` where the event says
    /// nothing of it, as a call that nobody answered.
    #[must_use]
    pub const fn engagement_duration_s(&self) -> Option<u32> {
        let duration_ms = match self {
            Self::VoiceCall(call) if call.answered => call.duration_ms,
            Self::WebSession(session) => session.duration_ms,
            Self::PageView(page) => match page.duration_ms {
                Some(duration_ms) => duration_ms,
                None => return None,
            },
            Self::VoiceCall(_)
            | Self::Message(_)
            | Self::LeadCreated(_)
            | Self::CrmUpdated(_)
            | Self::StageChanged(_)
            | Self::Email(_)
            | Self::PropertySearch(_)
            | Self::ListingSaved(_)
            | Self::Showing(_)
            | Self::AgentAction(_)
            | Self::Consent(_)
            | Self::Outcome(_)
            | Self::LeadMerged(_)
            | Self::ProcessingLimit(_)
            // The whole call says it.
            | Self::CallTurn(_) => return None,
        };
        Some(duration_ms.saturating_add(500) / 1_000)
    }
}

/// Mean of what the platform said of the lead's turns.
fn mean_of_turns(call: &VoiceCall) -> Option<f64> {
    let said = call.turns.iter().filter(|turn| turn.speaker == Speaker::Lead).filter_map(|turn| turn.sentiment);
    let (count, sum) = said.fold((0_u32, 0.0), |(count, sum), sentiment| (count + 1, sum + f64::from(sentiment)));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::super::{Medium, Message, Page, PageView, Turn, WebSession};
    use super::*;

    fn turn(speaker: Speaker, sentiment: Option<f32>) -> Turn {
        Turn { speaker, text: "yes".into(), start_ms: 0, duration_ms: None, sentiment }
    }

    fn call(answered: bool, sentiment: Option<f32>, turns: Vec<Turn>) -> EventBody {
        let direction = Direction::Inbound;
        EventBody::VoiceCall(VoiceCall {
            direction,
            answered,
            duration_ms: 61_500,
            ai_voice: true,
            turns,
            sentiment,
            call_id: None,
        })
    }

    fn message(direction: Direction) -> EventBody {
        EventBody::Message(Message { direction, medium: Medium::Sms, text: None, sentiment: Some(0.5) })
    }

    #[test]
    fn events_that_say_nothing_have_no_figures() {
        let silent = [
            call(false, None, vec![]),
            EventBody::PageView(PageView { page: Page::Home, duration_ms: None, listing_key: None }),
        ];
        for body in silent {
            assert_eq!((body.sentiment(), body.engagement_duration_s()), (None, None));
        }
        assert_eq!(call(true, None, vec![turn(Speaker::Agent, Some(0.9))]).sentiment(), None);
        assert_eq!(message(Direction::Outbound).sentiment(), None);
    }

    #[test]
    fn sentiment_is_the_calls_else_the_mean_of_the_leads_turns_in_tenths() {
        let turns =
            vec![turn(Speaker::Lead, Some(0.3)), turn(Speaker::Agent, Some(1.0)), turn(Speaker::Lead, Some(0.6))];
        assert_eq!(call(true, None, turns.clone()).sentiment(), Some(0.5));
        assert_eq!(call(true, Some(-0.27), turns).sentiment(), Some(-0.3));
        let zero = call(true, Some(-0.04), vec![]).sentiment().unwrap();
        assert!(zero == 0.0 && zero.is_sign_positive());
        assert_eq!(message(Direction::Inbound).sentiment(), Some(0.5));
    }

    #[test]
    fn durations_are_whole_seconds() {
        assert_eq!(call(true, None, vec![]).engagement_duration_s(), Some(62));
        let session = WebSession { duration_ms: 499, page_count: 1, download_count: 0 };
        assert_eq!(EventBody::WebSession(session).engagement_duration_s(), Some(0));
        let page = PageView { page: Page::Home, duration_ms: Some(30_000), listing_key: None };
        assert_eq!(EventBody::PageView(page).engagement_duration_s(), Some(30));
    }
}
