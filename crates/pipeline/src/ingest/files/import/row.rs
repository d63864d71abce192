//! What a row becomes: the parts that leads, events and outcomes share.
//!
//! Owns: identities, instants, attributes and ids of a row.
//! Invariant: a row's events have ids that depend on its content only, so that importing it again changes nothing.

use jiff::tz::TimeZone;
use leadscore_domain::{
    AttributeName, AttributeValue, Attributes, EventEnvelope, IdentityKind, MarketSnapshot, PendingEvent, RawIdentity,
    Region, Timestamp, event::LeadRef, limits::CLOCK_SKEW_MAX_US, time::SECOND_US,
};
use sha2::{Digest, Sha256};

use crate::ingest::files::{
    ImportError, TimeFormat,
    cells::Cells,
    mapping::{Attribute, AttributeType, Format, LeadColumns, TimeColumn, TimeSource, ZoneSource},
    source::hex,
    values::{self, MissingTokens},
};

/// Why a row is not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reject {
    /// Column or field; empty where it is about the whole row.
    pub field: String,
    /// Why.
    pub reason: String,
}

impl Reject {
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

impl From<leadscore_domain::Invalid> for Reject {
    fn from(invalid: leadscore_domain::Invalid) -> Self {
        Self::new(invalid.field, format!("{}; {}", invalid.problem, invalid.remedy))
    }
}

/// What a row became.
#[derive(Debug)]
pub(super) enum Output {
    /// One or two events.
    Events(Vec<PendingEvent>),
    /// Market snapshots.
    Market(Vec<MarketSnapshot>),
    /// A filter of the mapping leaves it out.
    PassedOver,
}

/// What is the same for every row of an import.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub source: String,
    pub fingerprint: String,
    pub region: Region,
    pub now: Timestamp,
    pub decimal: char,
    pub missing: MissingTokens,
}

impl Context {
    pub fn new(source: &str, fingerprint: &str, region: Region, now: Timestamp, format: &Format) -> Self {
        Self {
            source: source.to_owned(),
            fingerprint: fingerprint.to_owned(),
            region,
            now,
            decimal: format.decimal,
            missing: MissingTokens::new([&format.missing[..]]),
        }
    }

    /// Checks an event that this row makes and brings it into the form of the log.
    pub fn pending(&self, envelope: EventEnvelope, received_at: Timestamp) -> Result<PendingEvent, Reject> {
        let latest = self.now.plus_micros(CLOCK_SKEW_MAX_US);
        if envelope.occurred_at > latest {
            return Err(Reject::new("occurred_at", "lies in the future; check the format and the time zone"));
        }
        if received_at > latest {
            return Err(Reject::new("received_at", "lies in the future; check the format and the time zone"));
        }
        if received_at < envelope.occurred_at.plus_micros(-CLOCK_SKEW_MAX_US) {
            return Err(Reject::new("received_at", "lies before the event happened; check the columns of both times"));
        }
        Ok(envelope.validate(received_at, self.region)?)
    }
}

/// Finds the positions of columns, and remembers which are not there.
pub(super) struct Positions<'a> {
    names: &'a [String],
    pub missing: Vec<String>,
}

impl<'a> Positions<'a> {
    pub const fn new(names: &'a [String]) -> Self {
        Self { names, missing: Vec::new() }
    }

    pub fn of(&mut self, name: &str) -> Column {
        let index = self.names.iter().position(|n| n.trim() == name.trim()).unwrap_or_else(|| {
            if !self.missing.iter().any(|n| n == name) {
                self.missing.push(name.to_owned());
            }
            usize::MAX
        });
        Column { index, name: name.to_owned() }
    }

    pub fn maybe(&mut self, name: Option<&String>) -> Option<Column> {
        name.map(|name| self.of(name))
    }
}

/// A column by position.
#[derive(Debug, Clone)]
pub(super) struct Column {
    index: usize,
    pub name: String,
}

impl Column {
    /// What is known of it in a row.
    pub fn known<'a>(&self, cells: &'a Cells, missing: &MissingTokens) -> Option<&'a str> {
        missing.known(cells.get(self.index))
    }

    pub fn reject(&self, reason: impl Into<String>) -> Reject {
        Reject::new(&self.name, reason)
    }
}

/// A column of instants.
#[derive(Debug, Clone)]
pub(super) struct Instants {
    pub column: Column,
    pub format: TimeFormat,
    zone: TimeZone,
}

impl Instants {
    pub fn new(time: &TimeColumn, positions: &mut Positions<'_>) -> Result<Self, ImportError> {
        let zone = TimeZone::get(&time.time_zone)
            .map_err(|_| ImportError::mapping("time_zone", "is not an IANA time zone", "correct it"))?;
        Ok(Self { column: positions.of(&time.column), format: time.format.clone(), zone })
    }

    /// The instant; `None` where the field is missing.
    pub fn read(&self, cells: &Cells, missing: &MissingTokens) -> Result<Option<Timestamp>, Reject> {
        let Some(text) = self.column.known(cells, missing) else { return Ok(None) };
        self.format.read(text, &self.zone).map(Some).map_err(|problem| self.column.reject(problem))
    }
}

/// Where a row's instant comes from.
#[derive(Debug, Clone)]
pub(super) enum When {
    Column(Instants),
    RowOrder { start: Timestamp, step_us: i64 },
}

impl When {
    pub fn new(time: &TimeSource, positions: &mut Positions<'_>) -> Result<Self, ImportError> {
        Ok(match time {
            TimeSource::Column(time) => Self::Column(Instants::new(time, positions)?),
            TimeSource::RowOrder(rows) => Self::RowOrder {
                start: rows.row_order.start,
                step_us: i64::from(rows.row_order.step_seconds) * SECOND_US,
            },
        })
    }

    /// The instant of row `number` (from 1).
    pub fn read(&self, cells: &Cells, missing: &MissingTokens, number: u64) -> Result<Timestamp, Reject> {
        match self {
            Self::Column(instants) => {
                instants.read(cells, missing)?.ok_or_else(|| instants.column.reject("is missing: the row has no time"))
            }
            Self::RowOrder { start, step_us } => {
                let rows = i64::try_from(number.saturating_sub(1)).unwrap_or(i64::MAX);
                Ok(start.plus_micros(rows.saturating_mul(*step_us)))
            }
        }
    }
}

/// Which fields name the lead.
#[derive(Debug, Clone)]
pub(super) struct Identities {
    columns: Vec<(IdentityKind, Column)>,
    row_number: bool,
}

impl Identities {
    pub fn new(lead: &LeadColumns, positions: &mut Positions<'_>) -> Self {
        let kinds = [
            (IdentityKind::Crm, &lead.crm_id),
            (IdentityKind::Email, &lead.email),
            (IdentityKind::Phone, &lead.phone),
            (IdentityKind::Web, &lead.web_id),
        ];
        let columns = kinds.into_iter().filter_map(|(kind, name)| Some((kind, positions.of(name.as_ref()?)))).collect();
        Self { columns, row_number: lead.row_number }
    }

    /// The row's handles, the surest first.
    pub fn read(&self, cells: &Cells, number: u64, context: &Context) -> Result<Vec<RawIdentity>, Reject> {
        if self.row_number {
            let value = format!("{}-{number}", &context.fingerprint[..16.min(context.fingerprint.len())]);
            return Ok(vec![RawIdentity { kind: IdentityKind::Crm, value }]);
        }
        let mut identities = Vec::new();
        for (kind, column) in &self.columns {
            if let Some(value) = column.known(cells, &context.missing) {
                let raw = RawIdentity { kind: *kind, value: value.to_owned() };
                raw.normalise(context.region).map_err(|e| column.reject(format!("{}; {}", e.problem, e.remedy)))?;
                identities.push(raw);
            }
        }
        if identities.is_empty() {
            let names: Vec<&str> = self.columns.iter().map(|(_, column)| column.name.as_str()).collect();
            return Err(Reject::new(names.join(", "), "is missing: the row names no lead"));
        }
        Ok(identities)
    }
}

/// The lead of an event.
pub(super) fn lead_ref(identities: Vec<RawIdentity>) -> LeadRef {
    LeadRef { lead_id: None, identities }
}

/// An id that depends on the row's surest handle only.
pub(super) fn id_of_handle(prefix: &str, identities: &[RawIdentity], region: Region) -> Result<String, Reject> {
    let first = identities.first().ok_or_else(|| Reject::new("lead", "is not named"))?.normalise(region)?;
    Ok(digest(prefix, [first.kind().as_str(), first.value()].into_iter()))
}

/// An id that depends on all fields of the row.
pub(super) fn id_of_row(prefix: &str, cells: &Cells) -> String {
    digest(prefix, cells.iter().map(Option::unwrap_or_default))
}

/// Handles are personal data and ids are not sealed: only a digest goes into them.
fn digest<'a>(prefix: &str, parts: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    format!("{prefix}:{}", hex(&hash.finalize()[..16]))
}

/// A column that becomes an attribute.
#[derive(Debug, Clone)]
struct AttributePlan {
    name: AttributeName,
    column: Column,
    kind: AttributeType,
    format: Option<TimeFormat>,
    missing: MissingTokens,
}

/// The columns that become attributes.
#[derive(Debug, Clone)]
pub(super) struct AttributePlans(Vec<AttributePlan>);

impl AttributePlans {
    pub fn new(attributes: &[Attribute], format: &Format, positions: &mut Positions<'_>) -> Result<Self, ImportError> {
        let plans = attributes.iter().map(|attribute| {
            let name = attribute.attribute_name();
            Ok(AttributePlan {
                name: name.parse().map_err(|_| ImportError::mapping(name, "is no name", "give it another"))?,
                column: positions.of(&attribute.column),
                kind: attribute.kind,
                format: attribute.format.clone(),
                missing: MissingTokens::new([&format.missing[..], &attribute.missing[..]]),
            })
        });
        plans.collect::<Result<_, ImportError>>().map(Self)
    }

    /// The known attributes of a row.
    pub fn read(&self, cells: &Cells, context: &Context) -> Result<Attributes, Reject> {
        let mut attributes = Attributes::new();
        for plan in &self.0 {
            if let Some(text) = plan.column.known(cells, &plan.missing) {
                let value = plan.read(text, context.decimal).map_err(|problem| plan.column.reject(problem))?;
                attributes.insert(plan.name.clone(), Some(value));
            }
        }
        Ok(attributes)
    }
}

impl AttributePlan {
    fn read(&self, text: &str, decimal: char) -> Result<AttributeValue, &'static str> {
        Ok(match self.kind {
            AttributeType::Number => AttributeValue::Number(values::number(text, decimal)?),
            AttributeType::Boolean => AttributeValue::Boolean(values::boolean(text).ok_or("is neither yes nor no")?),
            AttributeType::Category => AttributeValue::Category(values::category(text).into_owned()),
            AttributeType::Time => {
                let format = self.format.as_ref().ok_or("has no format")?;
                AttributeValue::Time { time: format.read(text, &TimeZone::UTC)? }
            }
        })
    }
}

/// Where a lead's time zone comes from.
#[derive(Debug, Clone)]
pub(super) enum Zone {
    None,
    All(String),
    Column(Column),
}

impl Zone {
    pub fn new(zone: Option<&ZoneSource>, positions: &mut Positions<'_>) -> Self {
        match zone {
            None => Self::None,
            Some(ZoneSource::All(zone)) => Self::All(zone.clone()),
            Some(ZoneSource::Column(column)) => Self::Column(positions.of(column)),
        }
    }

    pub fn read(&self, cells: &Cells, missing: &MissingTokens) -> Option<String> {
        match self {
            Self::None => None,
            Self::All(zone) => Some(zone.clone()),
            Self::Column(column) => column.known(cells, missing).map(str::to_owned),
        }
    }
}
