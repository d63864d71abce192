//! Reading records of the events topic, from any bytes.

use super::record::{Parsed, event_text, parse, write};

/// Reads a record of the events topic.
///
/// # Panics
/// Where a sealed event that was read is another after it was written, or a refusal quotes what it refuses at length.
pub fn record(payload: &[u8]) {
    let text = event_text(payload);
    assert!(text.len() <= payload.len(), "an event is longer than its record");
    match parse(payload) {
        Ok(Parsed::Sealed(row)) => {
            let again = parse(&write(&row));
            let Ok(Parsed::Sealed(again)) = again else { panic!("a record of ours is none of ours") };
            assert_eq!((row.id, row.lead, &row.source), (again.id, again.lead, &again.source));
            assert_eq!((row.occurred_at, row.received_at), (again.occurred_at, again.received_at));
            assert_eq!(row.sealed, again.sealed);
        }
        Ok(Parsed::Plain(_)) => {}
        Err(problem) => assert!(problem.len() < 200, "{problem}"),
    }
}
