//! How a lead's story goes on after an instant, besides converting: its stage, its silence, its loss.
//!
//! Owns: the lifecycle stage of a lead, reconciled from the CRM and behaviour, and the labels of stage and churn.
//! Invariant: the stage now depends on what had been received by the instant; the labels on what happened in the
//! horizon, as far as it is known. Deliberately absent: features.

use leadscore_domain::{
    Event, EventBody, EventId, Timestamp,
    event::{Direction, EmailAction, OutcomeResult, ShowingAction, Stage, VoiceCall},
};

use crate::features::{Feature, LeadState, Signal};

/// Days before an instant in which a lead must have done something itself to count as active.
pub const ACTIVE_DAYS: i64 = 30;

/// What decides on a lead's stage.
///
/// The CRM's word stands until something happens that only a later stage explains: a held showing, a conversation,
/// an attempt to reach the lead. An end, and a lead put off for later, is taken back by the CRM alone; only a held
/// showing brings a lead back that was put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// What the CRM said last, and when.
    crm: Option<(Timestamp, Option<EventId>, Stage)>,
    shown_at: Option<Timestamp>,
    talked_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
    won: bool,
    lost_at: Option<Timestamp>,
}

impl Standing {
    /// Of all that a state knows.
    #[must_use]
    pub fn of(state: &LeadState) -> Self {
        let lost = state.outcome().filter(|(_, result)| *result == OutcomeResult::Lost);
        Self {
            crm: state.stage_entered().map(|(at, stage)| (at, None, stage)),
            shown_at: state.last(Signal::ShowingHeld),
            talked_at: state.last_inbound_at(),
            tried_at: state.last_outbound_at(),
            won: state.won_at().is_some(),
            lost_at: lost.map(|(at, _)| at),
        }
    }

    /// Adds an event; the order does not matter.
    pub fn add(&mut self, event: &Event) {
        let at = event.occurred_at;
        match &event.body {
            EventBody::StageChanged(change) => {
                let stamp = (at, Some(event.id));
                if self.crm.is_none_or(|(held, id, _)| stamp >= (held, id)) {
                    self.crm = Some((at, Some(event.id), change.stage));
                }
            }
            EventBody::Outcome(outcome) => match outcome.result {
                OutcomeResult::Won => self.won = true,
                OutcomeResult::Lost => self.lost_at = self.lost_at.max(Some(at)),
                OutcomeResult::NoAnswer => {}
            },
            EventBody::Showing(showing) if showing.action == ShowingAction::Held => {
                self.shown_at = self.shown_at.max(Some(at));
                self.talked_at = self.talked_at.max(Some(at));
            }
            EventBody::VoiceCall(call) => self.call(at, call),
            EventBody::Message(message) => self.turn(at, message.direction),
            EventBody::Email(email) => match email.action {
                EmailAction::Sent => self.turn(at, Direction::Outbound),
                EmailAction::Replied => self.turn(at, Direction::Inbound),
                EmailAction::Delivered
                | EmailAction::Opened
                | EmailAction::Clicked
                | EmailAction::Forwarded
                | EmailAction::Bounced
                | EmailAction::Unsubscribed => {}
            },
            EventBody::LeadCreated(_)
            | EventBody::CrmUpdated(_)
            | EventBody::WebSession(_)
            | EventBody::PageView(_)
            | EventBody::PropertySearch(_)
            | EventBody::ListingSaved(_)
            | EventBody::Showing(_)
            | EventBody::AgentAction(_)
            | EventBody::Consent(_)
            | EventBody::LeadMerged(_)
            | EventBody::ProcessingLimit(_)
            // Its call says it.
            | EventBody::CallTurn(_) => {}
        }
    }

    fn call(&mut self, at: Timestamp, call: &VoiceCall) {
        if call.direction == Direction::Outbound {
            self.turn(at, Direction::Outbound);
        }
        if call.direction == Direction::Inbound || call.answered {
            self.turn(at, Direction::Inbound);
        }
    }

    fn turn(&mut self, at: Timestamp, direction: Direction) {
        match direction {
            Direction::Inbound => self.talked_at = self.talked_at.max(Some(at)),
            Direction::Outbound => self.tried_at = self.tried_at.max(Some(at)),
        }
    }

    /// The stage.
    #[must_use]
    pub fn stage(&self) -> Stage {
        if self.won {
            return Stage::Won;
        }
        let (since, stage) = self.crm.map_or((Timestamp::MIN, Stage::New), |(at, _, stage)| (at, stage));
        if self.lost_at.is_some_and(|at| at >= since) {
            return Stage::Lost;
        }
        let later = |at: Option<Timestamp>| at.is_some_and(|at| at > since);
        let (reached, returns) = if later(self.shown_at) {
            (Stage::Showing, true)
        } else if later(self.talked_at) {
            (Stage::Engaged, false)
        } else if later(self.tried_at) {
            (Stage::Contacted, false)
        } else {
            (Stage::New, false)
        };
        match stage {
            Stage::Won | Stage::Lost => stage,
            Stage::Nurturing if returns => reached,
            // Open stages are declared in the order of the pipeline; nurturing comes after all of them.
            Stage::New
            | Stage::Contacted
            | Stage::Engaged
            | Stage::Qualified
            | Stage::Showing
            | Stage::Negotiating
            | Stage::Nurturing => stage.max(reached),
        }
    }
}

/// What became of a lead in the horizon after an instant, besides a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// The stage at the instant.
    pub stage: Stage,
    /// The stage at the end of the horizon; `None` where that is not over.
    pub stage_after: Option<Stage>,
    /// Whether the lead did anything itself in the horizon: visited, searched, wrote, answered.
    pub active_after: bool,
    /// Whether it was lost in the horizon.
    pub lost_after: bool,
}

impl Default for Course {
    /// Nothing is known.
    fn default() -> Self {
        Self { stage: Stage::New, stage_after: None, active_after: false, lost_after: false }
    }
}

impl Course {
    /// Of a lead in `state` at `instant`; `known` are all events that are known today, ends included.
    pub(crate) fn of(state: &LeadState, instant: Timestamp, known: &[&Event], horizon_us: i64, complete: bool) -> Self {
        let end = instant.plus_micros(horizon_us);
        let mut after = Standing::default();
        let mut course = Self { stage: Standing::of(state).stage(), ..Self::default() };
        for event in known.iter().filter(|event| event.occurred_at <= end) {
            after.add(event);
            if event.occurred_at > instant {
                course.active_after |= is_own_activity(&event.body);
                course.lost_after |= is_loss(&event.body);
            }
        }
        course.stage_after = complete.then(|| after.stage());
        course
    }
}

/// Whether a lead is open to churn: it came into being, or did something itself, in the days before the instant.
/// `features` are the fixed ones.
#[must_use]
pub fn is_active(features: &[f32]) -> bool {
    // A missing age of the lead is no activity.
    features[Feature::Activity30d as usize] >= 1.0 || features[Feature::CreatedDays as usize] <= ACTIVE_DAYS as f32
}

/// Whether the lead did it itself.
fn is_own_activity(body: &EventBody) -> bool {
    match body {
        EventBody::WebSession(_)
        | EventBody::PageView(_)
        | EventBody::PropertySearch(_)
        | EventBody::ListingSaved(_) => true,
        EventBody::VoiceCall(call) => call.direction == Direction::Inbound || call.answered,
        EventBody::Message(message) => message.direction == Direction::Inbound,
        EventBody::Email(email) => matches!(
            email.action,
            EmailAction::Opened | EmailAction::Clicked | EmailAction::Forwarded | EmailAction::Replied
        ),
        EventBody::Showing(showing) => {
            matches!(showing.action, ShowingAction::Requested | ShowingAction::Scheduled | ShowingAction::Held)
        }
        EventBody::LeadCreated(_)
        | EventBody::CrmUpdated(_)
        | EventBody::StageChanged(_)
        | EventBody::AgentAction(_)
        | EventBody::Consent(_)
        | EventBody::Outcome(_)
        | EventBody::LeadMerged(_)
        | EventBody::ProcessingLimit(_)
        | EventBody::CallTurn(_) => false,
    }
}

fn is_loss(body: &EventBody) -> bool {
    match body {
        EventBody::Outcome(outcome) => outcome.result == OutcomeResult::Lost,
        EventBody::StageChanged(change) => change.stage == Stage::Lost,
        EventBody::LeadCreated(_)
        | EventBody::CrmUpdated(_)
        | EventBody::VoiceCall(_)
        | EventBody::WebSession(_)
        | EventBody::PageView(_)
        | EventBody::Email(_)
        | EventBody::PropertySearch(_)
        | EventBody::ListingSaved(_)
        | EventBody::Showing(_)
        | EventBody::Message(_)
        | EventBody::AgentAction(_)
        | EventBody::Consent(_)
        | EventBody::LeadMerged(_)
        | EventBody::ProcessingLimit(_)
        | EventBody::CallTurn(_) => false,
    }
}
