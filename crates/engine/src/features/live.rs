//! A call that goes on: what of it is known turn by turn.
//!
//! Owns: the turns and how they stand in for their call. Invariant: as everything in a state, the same for any order of
//! the events; a call counts once: its turns count while it goes on and until it is told as a whole, and for at most
//! [`LIVE_US`] after the last of them. Deliberately absent: what was said; of a turn only numbers stay.

use std::borrow::Cow;

use leadscore_domain::{
    Timestamp,
    event::{CallTurn, Direction, VoiceCall},
    time::HOUR_US,
};
use serde::{Deserialize, Serialize};

use super::{
    LeadState,
    registers::{Recent, hash_text},
};
use crate::conversation::{CallReading, SentimentModel, TurnReading, lasted_ms};

/// How long after its latest turn a call may still go on.
const LIVE_US: i64 = 4 * HOUR_US;
/// Turns kept: of a longer call the latest.
const TURNS: usize = 96;
/// Calls that were told as a whole and are remembered.
const TOLD: usize = 4;

/// Turns of calls that go on, and the calls that are over.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Live {
    turns: Recent<LiveTurn, TURNS>,
    told: Recent<(Timestamp, u64), TOLD>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct LiveTurn {
    at: Timestamp,
    /// Hash of the call's id.
    call: u64,
    inbound: bool,
    ai_voice: bool,
    reading: TurnReading,
}

impl Live {
    /// Adds a turn.
    pub(super) fn turn(&mut self, at: Timestamp, data: &CallTurn) {
        let reading = TurnReading::of(&data.turn, SentimentModel::compiled_in());
        let (call, inbound) = (hash_text(&data.call_id), data.direction == Direction::Inbound);
        self.turns.insert(LiveTurn { at, call, inbound, ai_voice: data.ai_voice, reading });
    }

    /// A call was told as a whole: its turns count no more.
    pub(super) fn told(&mut self, at: Timestamp, call: &VoiceCall) {
        if let Some(id) = &call.call_id {
            self.told.insert((at, hash_text(id)));
        }
    }

    /// Forgets turns that cannot be of a call that goes on, as of the lead's latest event.
    pub(super) fn forget(&mut self, latest: Timestamp) {
        self.turns.drop_while(|turn| latest.since(turn.at) > LIVE_US);
    }

    /// The turns of the call that goes on at an instant, in the call's order.
    fn of(&self, at: Timestamp) -> Vec<&LiveTurn> {
        let Some(latest) = self.turns.latest().filter(|turn| at.since(turn.at) <= LIVE_US) else { return Vec::new() };
        if self.told.as_slice().iter().any(|(_, call)| *call == latest.call) {
            return Vec::new();
        }
        let mut turns: Vec<_> = self.turns.as_slice().iter().filter(|turn| turn.call == latest.call).collect();
        // Stable: where no times within the call are told, it is the order in which they were spoken.
        turns.sort_by_key(|turn| turn.reading.start_ms());
        turns
    }
}

impl LeadState {
    /// The state as it counts at `at`: with the call that goes on then, as far as it has come.
    #[must_use]
    pub fn during(&self, at: Timestamp) -> Cow<'_, Self> {
        let turns = self.live.of(at);
        let (Some(first), Some(last)) = (turns.iter().map(|turn| turn.at).min(), turns.last()) else {
            return Cow::Borrowed(self);
        };
        let readings: Vec<TurnReading> = turns.iter().map(|turn| turn.reading).collect();
        let call = VoiceCall {
            direction: if last.inbound { Direction::Inbound } else { Direction::Outbound },
            answered: true,
            duration_ms: lasted_ms(&readings),
            ai_voice: last.ai_voice,
            turns: Vec::new(),
            sentiment: None,
            call_id: None,
        };
        let mut state = self.clone();
        state.call(first, &call, Some(&CallReading::of(&readings, None)));
        Cow::Owned(state)
    }
}
