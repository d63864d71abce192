//! What is counted about a lead, each with the time of the latest.

use leadscore_domain::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! signals {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Something countable that happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Signal {
            $($(#[$doc])* $name,)*
        }

        impl Signal {
            /// Every signal, in the order of the state's bytes: append only.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

signals! {
    /// A call to the lead, answered or not.
    CallOut,
    /// A call to the lead that was answered.
    CallOutAnswered,
    /// A call to the lead that was not answered.
    CallOutMissed,
    /// A call from the lead.
    CallIn,
    /// A call from the lead that nobody took.
    CallInMissed,
    /// An answered call whose agent was an artificial voice.
    CallByAi,
    /// A finished visit to the web site.
    WebSession,
    /// A page view.
    PageView,
    /// A view of a listing.
    PageListing,
    /// A view of a financing page.
    PageFinancing,
    /// A view of the valuation page.
    PageValuation,
    /// A view of the contact page.
    PageContact,
    /// An e-mail was sent to the lead.
    EmailSent,
    /// An e-mail arrived.
    EmailDelivered,
    /// An e-mail was opened.
    EmailOpened,
    /// A link in an e-mail was clicked.
    EmailClicked,
    /// An e-mail was forwarded.
    EmailForwarded,
    /// An e-mail was answered.
    EmailReplied,
    /// An e-mail was refused by the mail server.
    EmailBounced,
    /// The lead wants no more e-mail.
    EmailUnsubscribed,
    /// A search for homes to buy.
    SearchBuy,
    /// A search for homes to rent.
    SearchRent,
    /// A listing was saved.
    ListingSaved,
    /// A showing was requested.
    ShowingRequested,
    /// A showing was scheduled.
    ShowingScheduled,
    /// A showing was held.
    ShowingHeld,
    /// A showing was cancelled.
    ShowingCancelled,
    /// The lead did not come to a showing.
    ShowingNoShow,
    /// A message from the lead.
    MessageIn,
    /// A message to the lead.
    MessageOut,
    /// An action of the agent.
    AgentAction,
    /// The agent sent listings.
    ListingsSent,
    /// The agent offered a showing.
    ShowingOffered,
    /// The agent sent a valuation.
    ValuationSent,
    /// Fields changed in the CRM.
    CrmUpdated,
    /// The lead moved to another open stage.
    StageChanged,
    /// A conversation in which the lead asked to see a home.
    ViewingAsked,
    /// A conversation in which the lead objected to a price.
    ObjectionPrice,
    /// A conversation in which the lead raised financing.
    ObjectionFinancing,
    /// A conversation in which the lead put things off.
    ObjectionTiming,
    /// A conversation in which the lead committed to a step.
    Commitment,
    /// A conversation in which the lead declined.
    Disinterest,
    /// A conversation of negative sentiment.
    NegativeMood,
    /// A conversation in which the lead spoke of selling a home of its own.
    SellingTalk,
    /// A conversation in which the lead spoke of renting a home.
    RentingTalk,
    /// A conversation in which the lead spoke of a home as an investment.
    InvestingTalk,
    /// A conversation in which the lead spoke of another agent or company.
    ObjectionCompetitor,
    /// A conversation in which the lead asked not to be contacted.
    OptOut,
}

/// Number of [`Signal`]s.
pub(super) const SIGNALS: usize = Signal::ALL.len();

/// How often and when last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) count: u32,
    pub(super) last: Timestamp,
}

/// A tally of every signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tallies([Tally; SIGNALS]);

impl Default for Tallies {
    fn default() -> Self {
        Self([Tally::default(); SIGNALS])
    }
}

impl Tallies {
    pub(super) fn add(&mut self, signal: Signal, at: Timestamp) {
        let tally = &mut self.0[signal as usize];
        tally.last = if tally.count == 0 { at } else { tally.last.max(at) };
        tally.count = tally.count.saturating_add(1);
    }

    pub(super) fn count(&self, signal: Signal) -> u32 {
        self.0[signal as usize].count
    }

    pub(super) fn last(&self, signal: Signal) -> Option<Timestamp> {
        let tally = self.0[signal as usize];
        (tally.count > 0).then_some(tally.last)
    }

    /// The latest of several signals.
    pub(super) fn latest(&self, signals: &[Signal]) -> Option<Timestamp> {
        signals.iter().filter_map(|signal| self.last(*signal)).max()
    }
}

impl Serialize for Tallies {
    /// Only signals that were seen.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seen: Vec<(u8, u32, Timestamp)> = (0u8..)
            .zip(&self.0)
            .filter(|(_, tally)| tally.count > 0)
            .map(|(signal, tally)| (signal, tally.count, tally.last))
            .collect();
        seen.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Tallies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut tallies = Self::default();
        for (signal, count, last) in Vec::<(u8, u32, Timestamp)>::deserialize(deserializer)? {
            let tally = tallies
                .0
                .get_mut(usize::from(signal))
                .ok_or_else(|| serde::de::Error::custom("a signal that this program does not know"))?;
            *tally = Tally { count, last };
        }
        Ok(tallies)
    }
}
