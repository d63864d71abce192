//! Whether a mapping is sound in itself, and which columns it asks for.

use std::collections::HashSet;

use jiff::tz::TimeZone;
use leadscore_domain::{
    EventKind,
    limits::{ATTRIBUTES_MAX, SOURCE_MAX_BYTES},
    protected::{self, Protected},
};

use super::{
    Attribute, AttributeType, EventMapping, EventType, Kind, LeadColumns, Mapping, MarketLayout, MarketMapping,
    OutcomeMapping, TimeColumn, TimeSource, ZoneSource,
};
use crate::ingest::files::{ImportError, values::same_word};

/// Measures of a market snapshot.
pub(in crate::ingest::files) const MARKET_FIELDS: [&str; 8] = [
    "median_price",
    "active_listings",
    "new_listings",
    "homes_sold",
    "days_on_market",
    "months_of_supply",
    "price_reduced_share",
    "sale_to_list",
];

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// [`ImportError::Mapping`] where it is no TOML, of another shape, or contradicts itself.
    pub fn from_toml(text: &str) -> Result<Self, ImportError> {
        let mapping: Self = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            ImportError::mapping(format_args!("line {line}"), e.message().trim(), "see docs/IMPORT.md for the form")
        })?;
        mapping.check()?;
        Ok(mapping)
    }

    /// Checks the mapping in itself.
    ///
    /// # Errors
    /// [`ImportError::Mapping`] with the first contradiction.
    pub fn check(&self) -> Result<(), ImportError> {
        if self.source.trim().is_empty() || self.source.len() > SOURCE_MAX_BYTES {
            return Err(ImportError::mapping("source", "is empty or long", "name the system in 1 to 64 bytes"));
        }
        if !self.format.delimiter.is_ascii() || matches!(self.format.delimiter, '"' | '\n' | '\r') {
            return Err(ImportError::mapping("format.delimiter", "cannot part fields", "use one ASCII character"));
        }
        if !matches!(self.format.decimal, '.' | ',') {
            return Err(ImportError::mapping("format.decimal", "is no decimal sign", "use . or ,"));
        }
        self.check_sections()?;
        for (field, time) in [("occurred_at", &self.occurred_at), ("received_at", &self.received_at)] {
            time.as_ref().map_or(Ok(()), |time| check_time_source(field, time))?;
        }
        self.lead.as_ref().map_or(Ok(()), |lead| check_lead(self.kind, lead))?;
        check_attributes(&self.attributes)?;
        self.outcome.as_ref().map_or(Ok(()), |outcome| check_outcome(self.kind, outcome))?;
        for (purpose, policy) in &self.consent {
            if policy.evidence.trim().is_empty() {
                let field = format!("consent.{purpose:?}.evidence").to_lowercase();
                return Err(ImportError::mapping(field, "is empty", "say where the proof is"));
            }
        }
        self.event.as_ref().map_or(Ok(()), |event| check_event(event, !self.attributes.is_empty()))?;
        self.market.as_ref().map_or(Ok(()), check_market)
    }

    /// Each kind of file has its sections, and no others.
    fn check_sections(&self) -> Result<(), ImportError> {
        let (lead, time, outcome, event, market) = match self.kind {
            Kind::Leads => (Some(true), Some(true), None, Some(false), Some(false)),
            Kind::Events => (Some(true), Some(true), Some(false), Some(true), Some(false)),
            Kind::Outcomes => (Some(true), Some(false), Some(true), Some(false), Some(false)),
            Kind::Market => (Some(false), Some(false), Some(false), Some(false), Some(true)),
        };
        let kind = self.kind.as_str();
        for (name, wanted, present) in [
            ("lead", lead, self.lead.is_some()),
            ("occurred_at", time, self.occurred_at.is_some()),
            ("outcome", outcome, self.outcome.is_some()),
            ("event", event, self.event.is_some()),
            ("market", market, self.market.is_some()),
        ] {
            match wanted {
                Some(true) if !present => {
                    return Err(ImportError::mapping(
                        name,
                        format_args!("is missing in a mapping of {kind}"),
                        "add it",
                    ));
                }
                Some(false) if present => {
                    return Err(ImportError::mapping(name, format_args!("has no place among {kind}"), "remove it"));
                }
                Some(_) | None => {}
            }
        }
        if !self.attributes.is_empty() && !matches!(self.kind, Kind::Leads | Kind::Events) {
            return Err(ImportError::mapping("attributes", format_args!("have no place among {kind}"), "remove them"));
        }
        Ok(())
    }

    /// Names of all columns that it asks for, each once, in the order of their first mention.
    pub(in crate::ingest::files) fn columns(&self) -> Vec<String> {
        let mut columns: Vec<&str> = Vec::new();
        if let Some(lead) = &self.lead {
            let plain = [&lead.crm_id, &lead.phone, &lead.email, &lead.web_id, &lead.name, &lead.channel];
            columns.extend(plain.into_iter().flatten().map(String::as_str));
            if let Some(ZoneSource::Column(column)) = &lead.time_zone {
                columns.push(column);
            }
        }
        for time in [&self.occurred_at, &self.received_at].into_iter().flatten() {
            if let TimeSource::Column(time) = time {
                columns.push(&time.column);
            }
        }
        columns.extend(self.attributes.iter().map(|attribute| attribute.column.as_str()));
        if let Some(outcome) = &self.outcome {
            columns
                .extend([&outcome.column, &outcome.reason, &outcome.value].into_iter().flatten().map(String::as_str));
            columns.extend(outcome.time.iter().map(|time| time.column.as_str()));
        }
        if let Some(event) = &self.event {
            if let EventType::Column { column, .. } = &event.kind {
                columns.push(column);
            }
            columns.extend(event.id.iter().map(String::as_str));
            columns.extend(event.fields.values().filter_map(|field| field.column.as_deref()));
        }
        if let Some(market) = &self.market {
            columns.push(&market.area);
            columns.extend(market.filters.iter().map(|rule| rule.column.as_str()));
            if let MarketLayout::Long { period, measures } = &market.layout {
                columns.push(&period.column);
                columns.extend(measures.iter().map(|measure| measure.column.as_str()));
            }
        }
        let mut seen = HashSet::new();
        columns.into_iter().filter(|column| seen.insert(*column)).map(str::to_owned).collect()
    }

    /// Notes of protected characteristics that are used under another name, for the record.
    #[must_use]
    pub fn acknowledgements(&self) -> Vec<String> {
        let noted = self.attributes.iter().filter_map(|attribute| {
            let reason = attribute.acknowledge_protected.as_ref()?;
            let protected = word_of(protected::classify(&attribute.column)?);
            Some(format!("{} ({protected}) is used as {}: {reason}", attribute.column, attribute.attribute_name()))
        });
        noted.collect()
    }
}

impl Attribute {
    /// Name of the attribute.
    #[must_use]
    pub fn attribute_name(&self) -> &str {
        self.name.as_ref().map_or(self.column.trim(), |name| name.as_str())
    }
}

/// A protected characteristic in words.
pub(in crate::ingest::files) const fn word_of(protected: Protected) -> &'static str {
    match protected {
        Protected::Age => "age",
        Protected::Sex => "sex",
        Protected::Family => "marital or familial status",
        Protected::Origin => "race, origin or language",
        Protected::Religion => "religion",
        Protected::Disability => "disability",
        Protected::Assistance => "public assistance",
        Protected::Name => "name",
        Protected::Residence => "place of residence",
    }
}

fn check_lead(kind: Kind, lead: &LeadColumns) -> Result<(), ImportError> {
    let named = [&lead.crm_id, &lead.phone, &lead.email, &lead.web_id].into_iter().any(Option::is_some);
    if named == lead.row_number {
        let remedy = "name crm_id, phone, email or web_id; where there is none, set row_number = true";
        return Err(ImportError::mapping("lead", "must name the lead in one way", remedy));
    }
    if lead.row_number && kind != Kind::Leads {
        return Err(ImportError::mapping("lead.row_number", "finds no lead", "name the column with the lead's id"));
    }
    if let Some(ZoneSource::All(zone)) = &lead.time_zone {
        check_zone("lead.time_zone", zone)?;
    }
    Ok(())
}

fn check_zone(field: &str, zone: &str) -> Result<(), ImportError> {
    TimeZone::get(zone)
        .map(|_| ())
        .map_err(|_| ImportError::mapping(field, "is not an IANA time zone", "use a name such as America/Chicago"))
}

fn check_time_source(field: &str, time: &TimeSource) -> Result<(), ImportError> {
    match time {
        TimeSource::Column(time) => check_time_column(field, time),
        TimeSource::RowOrder(rows) if rows.row_order.step_seconds == 0 => {
            Err(ImportError::mapping(format_args!("{field}.row_order.step_seconds"), "is 0", "use at least 1"))
        }
        TimeSource::RowOrder(_) => Ok(()),
    }
}

fn check_time_column(field: &str, time: &TimeColumn) -> Result<(), ImportError> {
    check_zone(&format!("{field}.time_zone"), &time.time_zone)
}

fn check_attributes(attributes: &[Attribute]) -> Result<(), ImportError> {
    if attributes.len() > ATTRIBUTES_MAX {
        let problem = format!("are {}", attributes.len());
        return Err(ImportError::mapping("attributes", problem, format_args!("keep {ATTRIBUTES_MAX} at most")));
    }
    let mut names = HashSet::new();
    for attribute in attributes {
        let name = attribute.attribute_name();
        let field = format!("attributes.{name}");
        name.parse::<leadscore_domain::AttributeName>()
            .map_err(|e| ImportError::mapping(&field, e.problem, "give it another name"))?;
        if !names.insert(name) {
            return Err(ImportError::mapping(&field, "is there twice", "give one another name"));
        }
        if (attribute.kind == AttributeType::Time) != attribute.format.is_some() {
            return Err(ImportError::mapping(&field, "must have a format if it is a time", "see docs/IMPORT.md"));
        }
        check_protected(attribute, &field)?;
    }
    Ok(())
}

fn check_protected(attribute: &Attribute, field: &str) -> Result<(), ImportError> {
    let remedy = "leave it out, or give it another name and say why in acknowledge_protected";
    if let Some(protected) = protected::classify(attribute.attribute_name()) {
        return Err(ImportError::mapping(field, format_args!("stands for {}", word_of(protected)), remedy));
    }
    let reason = attribute.acknowledge_protected.as_deref().map(str::trim);
    match (protected::classify(&attribute.column), reason) {
        (Some(protected), None | Some("")) => {
            let problem = format!("comes from column {}, which stands for {}", attribute.column, word_of(protected));
            Err(ImportError::mapping(field, problem, remedy))
        }
        (None, Some(_)) => Err(ImportError::mapping(field, "acknowledges what is not protected", "remove the line")),
        (Some(_), Some(_)) | (None, None) => Ok(()),
    }
}

fn check_outcome(kind: Kind, outcome: &OutcomeMapping) -> Result<(), ImportError> {
    if outcome.column.is_none() && outcome.time.is_none() {
        return Err(ImportError::mapping("outcome", "says not how it ended", "name the column, or that of its time"));
    }
    if outcome.column.is_some() == outcome.positive.is_empty() {
        return Err(ImportError::mapping("outcome.positive", "needs values for a column", "list those that mean won"));
    }
    let lists = [&outcome.positive, &outcome.negative, &outcome.no_answer];
    let all: Vec<&String> = lists.into_iter().flatten().collect();
    for (i, value) in all.iter().enumerate() {
        if all[..i].iter().any(|other| same_word(other.trim(), value.trim())) {
            return Err(ImportError::mapping("outcome", format_args!("lists {value} twice"), "list it once"));
        }
    }
    if let Some(time) = &outcome.time {
        check_time_column("outcome.time", time)?;
    }
    match (kind, outcome.after_hours) {
        (_, Some(0)) => Err(ImportError::mapping("outcome.after_hours", "is 0", "use at least 1")),
        (Kind::Leads, None) if outcome.time.is_none() => {
            Err(ImportError::mapping("outcome", "has no time", "name the column with its time, or set after_hours"))
        }
        (Kind::Outcomes, _) if outcome.time.is_none() || outcome.after_hours.is_some() => Err(ImportError::mapping(
            "outcome.time",
            "is needed, and after_hours is not",
            "name the column of its time",
        )),
        (Kind::Leads | Kind::Events | Kind::Outcomes | Kind::Market, _) => Ok(()),
    }
}

fn check_event(event: &EventMapping, attributes: bool) -> Result<(), ImportError> {
    use crate::ingest::files::import::known_field;
    for (name, field) in &event.fields {
        let path = format!("event.fields.{name}");
        if !known_field(name) {
            return Err(ImportError::mapping(
                path,
                "is no member of an event's data",
                "see the API page for its members",
            ));
        }
        if field.column.is_some() == field.value.is_some() {
            return Err(ImportError::mapping(path, "needs a column or a value", "give one of the two"));
        }
    }
    let takes_attributes = |kind: &EventKind| matches!(kind, EventKind::CrmUpdated | EventKind::LeadCreated);
    let any = match &event.kind {
        EventType::All(kind) => takes_attributes(kind),
        EventType::Column { values, .. } => values.values().any(takes_attributes),
    };
    if attributes && !any {
        return Err(ImportError::mapping("attributes", "have no place in this kind of event", "use crm_updated"));
    }
    Ok(())
}

fn check_market(market: &MarketMapping) -> Result<(), ImportError> {
    let known = |field: &str| {
        MARKET_FIELDS.contains(&field).then_some(()).ok_or_else(|| {
            ImportError::mapping("market.layout", format_args!("{field} is no measure"), MARKET_FIELDS.join(", "))
        })
    };
    match &market.layout {
        MarketLayout::Long { period, measures } => {
            check_time_column("market.layout.long.period", period)?;
            if measures.is_empty() {
                return Err(ImportError::mapping("market.layout.long.measures", "is empty", "name a measure"));
            }
            measures.iter().try_for_each(|measure| known(&measure.field))
        }
        MarketLayout::Wide { field, .. } => known(field),
    }
}
