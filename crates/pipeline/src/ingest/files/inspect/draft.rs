//! From columns to a mapping of leads, events or outcomes.
//!
//! Invariant: every column is either in the draft or among the ignored, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use leadscore_domain::{ConsentState, EventKind, LegalBasis, Purpose, Timestamp, protected};

use super::{
    Warning, WarningKind,
    leaks::{self, Verdict},
    outcome::FoundOutcome,
    profile::{Holds, Profile},
};
use crate::ingest::files::{
    import::known_field,
    mapping::{
        Attribute, AttributeType, ConsentPolicy, EventMapping, EventType, Field, Format, Ignored, Kind, LeadColumns,
        Mapping, OutcomeMapping, RowOrder, RowOrderSource, TimeColumn, TimeSource, ZoneSource, word_of,
    },
    time::TimeFormat,
};

/// A draft on its way.
pub(super) struct Draft<'a> {
    pub profiles: &'a [Profile<'a>],
    pub mapping: Mapping,
    pub warnings: Vec<Warning>,
    /// What was seen of each column, for the comments.
    pub notes: BTreeMap<String, String>,
    used: BTreeSet<usize>,
}

/// First instant of rows that have no dates (2020-01-01T00:00:00Z).
const ROW_ORDER_START_US: i64 = 1_577_836_800_000_000;
/// Hours after its arrival at which a lead's undated outcome is put.
const AFTER_HOURS: u32 = 24;

impl<'a> Draft<'a> {
    pub fn new(kind: Kind, source: &str, format: Format, profiles: &'a [Profile<'a>]) -> Self {
        let mapping = Mapping {
            kind,
            source: source.to_owned(),
            format,
            lead: None,
            occurred_at: None,
            received_at: None,
            attributes: Vec::new(),
            outcome: None,
            consent: BTreeMap::new(),
            event: None,
            market: None,
            ignored: Vec::new(),
        };
        let notes = profiles.iter().map(|profile| (profile.name.clone(), note(profile))).collect();
        Self { profiles, mapping, warnings: Vec::new(), notes, used: BTreeSet::new() }
    }

    pub fn warn(&mut self, column: Option<&str>, kind: WarningKind, text: impl Into<String>) {
        self.warnings.push(Warning { column: column.map(str::to_owned), kind, text: text.into() });
    }

    fn ignore(&mut self, place: usize, reason: impl Into<String>) {
        if self.used.insert(place) {
            self.mapping.ignored.push(Ignored { column: self.profiles[place].name.clone(), reason: reason.into() });
        }
    }

    /// A file of leads.
    pub fn leads(mut self, outcome: Option<FoundOutcome>) -> Self {
        self.lead_columns();
        self.arrival();
        self.consent();
        match &outcome {
            Some(found) => self.outcome(found),
            None => self.warn(None, WarningKind::Confirm, "no column says how the leads ended: import outcomes too"),
        }
        self.attributes(outcome.as_ref().map(|found| &found.won[..]));
        self
    }

    /// A file of outcomes.
    pub fn outcomes(mut self, outcome: Option<FoundOutcome>) -> Self {
        self.lead_columns();
        let time = self.time_place(|p| 2 * u32::from(p.words.speak_of_end()) + 1);
        let mut mapping = outcome.as_ref().map(|found| found.mapping.clone()).unwrap_or_default();
        if let Some(found) = &outcome {
            self.used.insert(found.place);
        } else {
            self.warn(None, WarningKind::Confirm, "no column says how it ended: every row is taken for won");
        }
        mapping.time = time.map(|place| self.time_column(place));
        if mapping.time.is_none() {
            self.warn(None, WarningKind::Confirm, "no column says when it ended: fill in outcome.time");
        }
        self.mapping.outcome = Some(mapping);
        for place in 0..self.profiles.len() {
            self.ignore(place, "an outcome needs no attributes; what is known only at the end must not be one");
        }
        self
    }

    /// A file of events.
    pub fn events(mut self) -> Self {
        self.lead_columns();
        self.arrival();
        let kind_place = (0..self.profiles.len()).find(|place| !event_kinds(&self.profiles[*place]).is_empty());
        let kind = match kind_place {
            Some(place) => {
                self.used.insert(place);
                let values = event_kinds(&self.profiles[place]);
                if values.len() < self.profiles[place].counts.len() {
                    let text =
                        "some of its values are no kind of event: add them to values, or their rows are rejected";
                    self.warn(Some(&self.profiles[place].name), WarningKind::Confirm, text);
                }
                EventType::Column { column: self.profiles[place].name.clone(), values }
            }
            None => {
                self.warn(
                    None,
                    WarningKind::Confirm,
                    "no column says what happened: every row is taken for crm_updated",
                );
                EventType::All(EventKind::CrmUpdated)
            }
        };
        let id = (0..self.profiles.len())
            .find(|place| !self.used.contains(place) && matches!(self.profiles[*place].holds, Holds::Id));
        let mut event = EventMapping { kind, id: None, fields: BTreeMap::new() };
        if let Some(place) = id {
            self.used.insert(place);
            event.id = Some(self.profiles[place].name.clone());
        }
        let takes_attributes = match &event.kind {
            EventType::All(_) => true,
            EventType::Column { values, .. } => values.values().any(|kind| *kind == EventKind::CrmUpdated),
        };
        for (place, profile) in self.profiles.iter().enumerate() {
            let name = profile.name.trim();
            if kind_place.is_some() && known_field(name) && self.used.insert(place) {
                let field =
                    Field { column: Some(profile.name.clone()), value: None, scale: None, words: BTreeMap::new() };
                event.fields.insert(name.to_owned(), field);
            }
        }
        self.mapping.event = Some(event);
        if takes_attributes {
            self.attributes(None);
        }
        for place in 0..self.profiles.len() {
            self.ignore(place, "no member of the events' data has this name");
        }
        self
    }

    fn lead_columns(&mut self) {
        let mut lead = LeadColumns::default();
        let repeated = self.mapping.kind != Kind::Leads;
        let mut ids: Vec<(u32, usize)> = Vec::new();
        for (place, profile) in self.profiles.iter().enumerate() {
            let (slot, name) = match profile.holds {
                Holds::Email => (&mut lead.email, &profile.name),
                Holds::Phone => (&mut lead.phone, &profile.name),
                Holds::Id | Holds::Category | Holds::Number
                    if profile.words.is_id() || matches!(profile.holds, Holds::Id) =>
                {
                    let unique = matches!(profile.holds, Holds::Id);
                    if unique || (repeated && profile.words.is_lead()) {
                        let rank = 4 * u32::from(profile.words.is_lead() && profile.words.is_id())
                            + 2 * u32::from(profile.words.is_id())
                            + u32::from(profile.words.len() == 1);
                        ids.push((rank, place));
                    }
                    continue;
                }
                Holds::Nothing
                | Holds::Constant
                | Holds::Id
                | Holds::Zone
                | Holds::Boolean
                | Holds::Number
                | Holds::Time(_)
                | Holds::Category
                | Holds::Text => continue,
            };
            if slot.is_none() {
                *slot = Some(name.clone());
                self.used.insert(place);
            }
        }
        // The first of the best: ids stand at the beginning.
        ids.sort_by_key(|(rank, place)| (std::cmp::Reverse(*rank), *place));
        if let Some((_, place)) = ids.first() {
            lead.crm_id = Some(self.profiles[*place].name.clone());
            self.used.insert(*place);
            if self.mapping.kind == Kind::Leads {
                self.warn(Some(&self.profiles[*place].name), WarningKind::Id, "names the lead, and is no attribute");
            }
        }
        if lead.crm_id.is_none() && lead.email.is_none() && lead.phone.is_none() {
            if repeated {
                self.warn(None, WarningKind::Confirm, "no column names the lead: fill in one under [lead]");
            } else {
                lead.row_number = true;
            }
        }
        self.other_lead_columns(&mut lead);
        self.mapping.lead = Some(lead);
    }

    fn other_lead_columns(&mut self, lead: &mut LeadColumns) {
        if self.mapping.kind != Kind::Leads {
            return;
        }
        for (place, profile) in self.profiles.iter().enumerate() {
            let full_name = ["name", "full name", "fullname", "contact name", "lead name", "customer name"];
            let channel = ["lead source", "source", "channel", "origin", "lead origin", "utm source"];
            if matches!(profile.holds, Holds::Zone) && lead.time_zone.is_none() {
                lead.time_zone = Some(ZoneSource::Column(profile.name.clone()));
                self.used.insert(place);
            } else if profile.words.are(&full_name) && lead.name.is_none() {
                lead.name = Some(profile.name.clone());
                self.used.insert(place);
            } else if profile.words.are(&channel) && lead.channel.is_none() && matches!(profile.holds, Holds::Category)
            {
                // Also an attribute: the channel is for people, the attribute for the model.
                lead.channel = Some(profile.name.clone());
            }
        }
    }

    /// The time column with the highest rank above 0.
    fn time_place(&self, rank: impl Fn(&Profile<'_>) -> u32) -> Option<usize> {
        let times = self
            .profiles
            .iter()
            .enumerate()
            .filter(|(place, profile)| matches!(profile.holds, Holds::Time(_)) && !self.used.contains(place));
        let ranked = times.map(|(place, profile)| (rank(profile), std::cmp::Reverse(place)));
        ranked.filter(|(rank, _)| *rank > 0).max().map(|(_, place)| place.0)
    }

    fn time_column(&mut self, place: usize) -> TimeColumn {
        let profile = &self.profiles[place];
        self.used.insert(place);
        let format = match &profile.holds {
            Holds::Time(time) => time.format.clone(),
            Holds::Nothing
            | Holds::Constant
            | Holds::Id
            | Holds::Email
            | Holds::Phone
            | Holds::Zone
            | Holds::Boolean
            | Holds::Number
            | Holds::Category
            | Holds::Text => TimeFormat::Rfc3339,
        };
        self.warn_of_time(place);
        TimeColumn { column: profile.name.clone(), format, time_zone: "UTC".to_owned() }
    }

    fn warn_of_time(&mut self, place: usize) {
        let profile = &self.profiles[place];
        let Holds::Time(time) = &profile.holds else { return };
        if time.ambiguous {
            let text = format!("every date can be read as month/day or day/month: taken for {}", time.format);
            self.warn(Some(&profile.name), WarningKind::AmbiguousDate, text);
        }
        if time.format.is_local() {
            self.warn(Some(&profile.name), WarningKind::Confirm, "has no time zone: taken for UTC");
        }
    }

    /// When the row's lead came into being, or its event happened.
    fn arrival(&mut self) {
        let best =
            self.time_place(|p| if p.words.speak_of_end() { 0 } else { 1 + u32::from(p.words.speak_of_arrival()) });
        if let Some(place) = best {
            self.mapping.occurred_at = Some(TimeSource::Column(self.time_column(place)));
            return;
        }
        let start = Timestamp::from_micros(ROW_ORDER_START_US).unwrap_or(Timestamp::MIN);
        // So close together that the made-up times keep the order and make up no season.
        let row_order = RowOrder { start, step_seconds: 1 };
        self.mapping.occurred_at = Some(TimeSource::RowOrder(RowOrderSource { row_order }));
        let text =
            "no column says when: the rows are taken in their order, with made-up times; is the order that of time?";
        self.warn(None, WarningKind::Confirm, text);
    }

    fn consent(&mut self) {
        let policy = ConsentPolicy {
            state: ConsentState::Granted,
            basis: LegalBasis::LegitimateInterest,
            evidence: "drafted by import inspect; to be confirmed by the user".to_owned(),
        };
        self.mapping.consent.insert(Purpose::Profiling, policy);
        let text = "the draft claims a legitimate interest in profiling for every lead: confirm it or remove [consent.profiling]";
        self.warn(None, WarningKind::Confirm, text);
    }

    fn outcome(&mut self, found: &FoundOutcome) {
        let name = self.profiles[found.place].name.clone();
        self.used.insert(found.place);
        let end = self.time_place(|p| u32::from(p.words.speak_of_end()));
        let time = end.map(|place| self.time_column(place));
        let after_hours = Some(AFTER_HOURS);
        self.mapping.outcome = Some(OutcomeMapping { time, after_hours, ..found.mapping.clone() });
        let won = found.won.iter().filter(|won| **won == Some(true)).count() as f64;
        let closed = found.won.iter().flatten().count() as f64;
        let share = 100.0 * won / closed.max(1.0);
        let doubt = found.doubt.as_ref().map(|doubt| format!("; {doubt}")).unwrap_or_default();
        self.warn(Some(&name), WarningKind::Confirm, format!("is taken for the outcome: {share:.1} % won{doubt}"));
        self.notes.insert(name, format!("{share:.1} % of those that ended are won"));
    }

    /// Every column that is left becomes an attribute, or is ignored for a reason.
    fn attributes(&mut self, won: Option<&[Option<bool>]>) {
        let decimal = self.mapping.format.decimal;
        for place in 0..self.profiles.len() {
            if self.used.contains(&place) {
                continue;
            }
            let profile = &self.profiles[place];
            if let Some(protected) = protected::classify(&profile.name) {
                let what = word_of(protected);
                self.warn(
                    Some(&profile.name),
                    WarningKind::Protected,
                    format!("stands for {what}: never a feature of a person"),
                );
                self.ignore(place, format!("protected: {what}"));
                continue;
            }
            let Some(kind) = self.attribute_type(place) else { continue };
            match won.map_or(Verdict::Innocent, |won| leaks::judge(profile, won, decimal)) {
                Verdict::Leak(reason) => {
                    self.warn(Some(&profile.name), WarningKind::Leak, reason.clone());
                    self.ignore(place, format!("leak: {reason}"));
                    continue;
                }
                Verdict::Possible(remark) => self.warn(Some(&profile.name), WarningKind::PossibleLeak, remark),
                Verdict::Innocent => {}
            }
            self.attribute(place, kind);
        }
    }

    /// What the values of an attribute are; `None` where the column is none (and was put among the ignored).
    fn attribute_type(&mut self, place: usize) -> Option<AttributeType> {
        let profile = &self.profiles[place];
        let reason = match profile.holds {
            Holds::Number => return Some(AttributeType::Number),
            Holds::Boolean => return Some(AttributeType::Boolean),
            Holds::Time(_) => return Some(AttributeType::Time),
            Holds::Category | Holds::Zone => return Some(AttributeType::Category),
            Holds::Nothing => "empty",
            Holds::Constant => "the same in every row",
            Holds::Id => {
                self.warn(
                    Some(&profile.name),
                    WarningKind::Id,
                    "is different in (nearly) every row: an id, no attribute",
                );
                "id"
            }
            Holds::Email | Holds::Phone => "a handle of a person",
            Holds::Text => "free text, different in nearly every row",
        };
        self.ignore(place, reason);
        None
    }

    fn attribute(&mut self, place: usize, kind: AttributeType) {
        let profile = &self.profiles[place];
        if kind == AttributeType::Number
            && let Some((value, share)) = profile.sentinel(self.mapping.format.decimal)
        {
            let share = share * 100.0;
            let text = format!(
                "{value} in {share:.0} % of the rows may stand for unknown: if so, add missing = [\"{value}\"]"
            );
            self.warn(Some(&profile.name), WarningKind::Sentinel, text);
        }
        let format = match &profile.holds {
            Holds::Time(time) => Some(time.format.clone()),
            Holds::Nothing
            | Holds::Constant
            | Holds::Id
            | Holds::Email
            | Holds::Phone
            | Holds::Zone
            | Holds::Boolean
            | Holds::Number
            | Holds::Category
            | Holds::Text => None,
        };
        if format.is_some() {
            self.warn_of_time(place);
        }
        // Names of attributes are bounded; a long one is cut, and numbered if another begins alike.
        let column = profile.name.clone();
        let name = short_name(&column, &self.mapping.attributes);
        let missing = Vec::new();
        self.used.insert(place);
        self.mapping.attributes.push(Attribute { column, name, kind, format, missing, acknowledge_protected: None });
    }
}

fn short_name(column: &str, others: &[Attribute]) -> Option<leadscore_domain::AttributeName> {
    const LONGEST: usize = leadscore_domain::limits::NAME_MAX_BYTES;
    let taken = |name: &str| others.iter().any(|other| other.attribute_name() == name);
    let sound = column.parse::<leadscore_domain::AttributeName>().is_ok_and(|name| name.as_str() == column.trim());
    if sound && !taken(column.trim()) {
        return None;
    }
    let plain: String = column.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    (1..).find_map(|n: u32| {
        let suffix = if n == 1 { String::new() } else { format!(" {n}") };
        let room = LONGEST - suffix.len();
        let end = (0..=room.min(plain.len())).rev().find(|i| plain.is_char_boundary(*i)).unwrap_or(0);
        let name = format!("{}{suffix}", plain[..end].trim());
        if taken(&name) { None } else { Some(name.parse().ok()) }
    })?
}

/// Words of a column that are kinds of events.
fn event_kinds(profile: &Profile<'_>) -> BTreeMap<String, EventKind> {
    if !matches!(profile.holds, Holds::Category | Holds::Boolean | Holds::Constant) {
        return BTreeMap::new();
    }
    let kinds = profile.counts.keys().filter_map(|value| {
        let kind = value.to_lowercase().replace([' ', '-'], "_").parse::<EventKind>().ok()?;
        Some(((*value).to_owned(), kind))
    });
    kinds.collect()
}

/// What was seen of a column, without its values: they may be personal data.
fn note(profile: &Profile<'_>) -> String {
    let missing = profile.missing_share() * 100.0;
    let missing = if missing > 0.0 { format!(", {missing:.1} % missing") } else { String::new() };
    match &profile.holds {
        Holds::Nothing => "empty".to_owned(),
        Holds::Constant => "one value".to_owned(),
        Holds::Id => format!("different in (nearly) every row{missing}"),
        Holds::Email => format!("e-mail addresses{missing}"),
        Holds::Phone => format!("telephone numbers{missing}"),
        Holds::Zone => format!("time zones{missing}"),
        Holds::Boolean => format!("yes or no{missing}"),
        Holds::Number => format!("numbers, {} different{missing}", profile.counts.len()),
        Holds::Time(_) => format!("times{missing}"),
        Holds::Category => format!("{} words{missing}", profile.counts.len()),
        Holds::Text => format!("text{missing}"),
    }
}
