//! Signatures that do not cover the body.

use crate::support::{Backend, at};

pub async fn a_signature_counts_for_one_body_until_it_is_too_old(backend: &impl Backend) {
    let (store, beside) = (backend.open().await, backend.open().await);
    let counts = async |connector: &str, key: &str, body: &[u8]| {
        store.is_delivery_of(connector, key, body, at(60)).await.unwrap()
    };
    assert!(counts("mail", "token", b"first").await);
    assert!(counts("mail", "token", b"first").await, "it is repeated");
    assert!(!counts("mail", "token", b"second").await);
    assert!(!beside.is_delivery_of("mail", "token", b"second", at(60)).await.unwrap(), "another process");
    assert!(counts("mail", "another", b"second").await && counts("letters", "token", b"second").await);
    backend.clock().advance_micros(61_000_000);
    assert!(counts("mail", "new", b"third").await);
    assert_eq!(backend.count("connector_deliveries").await, 1, "what is too old to count is forgotten");
}
