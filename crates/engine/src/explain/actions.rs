//! What each action would bring into a lead's history, and whether it may be done.
//!
//! Owns: the hypothetical events, and the lead's own statements about calls and e-mail. Invariant: an action that the
//! lead does not want is not proposed. Deliberately absent: calling hours and registers, which decide once more before
//! a call is made.

use leadscore_domain::{
    Action, ConsentState, Event, EventBody, EventId, LeadId, Purpose, Timestamp,
    event::{
        AgentAction, AgentActionKind, Direction, Email, EmailAction, Page, PageView, Showing, ShowingAction, VoiceCall,
    },
};

use crate::features::{LeadState, Signal};

/// Length of a call that is only supposed, in milliseconds: four minutes.
const CALL_MS: u32 = 240_000;
/// Sentiment of a call that goes well, −1 to 1.
const FRIENDLY: f32 = 0.3;

/// By which ways an agent may turn to a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions {
    /// Calls by a person.
    pub call: bool,
    /// E-mail.
    pub email: bool,
}

impl Permissions {
    /// What the lead's statements permit; where there is none, `unstated` decides. A withdrawal, a wish in a
    /// conversation not to be contacted, and an unsubscription for e-mail, forbid whatever else is said; e-mail that
    /// bounced last cannot arrive.
    #[must_use]
    pub fn of(state: &LeadState, unstated: bool) -> Self {
        let stated = |purpose| match state.consent(purpose) {
            Some((ConsentState::Granted, _)) => true,
            Some((ConsentState::Withdrawn, _)) => false,
            None => unstated,
        };
        let refused = state.count(Signal::EmailUnsubscribed) > 0;
        let bounced = state.last(Signal::EmailBounced).is_some_and(|at| state.last(Signal::EmailOpened) <= Some(at));
        let left_alone = state.opted_out_at().is_some();
        Self {
            call: stated(Purpose::CallByPerson) && !left_alone,
            email: stated(Purpose::Email) && !left_alone && !refused && !bounced,
        }
    }
}

/// What happens if the action succeeds, and if it fails.
pub(super) fn variants(action: Action, permissions: Permissions) -> [Vec<EventBody>; 2] {
    let answered = || call(true, None);
    let sent = || email(EmailAction::Sent);
    match action {
        Action::Call => [vec![answered()], vec![call(false, None)]],
        Action::FollowUp if permissions.call => [vec![answered()], vec![call(false, None)]],
        Action::FollowUp => [vec![sent(), email(EmailAction::Replied)], vec![sent()]],
        Action::RepairCall => [vec![call(true, Some(FRIENDLY))], vec![call(false, None)]],
        Action::SendListings => {
            let send = || vec![sent(), agent(AgentActionKind::ListingsSent)];
            [with(send(), [email(EmailAction::Opened), email(EmailAction::Clicked)]), send()]
        }
        Action::OfferShowing => {
            let offer = || vec![agent(AgentActionKind::ShowingOffered)];
            [with(offer(), [showing(ShowingAction::Scheduled), showing(ShowingAction::Held)]), offer()]
        }
        Action::SendValuation => {
            let send = || vec![sent(), agent(AgentActionKind::ValuationSent)];
            [with(send(), [email(EmailAction::Opened), page(Page::Valuation)]), send()]
        }
        Action::FinancingHelp => {
            let send = || vec![sent()];
            [with(send(), [email(EmailAction::Opened), page(Page::Financing)]), send()]
        }
    }
}

/// The state in which `events` have happened at `at` as well.
pub(super) fn suppose(state: &LeadState, events: Vec<EventBody>, at: Timestamp) -> LeadState {
    let mut supposed = state.clone();
    for (place, body) in events.into_iter().enumerate() {
        let id = EventId::derive("supposed", &place.to_string());
        let lead_id = LeadId(id.0);
        supposed.apply(&Event { id, lead_id, source: "supposed".to_owned(), occurred_at: at, received_at: at, body });
    }
    supposed
}

fn with(mut first: Vec<EventBody>, more: [EventBody; 2]) -> Vec<EventBody> {
    first.extend(more);
    first
}

fn call(answered: bool, sentiment: Option<f32>) -> EventBody {
    EventBody::VoiceCall(VoiceCall {
        direction: Direction::Outbound,
        answered,
        duration_ms: if answered { CALL_MS } else { 0 },
        ai_voice: false,
        turns: Vec::new(),
        sentiment,
        call_id: None,
    })
}

fn email(action: EmailAction) -> EventBody {
    EventBody::Email(Email { action, message_id: None })
}

fn agent(action: AgentActionKind) -> EventBody {
    EventBody::AgentAction(AgentAction { action, agent_id: None })
}

fn showing(action: ShowingAction) -> EventBody {
    EventBody::Showing(Showing { action, listing_key: None, price: None, scheduled_for: None })
}

fn page(page: Page) -> EventBody {
    EventBody::PageView(PageView { page, duration_ms: None, listing_key: None })
}
