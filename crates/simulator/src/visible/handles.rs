//! The handles under which a lead turns up, and which source knows which of them when.

use leadscore_domain::{IdentityKind, RawIdentity, Timestamp, event::LeadRef};

use crate::{
    draw::{Draw, days_us},
    lead_name,
    person::{CHANNELS, JOINS_WITHIN_DAYS, Person},
    visible::{phrases, recorder::Source},
};

/// The handles of one lead.
pub(crate) struct Handles {
    crm: String,
    email: Option<String>,
    phone: Option<String>,
    web: String,
    /// The CRM knows the browser's id from the start.
    web_at_creation: bool,
    /// The CRM does not know the address at first: what the mailer sends is another lead until [`Self::joins_at`].
    split: bool,
    /// From when on the website knows who is visiting, and the CRM knows the address.
    pub joins_at: Timestamp,
    pub name: String,
}

impl Handles {
    pub(crate) fn new(person: &Person, draw: &mut Draw) -> Self {
        let number = person.number;
        let (first, last) = (*draw.pick(&phrases::FIRST_NAMES), *draw.pick(&phrases::LAST_NAMES));
        let email =
            draw.chance(0.9).then(|| format!("{}.{}.{number}@example.com", first.to_lowercase(), last.to_lowercase()));
        // The 555 exchange of every area code is fictional; ten thousand leads share an area code.
        let (code, line) = (200 + number / 10_000, number % 10_000);
        let phone = (email.is_none() || draw.chance(0.88)).then(|| match draw.index(4) {
            0 => format!("+1{code}555{line:04}"),
            1 => format!("({code}) 555-{line:04}"),
            2 => format!("{code}.555.{line:04}"),
            _ => format!("1-{code}-555-{line:04}"),
        });
        let online = matches!(CHANNELS[person.channel].0, "website" | "paid_search" | "social");
        let split = email.is_some() && phone.is_some() && draw.chance(0.06);
        Self {
            crm: lead_name(number),
            web: format!("web-{:016x}", spread(number)),
            web_at_creation: online && !split && draw.chance(0.8),
            split,
            joins_at: person.created_at.plus_micros(days_us(draw.exponential(5.0).min(JOINS_WITHIN_DAYS))),
            email,
            phone,
            name: format!("{first} {last}"),
        }
    }

    /// Whether events under `lead` alone could be taken for another lead's, until the handles are joined.
    pub(crate) fn is_apart(&self, lead: &LeadRef) -> bool {
        lead.identities.iter().all(|identity| match identity.kind {
            IdentityKind::Web => !self.web_at_creation,
            IdentityKind::Email => self.split,
            IdentityKind::Crm | IdentityKind::Phone => false,
        })
    }

    pub(crate) fn has_email(&self) -> bool {
        self.email.is_some()
    }

    pub(crate) fn has_phone(&self) -> bool {
        self.phone.is_some()
    }

    /// The handles that come with the lead's creation.
    pub(crate) fn at_creation(&self) -> LeadRef {
        let mut identities = vec![raw(IdentityKind::Crm, &self.crm)];
        identities.extend(self.phone.as_ref().map(|phone| raw(IdentityKind::Phone, phone)));
        identities.extend(self.email.as_ref().filter(|_| !self.split).map(|email| raw(IdentityKind::Email, email)));
        if self.web_at_creation {
            identities.push(raw(IdentityKind::Web, &self.web));
        }
        LeadRef { lead_id: None, identities }
    }

    /// The handles that join what was apart.
    pub(crate) fn joining(&self) -> LeadRef {
        let mut identities = vec![raw(IdentityKind::Crm, &self.crm), raw(IdentityKind::Web, &self.web)];
        identities.extend(self.email.as_ref().map(|email| raw(IdentityKind::Email, email)));
        LeadRef { lead_id: None, identities }
    }

    /// The handles by which `source` names the lead at `at`.
    pub(crate) fn of(&self, source: Source, at: Timestamp) -> LeadRef {
        let crm = || raw(IdentityKind::Crm, &self.crm);
        let identities = match source {
            Source::Website if at < self.joins_at => vec![raw(IdentityKind::Web, &self.web)],
            Source::Website => vec![raw(IdentityKind::Web, &self.web), crm()],
            Source::Voice => vec![self.phone.as_ref().map_or_else(crm, |phone| raw(IdentityKind::Phone, phone))],
            Source::Mailer => vec![self.email.as_ref().map_or_else(crm, |email| raw(IdentityKind::Email, email))],
            Source::Crm | Source::Showings => vec![crm()],
        };
        LeadRef { lead_id: None, identities }
    }
}

fn raw(kind: IdentityKind, value: &str) -> RawIdentity {
    RawIdentity { kind, value: value.to_owned() }
}

/// A one-to-one scrambling of the number (the finaliser of SplitMix64), so that ids do not tell the order of leads.
fn spread(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
