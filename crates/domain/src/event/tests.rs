use super::*;
use crate::time::DAY_US;

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn envelope(data: &str) -> Result<EventEnvelope, serde_json::Error> {
    serde_json::from_str(&format!(
        r#"{{"source":"site","source_event_id":"1","occurred_at":"2026-03-01T11:00:00Z",
        "lead":{{"identities":[{{"kind":"email","value":" Ann@Example.COM "}}]}},{data}}}"#
    ))
}

#[test]
fn unknown_fields_and_kinds_are_refused_with_their_name() {
    let error = envelope(r#""type":"email","data":{"action":"opened","colour":1}"#).unwrap_err().to_string();
    assert!(error.contains("colour"), "{error}");
    let error = envelope(r#""type":"telegram","data":{}"#).unwrap_err().to_string();
    assert!(error.contains("telegram"), "{error}");
    let error = envelope(r#""type":"email""#).unwrap_err().to_string();
    assert!(error.contains("data"), "{error}");
    let error = envelope(r#""type":"email","type":"email","data":{"action":"opened"}"#).unwrap_err().to_string();
    assert!(error.contains("duplicate"), "{error}");
}

#[test]
fn data_may_stand_before_type() {
    let first = envelope(r#""type":"email","data":{"action":"opened"}"#).unwrap();
    let second = envelope(r#""data":{"action":"opened"},"type":"email""#).unwrap();
    assert_eq!(first, second);
}

#[test]
fn times_before_2000_and_in_the_future_are_refused() {
    for (shift_us, ok) in [(0, true), (4 * 60_000_000, true), (DAY_US, false), (-40 * 366 * DAY_US, false)] {
        let mut event = envelope(r#""type":"email","data":{"action":"opened"}"#).unwrap();
        event.occurred_at = now().plus_micros(shift_us);
        let result = event.validate(now(), Region::default());
        assert_eq!(result.is_ok(), ok, "{result:?}");
        if let Err(error) = result {
            assert_eq!(error.field, "occurred_at");
        }
    }
}

#[test]
fn an_event_about_nobody_is_refused() {
    let mut event = envelope(r#""type":"email","data":{"action":"opened"}"#).unwrap();
    event.lead.identities.clear();
    assert_eq!(event.validate(now(), Region::default()).unwrap_err().field, "lead");
}

#[test]
fn errors_name_the_path_of_the_field() {
    let call = r#""type":"voice_call","data":{"direction":"inbound","answered":true,"duration_ms":1000,
        "turns":[{"speaker":"lead","text":"hello","start_ms":0,"sentiment":7}]}"#;
    let error = envelope(call).unwrap().validate(now(), Region::default()).unwrap_err();
    assert_eq!(error.field, "data.turns[0].sentiment");
}

#[test]
fn identities_come_out_in_normal_form() {
    let event = envelope(r#""type":"email","data":{"action":"opened"}"#).unwrap();
    let pending = event.validate(now(), Region::default()).unwrap();
    assert_eq!(pending.identities[0].value(), "ann@example.com");
    for (written, normal) in [("(512) 555-0123", "+15125550123"), ("+44 20 7946 0000", "+442079460000")] {
        let raw = RawIdentity { kind: crate::IdentityKind::Phone, value: written.into() };
        assert_eq!(raw.normalise(Region::default()).unwrap().value(), normal);
    }
    for (kind, bad) in
        [(crate::IdentityKind::Phone, "12"), (crate::IdentityKind::Email, "ann"), (crate::IdentityKind::Crm, " ")]
    {
        assert!(RawIdentity { kind, value: bad.into() }.normalise(Region::default()).is_err(), "{bad}");
    }
}

#[test]
fn the_logs_form_reads_back() {
    let event = envelope(
        r#""type":"property_search","data":{"deal":"buy","price_max":500000,"areas":["Austin, TX"],"property_types":["condo"]}"#,
    )
    .unwrap();
    let data = event.body.data_to_json();
    assert_eq!(EventBody::data_from_json(EventKind::PropertySearch, &data).unwrap(), event.body);
    assert!(EventBody::data_from_json(EventKind::Email, &data).is_err());
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<EventEnvelope>(&text).unwrap(), event);
}

#[test]
fn attributes_must_be_finite_and_short() {
    let mut event = envelope(r#""type":"crm_updated","data":{"attributes":{"budget":5,"score":null}}"#).unwrap();
    assert!(event.clone().validate(now(), Region::default()).is_ok());
    let EventBody::CrmUpdated(data) = &mut event.body else { panic!("a CRM update") };
    data.attributes.insert("budget".parse().unwrap(), Some(crate::AttributeValue::Number(f64::NAN)));
    assert_eq!(event.validate(now(), Region::default()).unwrap_err().field, "data.attributes.budget");
}

#[test]
fn the_same_source_id_is_the_same_event_and_no_other() {
    assert_eq!(EventId::derive("a", "b"), EventId::derive("a", "b"));
    assert_ne!(EventId::derive("a", "b"), EventId::derive("ab", ""));
}
