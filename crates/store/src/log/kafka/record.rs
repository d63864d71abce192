//! Records of the events topic: CloudEvents 1.0 in structured JSON
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>).
//!
//! Ours name the lead as their subject and carry the event's data sealed; those that others produce carry an event as
//! `POST /api/v1/events` takes it. The source of ours is percent-encoded, because CloudEvents wants a URI reference.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use leadscore_domain::{EventEnvelope, EventId, EventKind, LeadId, Score, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::rows::{EventRow, Figures};

/// Type of an event whose data is sealed.
const SEALED: &str = "com.leadscore.event.sealed.v1";
/// Type of an event that somebody else produced.
const PLAIN: &str = "com.leadscore.event.v1";
/// Type of a score.
const SCORE: &str = "com.leadscore.score.v1";
/// What a URI reference may hold as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Serialize, Deserialize)]
struct CloudEvent<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<LeadId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    /// Extension: what kind of event it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eventkind: Option<EventKind>,
    /// Extension: when it was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    receivedtime: Option<Timestamp>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data_base64: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// What a record of the events topic turned out to be.
pub(super) enum Parsed {
    /// One of ours; without its place.
    Sealed(EventRow),
    /// Somebody else's.
    Plain(Box<EventEnvelope>),
}

/// The record of an event.
pub(super) fn write(row: &EventRow) -> Vec<u8> {
    let event = CloudEvent {
        specversion: "1.0".into(),
        id: row.id.0.to_string().into(),
        source: utf8_percent_encode(&row.source, KEPT).into(),
        r#type: SEALED.into(),
        subject: Some(row.lead),
        time: Some(row.occurred_at),
        eventkind: Some(row.kind),
        receivedtime: Some(row.received_at),
        datacontenttype: Some("application/octet-stream".into()),
        data_base64: Some(BASE64.encode(&row.sealed).into()),
        data: None,
    };
    serde_json::to_vec(&event).expect("plain data with string keys")
}

/// The record of a score.
pub(super) fn write_score(score: &Score) -> Vec<u8> {
    let data = serde_json::value::to_raw_value(score).expect("plain data with string keys");
    let event = CloudEvent {
        specversion: "1.0".into(),
        id: format!("{}/{}/{}", score.lead_id, score.log_position, score.calculated_at.as_micros()).into(),
        source: "leadscore".into(),
        r#type: SCORE.into(),
        subject: Some(score.lead_id),
        time: Some(score.calculated_at),
        eventkind: None,
        receivedtime: None,
        datacontenttype: Some("application/json".into()),
        data_base64: None,
        data: Some(&data),
    };
    serde_json::to_vec(&event).expect("plain data with string keys")
}

/// Reads a record; an error says what is wrong with it, without quoting it.
pub(super) fn parse(payload: &[u8]) -> Result<Parsed, String> {
    let event: CloudEvent<'_> = serde_json::from_slice(payload).map_err(|error| {
        // What the parser quotes may be personal.
        format!("not a CloudEvent in JSON: wrong at line {}, column {}", error.line(), error.column())
    })?;
    if event.specversion != "1.0" {
        return Err("specversion is not 1.0".to_owned());
    }
    match event.r#type.as_ref() {
        SEALED => sealed(&event).ok_or_else(|| "a sealed event that lacks an attribute".to_owned()).map(Parsed::Sealed),
        PLAIN => {
            let data = event.data.ok_or("data is missing")?;
            let envelope = serde_json::from_str(data.get()).map_err(|error| {
                format!("data is no event: wrong at line {}, column {}", error.line(), error.column())
            })?;
            Ok(Parsed::Plain(Box::new(envelope)))
        }
        _ => Err(format!("the type is unknown; send {PLAIN}")),
    }
}

/// Of a record its event, as somebody may send it again: the data of a CloudEvent, the whole of anything else.
pub(super) fn event_text(payload: &[u8]) -> &[u8] {
    let data = serde_json::from_slice::<CloudEvent<'_>>(payload).ok().and_then(|event| event.data);
    data.map_or(payload, |data| data.get().as_bytes())
}

fn sealed(event: &CloudEvent<'_>) -> Option<EventRow> {
    Some(EventRow {
        partition: 0,
        position: 0,
        id: EventId(event.id.parse().ok()?),
        lead: event.subject?,
        source: percent_decode_str(&event.source).decode_utf8().ok()?.into_owned(),
        kind: event.eventkind?,
        occurred_at: event.time?,
        received_at: event.receivedtime?,
        sealed: BASE64.decode(event.data_base64.as_deref()?).ok()?,
        figures: Figures::default(),
        trace: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> EventRow {
        EventRow {
            partition: 0,
            position: 0,
            id: EventId::derive("site", "1"),
            lead: "00000000-0000-0000-0000-000000000007".parse().unwrap(),
            source: "Ann's site / €".to_owned(),
            kind: EventKind::VoiceCall,
            occurred_at: "2026-03-01T09:00:00.000001Z".parse().unwrap(),
            received_at: "2026-03-01T09:00:01Z".parse().unwrap(),
            sealed: vec![0, 255, 7],
            figures: Figures::default(),
            trace: None,
        }
    }

    #[test]
    fn a_row_survives_its_record() {
        let record = write(&row());
        let Parsed::Sealed(read) = parse(&record).unwrap() else { panic!("sealed") };
        assert_eq!(format!("{read:?}"), format!("{:?}", row()));
        let json: serde_json::Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(json["source"], "Ann%27s%20site%20%2F%20%E2%82%AC");
        assert_eq!(json["subject"], "00000000-0000-0000-0000-000000000007");
    }

    #[test]
    fn what_is_no_event_is_refused_without_quoting_it() {
        let ours = String::from_utf8(write(&row())).unwrap();
        for (payload, reason) in [
            (String::new(), "not a CloudEvent"),
            ("{\"secret\": 1}".to_owned(), "not a CloudEvent"),
            (ours.replace("\"1.0\"", "\"0.3\""), "specversion"),
            (ours.replace("sealed.v1", "sealed.v9"), "type is unknown"),
            (ours.replace("AP8H", "€"), "lacks an attribute"),
            (ours.replace("eventkind", "kindless"), "lacks an attribute"),
            (ours.replace(SEALED, PLAIN), "data is missing"),
        ] {
            let Err(error) = parse(payload.as_bytes()) else { panic!("{payload}") };
            assert!(error.contains(reason) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_event_of_another_system_is_read() {
        let record = serde_json::json!({
            "specversion": "1.0", "id": "1", "source": "/crm", "type": PLAIN, "datacontenttype": "application/json",
            "data": {
                "source": "crm", "source_event_id": "1", "occurred_at": "2026-03-01T09:00:00Z",
                "lead": {"identities": [{"kind": "email", "value": "ann@example.com"}]},
                "type": "email", "data": {"action": "opened"}
            }
        });
        let Parsed::Plain(event) = parse(record.to_string().as_bytes()).unwrap() else { panic!("plain") };
        assert_eq!(event.source_event_id, "1");
    }
}
