//! What the e-mail vendors share: an action on a message, and what it says of consent.

use leadscore_domain::{
    EventBody, IdentityKind, Timestamp,
    event::{Email, EmailAction},
    limits,
};

use crate::{
    make::{self, Maker},
    seam::Reading,
    text::clip,
};

/// What a vendor says of a message.
pub(crate) struct Told<'a> {
    pub(crate) id: &'a str,
    pub(crate) address: Option<&'a str>,
    pub(crate) at: Option<Timestamp>,
    pub(crate) message_id: Option<&'a str>,
    pub(crate) action: EmailAction,
}

/// The event, and the withdrawal of consent where the person wants no more.
pub(crate) fn take(maker: Maker<'_>, reading: &mut Reading, told: &Told<'_>) {
    let lead = make::lead([(IdentityKind::Email, told.address)]);
    if told.action == EmailAction::Unsubscribed {
        maker.stop_email(reading, told.id, &lead, told.at, &format!("unsubscribed by e-mail, event {}", told.id));
    }
    let message_id = told.message_id.map(|id| clip(id, limits::SOURCE_EVENT_ID_MAX_BYTES));
    let body = EventBody::Email(Email { action: told.action, message_id });
    reading.push(maker.event(told.id, lead, told.at, body));
}
