//! The web site's view: sessions, pages, searches, saved listings, chat.

use leadscore_domain::{
    EventBody, Timestamp,
    event::{Deal, Direction, ListingSaved, Medium, Message, Page, PageView, PropertySearch, PropertyType, WebSession},
};

use crate::{
    chain::{Phase, State},
    draw::minutes_us,
    market::AREAS,
    person::Intent,
    visible::{
        Segment,
        recorder::{Recorder, Source},
        talk,
    },
};

/// The lasting habits of a visitor.
pub(crate) struct Visitor {
    /// Whether the browser lets single pages be seen.
    tracked: bool,
    /// Favourite kind of home.
    kind: PropertyType,
    bedrooms: u8,
    /// Other areas that the visitor looks at.
    elsewhere: usize,
}

impl Visitor {
    pub(crate) fn new(recorder: &mut Recorder<'_>) -> Self {
        let draw = &mut recorder.draw;
        let kinds = [PropertyType::House, PropertyType::Condo, PropertyType::Townhouse, PropertyType::MultiFamily];
        Self {
            tracked: draw.chance(0.45),
            kind: kinds[draw.weighted(&[0.55, 0.22, 0.15, 0.08])],
            bedrooms: [1, 2, 3, 4][draw.weighted(&[0.12, 0.3, 0.4, 0.18])],
            elsewhere: draw.index(AREAS.len()),
        }
    }

    /// Visits within the segment.
    pub(crate) fn visits(&self, recorder: &mut Recorder<'_>, segment: &Segment<'_>) {
        let per_day = match segment.state.phase {
            Phase::Idle => 0.006,
            Phase::Looking => 0.040,
            Phase::Active => 0.16,
            Phase::Deciding => 0.24,
            Phase::Gone => 0.004,
        };
        // Before the creation a visit is what makes the life begin.
        let least = u32::from(!segment.step.open);
        let count = recorder.count(segment, per_day * recorder.person.web).max(least);
        for n in 0..count {
            let first = n == 0 && !segment.step.open;
            let at = if first { segment.from } else { recorder.moment(segment) };
            self.visit(recorder, segment, at);
        }
    }

    fn visit(&self, recorder: &mut Recorder<'_>, segment: &Segment<'_>, at: Timestamp) {
        let depth = match segment.state.phase {
            Phase::Idle | Phase::Gone => 2.0,
            Phase::Looking => 3.5,
            Phase::Active => 5.0,
            Phase::Deciding => 4.5,
        };
        let depth = recorder.draw.log_normal(depth * recorder.person.web.sqrt(), 0.6);
        let pages = (depth as u32).clamp(1, 60);
        let minutes = recorder.draw.log_normal(0.9 * f64::from(pages), 0.7).clamp(0.1, 90.0);
        let done = at.plus_micros(minutes_us(minutes)).min(segment.to);
        let inside = |share: f64| at.plus_micros((done.since(at) as f64 * share) as i64);
        let download_count = u32::from(recorder.draw.chance(0.02 + 0.01 * depth.min(8.0)));
        let session = WebSession { duration_ms: (done.since(at) / 1_000) as u32, page_count: pages, download_count };
        recorder.send_done(Source::Website, at, done, EventBody::WebSession(session));
        if self.tracked {
            let view = page(recorder, segment.state);
            let share = recorder.draw.unit();
            recorder.send(Source::Website, inside(share), EventBody::PageView(view));
        }
        self.looks(recorder, segment.state, &inside);
        let writes = match segment.state.phase {
            Phase::Idle | Phase::Looking | Phase::Gone => 0.01,
            Phase::Active => 0.03,
            Phase::Deciding => 0.05,
        };
        if recorder.draw.chance(writes) {
            let share = recorder.draw.unit();
            let message = Message {
                direction: Direction::Inbound,
                medium: Medium::Chat,
                text: recorder.draw.chance(0.8).then(|| talk::message(recorder, segment.state)),
                sentiment: None,
            };
            recorder.send(Source::Website, inside(share), EventBody::Message(message));
        }
    }

    /// Searches and saved listings of one visit.
    fn looks(&self, recorder: &mut Recorder<'_>, state: State, inside: &impl Fn(f64) -> Timestamp) {
        let searches = if recorder.person.intent == Intent::Seller { 0.10 } else { 0.38 };
        if recorder.draw.chance(searches) {
            let search = self.search(recorder, state);
            let share = recorder.draw.unit();
            recorder.send(Source::Website, inside(share), EventBody::PropertySearch(search));
        }
        let saves = match state.phase {
            Phase::Idle | Phase::Gone => 0.03,
            Phase::Looking => 0.10,
            Phase::Active => 0.22,
            Phase::Deciding => 0.20,
        };
        let saves = if recorder.person.intent == Intent::Browser { 0.15 } else { saves };
        if recorder.draw.chance(saves) {
            let price = asking(recorder, 0.18);
            let saved = ListingSaved {
                listing_key: listing(recorder),
                price: recorder.draw.chance(0.9).then_some(price),
                area: Some(AREAS[recorder.person.area].name.to_owned()),
                property_type: recorder.draw.chance(0.7).then_some(self.kind),
            };
            let share = recorder.draw.unit();
            recorder.send(Source::Website, inside(share), EventBody::ListingSaved(saved));
        }
    }

    /// The more a lead means it, the narrower it searches; with exceptions.
    fn search(&self, recorder: &mut Recorder<'_>, state: State) -> PropertySearch {
        let focus = match state.phase {
            Phase::Idle | Phase::Gone => 0.3,
            Phase::Looking => 0.4,
            Phase::Active => 0.6,
            Phase::Deciding => 0.75,
        };
        let intent = recorder.person.intent;
        let (area, budget) = (recorder.person.area, recorder.person.budget);
        let draw = &mut recorder.draw;
        let focus = (focus + 0.22 * draw.normal()).clamp(0.05, 0.98);
        let width = budget * (1.0 - focus) * 0.8;
        let round = if intent == Intent::Renter { 50.0 } else { 5_000.0 };
        let high = ((budget * draw.log_normal(1.02, 0.12) / round).round() * round).max(round);
        let low = ((high - width).max(0.0) / round).floor() * round;
        let mut areas = vec![AREAS[area].name.to_owned()];
        if draw.chance(0.6 * (1.0 - focus)) && self.elsewhere != area {
            areas.push(AREAS[self.elsewhere].name.to_owned());
        }
        let mut property_types = vec![self.kind];
        if draw.chance(0.7 * (1.0 - focus)) && self.kind != PropertyType::Condo {
            property_types.push(PropertyType::Condo);
        }
        PropertySearch {
            deal: if intent == Intent::Renter { Deal::Rent } else { Deal::Buy },
            price_min: draw.chance(0.3 + 0.6 * focus).then_some(low as i64),
            price_max: draw.chance(0.4 + 0.6 * focus).then_some(high as i64),
            areas: if draw.chance(0.05) { Vec::new() } else { areas },
            property_types: if draw.chance(0.25 + 0.7 * focus) { property_types } else { Vec::new() },
            bedrooms_min: draw.chance(0.2 + 0.5 * focus).then_some(self.bedrooms),
        }
    }
}

/// A listing's key.
pub(crate) fn listing(recorder: &mut Recorder<'_>) -> String {
    format!("MLS{:07}", recorder.draw.index(9_000_000) + 1_000_000)
}

/// Asking price of a home that the lead looks at.
pub(crate) fn asking(recorder: &mut Recorder<'_>, sigma: f64) -> i64 {
    let round = if recorder.person.intent == Intent::Renter { 25.0 } else { 500.0 };
    let price = recorder.draw.log_normal(recorder.person.budget * 0.97, sigma);
    ((price / round).round() * round) as i64
}

fn page(recorder: &mut Recorder<'_>, state: State) -> PageView {
    const PAGES: [Page; 8] = [
        Page::Home,
        Page::Listing,
        Page::Results,
        Page::Financing,
        Page::Valuation,
        Page::Guide,
        Page::Contact,
        Page::Other,
    ];
    let warm = match state.phase {
        Phase::Idle | Phase::Gone => 0.3,
        Phase::Looking => 0.7,
        Phase::Active => 1.3,
        Phase::Deciding => 2.0,
    };
    let valuation = if recorder.person.intent == Intent::Seller { 2.5 } else { 0.1 };
    let weights = [1.0, 2.5, 1.6, 0.35 * warm, valuation, 0.6, 0.15 * warm, 0.8];
    let page = PAGES[recorder.draw.weighted(&weights)];
    PageView {
        page,
        duration_ms: recorder.draw.chance(0.8).then(|| (recorder.draw.log_normal(35_000.0, 0.9) as u32).min(3_600_000)),
        listing_key: (page == Page::Listing).then(|| listing(recorder)),
    }
}
