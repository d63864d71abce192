//! Events as anybody may send them: what is valid stays the same when it is written and read again.

#![no_main]

use leadscore_domain::{EventBody, EventEnvelope, Region, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(envelope) = serde_json::from_slice::<EventEnvelope>(bytes) else { return };
    let now = Timestamp::from_micros(1_800_000_000_000_000).expect("the year 2027 is supported");
    let Ok(event) = envelope.validate(now, Region::default()) else { return };
    let data = event.body.data_to_json();
    let again = EventBody::data_from_json(event.body.kind(), &data).expect("what was written can be read");
    assert_eq!(again.data_to_json(), data, "data is other data after it was read");
    assert!(event.lead_id.is_some() || !event.identities.is_empty(), "an event about nobody");
});
