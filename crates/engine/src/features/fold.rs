//! One event into a lead's state.
//!
//! Owns: which event changes what. Invariant: commutative: nothing read from the state decides what is added to it,
//! except through minimum, maximum and stamps. Deliberately absent: checks; an event that exists is valid.

use leadscore_domain::{
    Attributes, Consent, Event, EventBody, LegalBasis, ProcessingLimit, Purpose, Timestamp,
    event::{
        AgentAction, AgentActionKind, Deal, Direction, Email, EmailAction, LeadCreated, ListingSaved, Message, Outcome,
        OutcomeResult, Page, PageView, PropertySearch, PropertyType, Showing, ShowingAction, Stage, VoiceCall,
        WebSession,
    },
    time::HOUR_US,
};

use super::{
    LeadState,
    registers::{Pulse, Stamp, hash_text},
    signal::Signal,
    state::{Call, Contact, Mood, SEARCH_AREAS, Search, Way},
    zone::Zone,
};
use crate::conversation::{self, CallReading, SentimentModel};

impl LeadState {
    /// Folds an event into the state. The same events in any order give the same state; an event that is applied
    /// twice counts twice.
    pub fn apply(&mut self, event: &Event) {
        let at = event.occurred_at;
        let stamp = Stamp { at, id: event.id };
        widen(&mut self.first_at, &mut self.last_at, at);
        let kind = &mut self.kinds[event.body.kind() as usize];
        *kind = kind.saturating_add(1);
        if !matches!(event.body, EventBody::Outcome(_)) {
            lower(&mut self.origin_at, at);
        }
        match &event.body {
            EventBody::LeadCreated(data) => self.created(stamp, data),
            EventBody::CrmUpdated(data) => {
                self.tallies.add(Signal::CrmUpdated, at);
                self.set_attributes(stamp, &data.attributes);
            }
            EventBody::StageChanged(data) => self.stage_changed(stamp, data.stage),
            EventBody::VoiceCall(data) => self.voice_call(at, data),
            EventBody::CallTurn(data) => self.live.turn(at, data),
            EventBody::WebSession(data) => self.web_session(at, data),
            EventBody::PageView(data) => self.page_view(at, data),
            EventBody::Email(data) => self.email(at, data),
            EventBody::PropertySearch(data) => self.property_search(stamp, data),
            EventBody::ListingSaved(data) => self.listing_saved(at, data),
            EventBody::Showing(data) => self.showing(at, data),
            EventBody::Message(data) => self.message(at, data),
            EventBody::AgentAction(data) => self.agent_action(at, data),
            EventBody::Consent(data) => self.set_consent(stamp, data),
            EventBody::ProcessingLimit(data) => self.set_limit(stamp, data),
            EventBody::Outcome(data) => self.set_outcome(stamp, data),
            // The absorbed lead's own events are folded into this state as well.
            EventBody::LeadMerged(_) => {}
        }
        if let Some(latest) = self.last_at {
            self.live.forget(latest);
        }
    }

    fn created(&mut self, stamp: Stamp, data: &LeadCreated) {
        lower(&mut self.created_at, stamp.at);
        if let Some(channel) = &data.channel {
            self.channel.set(stamp, channel.clone());
        }
        if let Some(zone) = data.time_zone.as_deref().and_then(Zone::find)
            && self.zone.set(stamp, zone)
        {
            self.refresh_habits();
        }
        self.set_attributes(stamp, &data.attributes);
        for consent in &data.consents {
            self.set_consent(stamp, consent);
        }
    }

    fn set_attributes(&mut self, stamp: Stamp, attributes: &Attributes) {
        for (name, value) in attributes {
            self.attributes.set(stamp, name, value.as_ref());
        }
    }

    fn set_consent(&mut self, stamp: Stamp, data: &Consent) {
        self.consents[data.purpose as usize].set(stamp, (data.state, data.basis));
        if data.purpose == Purpose::Profiling && data.basis == LegalBasis::Consent {
            self.profiling_consent.set(stamp, data.state);
        }
    }

    fn set_limit(&mut self, stamp: Stamp, data: &ProcessingLimit) {
        self.limits[data.limit as usize].set(stamp, data.state);
    }

    fn set_outcome(&mut self, stamp: Stamp, data: &Outcome) {
        self.outcome.set(stamp, data.result);
        if data.result == OutcomeResult::Won {
            lower(&mut self.won_at, stamp.at);
        }
    }

    fn stage_changed(&mut self, stamp: Stamp, stage: Stage) {
        self.stage.set(stamp, stage);
        if !matches!(stage, Stage::Won | Stage::Lost) {
            self.open_stage.set(stamp, stage);
            self.tallies.add(Signal::StageChanged, stamp.at);
        }
    }

    fn voice_call(&mut self, at: Timestamp, data: &VoiceCall) {
        self.live.told(at, data);
        let reading = data.answered.then(|| conversation::read_call(data, SentimentModel::compiled_in()).0);
        self.call(at, data, reading.as_ref());
    }

    /// Adds a call; `reading` is what was said, where somebody answered.
    pub(super) fn call(&mut self, at: Timestamp, data: &VoiceCall, reading: Option<&CallReading>) {
        match (data.direction, data.answered) {
            (Direction::Outbound, true) => {
                self.tallies.add(Signal::CallOut, at);
                self.tallies.add(Signal::CallOutAnswered, at);
                self.contact(at, Way::Talk, Pulse::Talk);
            }
            (Direction::Outbound, false) => {
                self.tallies.add(Signal::CallOut, at);
                self.tallies.add(Signal::CallOutMissed, at);
                self.contact(at, Way::Outbound, Pulse::Outbound);
            }
            (Direction::Inbound, true) => {
                self.tallies.add(Signal::CallIn, at);
                self.contact(at, Way::Talk, Pulse::Inbound);
            }
            (Direction::Inbound, false) => {
                self.tallies.add(Signal::CallIn, at);
                self.tallies.add(Signal::CallInMissed, at);
                self.contact(at, Way::Inbound, Pulse::Inbound);
            }
        }
        if data.direction == Direction::Outbound {
            self.outbound_call(Call { at, answered: data.answered });
        }
        if let Some(reading) = reading {
            if data.ai_voice {
                self.tallies.add(Signal::CallByAi, at);
            }
            self.sums.call_ms = self.sums.call_ms.saturating_add(data.duration_ms.into());
            self.sums.longest_call_ms = self.sums.longest_call_ms.max(data.duration_ms);
            self.talked(at, reading);
        }
    }

    fn outbound_call(&mut self, call: Call) {
        let pushes_out = self.calls.is_full();
        self.calls.insert(call);
        if pushes_out {
            self.refresh_habits();
        } else if let Some(zone) = self.zone() {
            self.habits.add(zone, call);
        }
    }

    fn message(&mut self, at: Timestamp, data: &Message) {
        match data.direction {
            Direction::Inbound => {
                self.tallies.add(Signal::MessageIn, at);
                self.contact(at, Way::Inbound, Pulse::Inbound);
                self.talked(at, &conversation::read_message(data, SentimentModel::compiled_in()));
            }
            Direction::Outbound => {
                self.tallies.add(Signal::MessageOut, at);
                self.contact(at, Way::Outbound, Pulse::Outbound);
            }
        }
    }

    fn talked(&mut self, at: Timestamp, reading: &CallReading) {
        self.sums.talked(reading);
        if let Some(milli) = reading.sentiment_milli.or(reading.platform_milli) {
            self.moods.insert(Mood { at, milli });
        }
        if let Some(milli) = reading.platform_milli {
            self.platform_mood.insert(Mood { at, milli });
        }
        if reading.mood_milli().is_some_and(|milli| milli <= conversation::NEGATIVE_MILLI) {
            self.tallies.add(Signal::NegativeMood, at);
        }
        for (signal, _) in reading.topics() {
            self.tallies.add(signal, at);
        }
    }

    fn contact(&mut self, at: Timestamp, way: Way, pulse: Pulse) {
        self.contacts.insert(Contact { at, way });
        if way != Way::Inbound {
            lower(&mut self.first_response_at, at);
        }
        self.pulse(at, pulse);
    }

    fn pulse(&mut self, at: Timestamp, pulse: Pulse) {
        self.days.add(at.day(), pulse);
        self.hours.add(hour_index(at), pulse);
    }

    fn web_session(&mut self, at: Timestamp, data: &WebSession) {
        self.tallies.add(Signal::WebSession, at);
        self.pulse(at, Pulse::Web);
        let sums = &mut self.sums;
        sums.session_ms = sums.session_ms.saturating_add(data.duration_ms.into());
        sums.longest_session_ms = sums.longest_session_ms.max(data.duration_ms);
        sums.session_pages = sums.session_pages.saturating_add(data.page_count.into());
        sums.downloads = sums.downloads.saturating_add(data.download_count.into());
    }

    fn page_view(&mut self, at: Timestamp, data: &PageView) {
        self.tallies.add(Signal::PageView, at);
        self.pulse(at, Pulse::Web);
        match data.page {
            Page::Listing => self.tallies.add(Signal::PageListing, at),
            Page::Financing => self.tallies.add(Signal::PageFinancing, at),
            Page::Valuation => self.tallies.add(Signal::PageValuation, at),
            Page::Contact => self.tallies.add(Signal::PageContact, at),
            Page::Home | Page::Results | Page::Guide | Page::Other => {}
        }
        self.sums.page_ms = self.sums.page_ms.saturating_add(data.duration_ms.unwrap_or_default().into());
        self.see_listing(data.listing_key.as_deref());
    }

    fn see_listing(&mut self, key: Option<&str>) {
        if let Some(key) = key {
            // 32 bits tell one lead's listings apart and take half the bytes.
            self.listings.add(hash_text(key) >> 32);
        }
    }

    fn email(&mut self, at: Timestamp, data: &Email) {
        match data.action {
            EmailAction::Sent => {
                self.tallies.add(Signal::EmailSent, at);
                self.contact(at, Way::Outbound, Pulse::Outbound);
            }
            EmailAction::Replied => {
                self.tallies.add(Signal::EmailReplied, at);
                self.contact(at, Way::Inbound, Pulse::Inbound);
            }
            EmailAction::Opened => self.mail_reaction(at, Signal::EmailOpened),
            EmailAction::Clicked => self.mail_reaction(at, Signal::EmailClicked),
            EmailAction::Forwarded => self.mail_reaction(at, Signal::EmailForwarded),
            EmailAction::Delivered => self.tallies.add(Signal::EmailDelivered, at),
            EmailAction::Bounced => self.tallies.add(Signal::EmailBounced, at),
            EmailAction::Unsubscribed => self.tallies.add(Signal::EmailUnsubscribed, at),
        }
    }

    fn mail_reaction(&mut self, at: Timestamp, signal: Signal) {
        self.tallies.add(signal, at);
        self.pulse(at, Pulse::Email);
    }

    fn property_search(&mut self, stamp: Stamp, data: &PropertySearch) {
        let at = stamp.at;
        let rent = matches!(data.deal, Deal::Rent);
        self.tallies.add(if rent { Signal::SearchRent } else { Signal::SearchBuy }, at);
        self.pulse(at, Pulse::Search);
        let search = Search {
            at,
            rent,
            price_min: data.price_min,
            price_max: data.price_max,
            areas: u8::try_from(data.areas.len()).unwrap_or(u8::MAX),
            types: data.property_types.iter().fold(0, |bits, kind| bits | type_bit(*kind)),
            bedrooms: data.bedrooms_min,
        };
        if let Some(centre) = search.centre() {
            self.sums.centre = self.sums.centre.saturating_add(centre.unsigned_abs());
            self.sums.centres = self.sums.centres.saturating_add(1);
        }
        self.sums.types |= search.types;
        self.first_search = Some(self.first_search.map_or(search, |first| first.min(search)));
        self.searches.insert(search);
        let hashes: Vec<u64> = data.areas.iter().map(|area| hash_text(area)).collect();
        for hash in &hashes {
            self.areas.add(*hash);
        }
        if !hashes.is_empty() {
            self.search_areas.set(stamp, hashes.into_iter().take(SEARCH_AREAS).collect());
        }
    }

    fn listing_saved(&mut self, at: Timestamp, data: &ListingSaved) {
        self.tallies.add(Signal::ListingSaved, at);
        self.pulse(at, Pulse::Search);
        self.see_listing(Some(&data.listing_key));
        if let Some(price) = data.price {
            self.sums.saved_price = self.sums.saved_price.saturating_add(price.unsigned_abs());
            self.sums.saved_prices = self.sums.saved_prices.saturating_add(1);
        }
        if let Some(area) = &data.area {
            self.areas.add(hash_text(area));
        }
        self.sums.types |= data.property_type.map_or(0, type_bit);
    }

    fn showing(&mut self, at: Timestamp, data: &Showing) {
        let signal = match data.action {
            ShowingAction::Requested => Signal::ShowingRequested,
            ShowingAction::Scheduled => Signal::ShowingScheduled,
            ShowingAction::Held => Signal::ShowingHeld,
            ShowingAction::Cancelled => Signal::ShowingCancelled,
            ShowingAction::NoShow => Signal::ShowingNoShow,
        };
        self.tallies.add(signal, at);
        if matches!(data.action, ShowingAction::Requested | ShowingAction::Scheduled | ShowingAction::Held) {
            self.pulse(at, Pulse::Showing);
        }
        self.see_listing(data.listing_key.as_deref());
    }

    fn agent_action(&mut self, at: Timestamp, data: &AgentAction) {
        self.tallies.add(Signal::AgentAction, at);
        self.pulse(at, Pulse::Agent);
        match data.action {
            AgentActionKind::ListingsSent => self.tallies.add(Signal::ListingsSent, at),
            AgentActionKind::ShowingOffered => self.tallies.add(Signal::ShowingOffered, at),
            AgentActionKind::ValuationSent => self.tallies.add(Signal::ValuationSent, at),
            AgentActionKind::Assigned | AgentActionKind::NoteWritten | AgentActionKind::FollowUpPlanned => {}
        }
    }
}

/// Hours since the epoch in UTC, rounded down.
pub(super) fn hour_index(at: Timestamp) -> i32 {
    at.as_micros().div_euclid(HOUR_US) as i32
}

fn type_bit(kind: PropertyType) -> u8 {
    1 << kind as u8
}

fn lower(slot: &mut Option<Timestamp>, at: Timestamp) {
    *slot = Some(slot.map_or(at, |held| held.min(at)));
}

fn widen(first: &mut Option<Timestamp>, last: &mut Option<Timestamp>, at: Timestamp) {
    lower(first, at);
    *last = Some(last.map_or(at, |held| held.max(at)));
}
