//! E-mails, calls, what was said, and the pace of answers on both sides.

use leadscore_domain::{Timestamp, time::DAY_US};

use super::{Row, hours};
use crate::features::{
    LeadState,
    catalogue::Feature,
    signal::Signal,
    state::{Contact, Mood, Way},
};

/// One minute, in milliseconds.
const MINUTE_MS: f64 = 60_000.0;
/// One second, in milliseconds.
const SECOND_MS: f64 = 1_000.0;

pub(super) fn fill(state: &LeadState, row: &mut Row<'_>) {
    row.set_counts(
        state,
        &[
            (Feature::EmailsSent, Signal::EmailSent),
            (Feature::EmailsForwarded, Signal::EmailForwarded),
            (Feature::EmailBounced, Signal::EmailBounced),
            (Feature::CallsOut, Signal::CallOut),
            (Feature::CallsIn, Signal::CallIn),
            (Feature::MessagesIn, Signal::MessageIn),
            (Feature::MessagesOut, Signal::MessageOut),
            (Feature::ViewingAsked, Signal::ViewingAsked),
            (Feature::ObjectionPrice, Signal::ObjectionPrice),
            (Feature::ObjectionFinancing, Signal::ObjectionFinancing),
            (Feature::ObjectionTiming, Signal::ObjectionTiming),
            (Feature::ObjectionCompetitor, Signal::ObjectionCompetitor),
            (Feature::Commitment, Signal::Commitment),
            (Feature::Disinterest, Signal::Disinterest),
            (Feature::OptOut, Signal::OptOut),
            (Feature::AgentListings, Signal::ListingsSent),
            (Feature::AgentShowings, Signal::ShowingOffered),
            (Feature::AgentValuations, Signal::ValuationSent),
        ],
    );
    emails(state, row);
    calls(state, row);
    talk(state, row);
    response(state, row);
    pace(state.contacts.as_slice(), row);
}

fn emails(state: &LeadState, row: &mut Row<'_>) {
    let count = |signal| f64::from(state.count(signal));
    let arrived = count(Signal::EmailSent).max(count(Signal::EmailDelivered));
    row.set_ratio(Feature::EmailOpenRate, count(Signal::EmailOpened), arrived);
    row.set_ratio(Feature::EmailClickRate, count(Signal::EmailClicked), arrived);
    row.set_ratio(Feature::EmailReplyRate, count(Signal::EmailReplied), arrived);
    let unsubscribed = state.count(Signal::EmailUnsubscribed) > 0;
    if unsubscribed || arrived + count(Signal::EmailOpened) + count(Signal::EmailReplied) > 0.0 {
        row.set(Feature::EmailUnsubscribed, f64::from(u8::from(unsubscribed)));
    }
}

fn calls(state: &LeadState, row: &mut Row<'_>) {
    let answered_out = f64::from(state.count(Signal::CallOutAnswered));
    row.set_ratio(Feature::CallAnswerRate, answered_out, f64::from(state.count(Signal::CallOut)));
    let taken_in = f64::from(state.count(Signal::CallIn)) - f64::from(state.count(Signal::CallInMissed));
    let answered = answered_out + taken_in;
    row.set_ratio(Feature::CallMinutesMean, state.sums.call_ms as f64 / MINUTE_MS, answered);
    row.set_ratio(Feature::CallAiShare, f64::from(state.count(Signal::CallByAi)), answered);
    if answered > 0.0 {
        row.set(Feature::CallMinutesMax, f64::from(state.sums.longest_call_ms) / MINUTE_MS);
    }
}

fn talk(state: &LeadState, row: &mut Row<'_>) {
    let sums = &state.sums;
    row.set_some(Feature::SentimentMean, state.sentiment_mean());
    row.set_some(Feature::SentimentLast, state.sentiment_last());
    let moods = state.moods.as_slice();
    let half = moods.len() / 2;
    if half > 0 {
        let mean = |part: &[Mood]| part.iter().map(|mood| f64::from(mood.milli)).sum::<f64>() / half as f64 / 1_000.0;
        row.set(Feature::SentimentTrend, mean(&moods[moods.len() - half..]) - mean(&moods[..half]));
    }
    let speech = sums.lead_speech_ms as f64 + sums.agent_speech_ms as f64;
    row.set_ratio(Feature::LeadTalkShare, sums.lead_speech_ms as f64, speech);
    let conversations = f64::from(sums.conversations);
    row.set_ratio(Feature::QuestionsPerTalk, f64::from(sums.questions), conversations);
    row.set_ratio(Feature::AgentQuestions, f64::from(sums.agent_questions), conversations);
    row.set_ratio(Feature::LeadWords, sums.lead_words as f64, conversations);
    let platform_moods = f64::from(sums.platform_moods) * 1_000.0;
    row.set_ratio(Feature::PlatformSentimentMean, sums.platform_mood_milli as f64, platform_moods);
    let platform_mood = state.platform_mood.latest().map(|mood| f64::from(mood.milli) / 1_000.0);
    row.set_some(Feature::PlatformSentimentLast, platform_mood);
    row.set_ratio(Feature::SentimentCallTrend, sums.trend_milli as f64, f64::from(sums.trends) * 1_000.0);
    let (lead_replies, agent_replies) = (f64::from(sums.lead_replies), f64::from(sums.agent_replies));
    row.set_ratio(Feature::LeadPauseSeconds, sums.lead_pause_ms as f64, lead_replies * SECOND_MS);
    row.set_ratio(Feature::AgentPauseSeconds, sums.agent_pause_ms as f64, agent_replies * SECOND_MS);
    row.set_ratio(Feature::LeadInterruptShare, f64::from(sums.lead_interruptions), lead_replies);
    row.set_ratio(Feature::AgentInterruptShare, f64::from(sums.agent_interruptions), agent_replies);
    row.set_days_since(Feature::OptOutDays, state.opted_out_at());
}

fn response(state: &LeadState, row: &mut Row<'_>) {
    row.set_days_since(Feature::ContactDays, state.last_contact_at());
    let Some(created) = state.created_at() else { return };
    match state.first_response_at {
        Some(response) => row.set(Feature::FirstResponseHours, hours(response.since(created).max(0))),
        None => row.set(Feature::UnansweredHours, hours(row.age_us(created))),
    }
}

/// Time that one side took, over its answers.
#[derive(Default)]
struct Answers {
    us: i64,
    count: u32,
}

impl Answers {
    /// Counts the answer at `at` to what has waited since `since`, if anything has.
    fn add(&mut self, since: &mut Option<Timestamp>, at: Timestamp) {
        if let Some(since) = since.take() {
            self.us += at.since(since);
            self.count += 1;
        }
    }

    fn mean_hours(&self) -> Option<f64> {
        (self.count > 0).then(|| hours(self.us) / f64::from(self.count))
    }
}

/// Walks through the latest contacts: who waits for whom since when.
fn pace(contacts: &[Contact], row: &mut Row<'_>) {
    let (mut by_agent, mut by_lead) = (Answers::default(), Answers::default());
    let (mut lead_waits, mut agent_waits): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    let (mut runs, mut unanswered, mut attempts) = (0u32, 0u32, 0u32);
    for contact in contacts {
        match contact.way {
            Way::Outbound => {
                by_agent.add(&mut lead_waits, contact.at);
                runs += u32::from(agent_waits.is_none());
                agent_waits = Some(contact.at);
                unanswered += 1;
                attempts += 1;
            }
            Way::Inbound => {
                by_lead.add(&mut agent_waits, contact.at);
                lead_waits = lead_waits.or(Some(contact.at));
                unanswered = 0;
            }
            Way::Talk => {
                by_agent.add(&mut lead_waits, contact.at);
                by_lead.add(&mut agent_waits, contact.at);
                unanswered = 0;
                attempts += 1;
            }
        }
    }
    row.set_some(Feature::AgentReplyHours, by_agent.mean_hours());
    row.set_some(Feature::AgentWaitHours, lead_waits.map(|since| hours(row.age_us(since))));
    row.set_some(Feature::LeadReplyHours, by_lead.mean_hours());
    row.set_ratio(Feature::LeadReplyShare, f64::from(by_lead.count), f64::from(runs));
    if attempts > 0 {
        row.set(Feature::UnansweredRun, f64::from(unanswered));
    }
    if let [first, .., last] = contacts {
        let gaps = (contacts.len() - 1) as f64;
        row.set(Feature::ContactGapDays, last.at.since(first.at) as f64 / DAY_US as f64 / gaps);
    }
}
