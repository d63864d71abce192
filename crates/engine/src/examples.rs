//! Training examples: a lead at an instant, with only what had been received by then.
//!
//! Owns: which instants, what is visible at each, and the label. Invariant: whether an instant is drawn depends on
//! the past of that instant alone (apart from the lead being open), so that an example's chance of a conversion is
//! that of a lead scored then; nothing received later changes its features. Deliberately absent: the person; an
//! example carries a token.

use leadscore_domain::{
    AttributeValue, Event, EventBody, Timestamp,
    event::{OutcomeResult, Stage},
    time::DAY_US,
};

use crate::{
    features::{self, CHANNEL, FEATURES, LeadState, Market, mix},
    predictions::Course,
};

/// How long after the latest event a lead still counts as open, in microseconds.
const OPEN_AFTER_EVENT_US: i64 = 60 * DAY_US;
/// Instants between events are drawn up to this age of the lead, in microseconds; younger ages are more likely.
const AGE_MAX_US: i64 = 120 * DAY_US;
/// Receipts are drawn among this many first ones; earlier ones are more likely.
const RECEIPTS_MAX: u64 = 48;

/// How examples are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExampleOptions {
    /// How far ahead the label looks, in microseconds.
    pub horizon_us: i64,
    /// Until when everything is known: events received later do not exist.
    pub known_until: Timestamp,
    /// Most examples of one lead.
    pub per_lead: usize,
    /// Seed of the instants.
    pub seed: u64,
}

impl ExampleOptions {
    /// Four examples a lead, with a horizon of 30 days.
    #[must_use]
    pub const fn new(known_until: Timestamp) -> Self {
        Self { horizon_us: 30 * DAY_US, known_until, per_lead: 4, seed: 0 }
    }
}

/// What is known of the horizon after an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// How much of the horizon is over, in microseconds: from 0 to the whole of it.
    pub followed_us: i64,
    /// Whether the whole horizon is over.
    pub complete: bool,
    /// How long after the instant the lead converted, in microseconds, above 0 and at most `followed_us`; `None` where
    /// it did not so far.
    pub converted_after_us: Option<i64>,
}

impl Observed {
    /// Of a horizon that is over.
    #[must_use]
    pub const fn complete(horizon_us: i64, converted_after_us: Option<i64>) -> Self {
        Self { followed_us: horizon_us, complete: true, converted_after_us }
    }

    /// The same as it was known `followed_us` after the instant, which is not after what is known now.
    #[must_use]
    pub fn by(&self, followed_us: i64) -> Self {
        Self {
            followed_us: followed_us.clamp(0, self.followed_us),
            complete: self.complete && followed_us >= self.followed_us,
            converted_after_us: self.converted_after_us.filter(|after| *after <= followed_us),
        }
    }

    /// Whether the lead converted in the horizon; `None` where that is not over, whatever has happened in it so far:
    /// to keep the early wins alone would make the latest weeks look like all wins.
    #[must_use]
    pub fn label(&self) -> Option<bool> {
        self.complete.then_some(self.converted_after_us.is_some())
    }
}

/// A lead at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Token of the lead; says nothing about the person.
    pub lead: u64,
    /// The instant.
    pub instant: Timestamp,
    /// What is known of the horizon after the instant.
    pub observed: Observed,
    /// How the lead's story went on in the horizon.
    pub course: Course,
    /// The fixed features, in the order of [`FEATURES`].
    pub features: Vec<f32>,
    /// Custom attributes at the instant, by name, and the channel.
    pub attributes: Vec<(String, AttributeValue)>,
}

/// The examples of one lead, by instant.
///
/// The first is the moment at which the lead was first received. Up to `per_lead − 1` follow, fixed by `seed` and
/// `token`: half of them receipts of events, half moments in between, none of them before anything but the lead's
/// creation is known, nor at or after the receipt or the time of a win, the receipt of a loss, or 60 days without an
/// event.
#[must_use]
pub fn snapshots(token: u64, events: &[Event], market: &Market, options: &ExampleOptions) -> Vec<Snapshot> {
    let mut known: Vec<&Event> = events.iter().filter(|event| event.received_at <= options.known_until).collect();
    known.sort_unstable_by_key(|event| (event.received_at, event.id));
    let ending = Ending::of(&known);
    let visible: Vec<&Event> = known.iter().copied().filter(|event| !tells_the_end(event)).collect();
    let mut state = LeadState::default();
    let mut folded = 0;
    let mut snapshots = Vec::new();
    for instant in instants(token, &visible, &ending, options) {
        let received = visible.partition_point(|event| event.received_at <= instant);
        for event in &visible[folded..received] {
            state.apply(event);
        }
        folded = received;
        let observed = ending.observed(instant, options);
        let course = Course::of(&state, instant, &known, options.horizon_us, observed.complete);
        snapshots.push(Snapshot { observed, course, ..take(token, &state, instant, market) });
    }
    snapshots
}

/// What is known of a lead at an instant; of the time after it, nothing.
fn take(token: u64, state: &LeadState, instant: Timestamp, market: &Market) -> Snapshot {
    let state = &*state.during(instant);
    let mut features = vec![f32::NAN; FEATURES.len()];
    features::compute(state, instant, market, &mut features);
    let mut attributes: Vec<(String, AttributeValue)> =
        state.attributes().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    if let Some(channel) = state.channel()
        && let Err(place) = attributes.binary_search_by(|(name, _)| name.as_str().cmp(CHANNEL))
    {
        attributes.insert(place, (CHANNEL.to_owned(), AttributeValue::Category(channel.to_owned())));
    }
    let observed = Observed { followed_us: 0, complete: false, converted_after_us: None };
    Snapshot { lead: token, instant, observed, course: Course::default(), features, attributes }
}

/// How a lead ended, as far as it is known.
struct Ending {
    /// When wins happened.
    won_at: Vec<Timestamp>,
    /// Nothing at or after this is an open lead any more.
    closed_at: Timestamp,
}

impl Ending {
    fn of(known: &[&Event]) -> Self {
        let mut ending = Self { won_at: Vec::new(), closed_at: Timestamp::MAX };
        for event in known {
            if won(event) {
                ending.won_at.push(event.occurred_at);
                ending.closed_at = ending.closed_at.min(event.occurred_at);
            }
            if tells_the_end(event) {
                ending.closed_at = ending.closed_at.min(event.received_at);
            }
        }
        ending
    }

    fn observed(&self, instant: Timestamp, options: &ExampleOptions) -> Observed {
        let followed_us = options.known_until.since(instant).min(options.horizon_us);
        let delays = self.won_at.iter().map(|won_at| won_at.since(instant));
        Observed {
            followed_us,
            complete: followed_us == options.horizon_us,
            converted_after_us: delays.filter(|delay| (1..=followed_us).contains(delay)).min(),
        }
    }
}

fn won(event: &Event) -> bool {
    matches!(&event.body, EventBody::Outcome(outcome) if outcome.result == OutcomeResult::Won)
}

/// Whether an event says how the lead ended, and so must not be seen by a feature.
fn tells_the_end(event: &Event) -> bool {
    match &event.body {
        EventBody::Outcome(outcome) => matches!(outcome.result, OutcomeResult::Won | OutcomeResult::Lost),
        EventBody::StageChanged(change) => matches!(change.stage, Stage::Won | Stage::Lost),
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

/// Whether an event only says that the lead exists, or what became of it.
fn administrative(event: &Event) -> bool {
    matches!(
        event.body,
        EventBody::LeadCreated(_)
            | EventBody::Consent(_)
            | EventBody::LeadMerged(_)
            | EventBody::Outcome(_)
            | EventBody::ProcessingLimit(_)
    )
}

/// The instants of a lead, ascending and distinct; `visible` by time of receipt.
fn instants(token: u64, visible: &[&Event], ending: &Ending, options: &ExampleOptions) -> Vec<Timestamp> {
    let Some(first) = visible.first().map(|event| event.received_at) else { return Vec::new() };
    // An import may bring the end together with the lead: what happened later is still a later thing.
    let won_before = ending.won_at.iter().any(|won_at| *won_at <= first);
    if won_before || options.per_lead == 0 {
        return Vec::new();
    }
    let mut instants = vec![first];
    for draw in 0..options.per_lead - 1 {
        let instant = if draw % 2 == 0 {
            // Later events do not move the places of earlier ones, so the draw does not look ahead.
            let place = 1 + (skewed(options.seed, token, draw) * RECEIPTS_MAX as f64) as usize;
            visible.get(place).map(|event| event.received_at)
        } else {
            let age = (skewed(options.seed, token, draw) * AGE_MAX_US as f64) as i64;
            Some(first.plus_micros(age))
        };
        instants.extend(instant.filter(|instant| is_open(*instant, visible, ending, options)));
    }
    instants.sort_unstable();
    instants.dedup();
    instants
}

fn is_open(instant: Timestamp, visible: &[&Event], ending: &Ending, options: &ExampleOptions) -> bool {
    let received = visible.partition_point(|event| event.received_at <= instant);
    let visible = &visible[..received];
    // A lead of which only its creation is known has nothing new to say after its first moment.
    let eventful = visible.iter().any(|event| !administrative(event));
    let latest = visible.last().map(|event| event.received_at);
    instant < ending.closed_at
        && instant <= options.known_until
        && eventful
        && latest.is_some_and(|latest| instant.since(latest) <= OPEN_AFTER_EVENT_US)
}

/// A number in [0, 1), the square of a uniform one.
fn skewed(seed: u64, token: u64, draw: usize) -> f64 {
    let bits = mix(mix(mix(seed) ^ token) ^ draw as u64);
    let uniform = (bits >> 11) as f64 / (1u64 << 53) as f64;
    uniform * uniform
}
