//! Sessions and signing keys.

use leadscore_domain::time::{DAY_US, HOUR_US, SECOND_US};
use leadscore_store::{REFRESH_GRACE_US, Refreshed, Role, Rotation, SIGNED_MAX_US, Session, Store};
use uuid::Uuid;

use crate::support::{Backend, at};

/// After which time without use a session is over.
const IDLE_US: i64 = DAY_US;

async fn renewed(store: &Store, token: &str, client: &str) -> Session {
    match store.refresh_session(token, client, IDLE_US).await.unwrap() {
        Refreshed::Renewed(session) => session,
        other @ (Refreshed::Reused | Refreshed::Unknown) => panic!("{other:?}"),
    }
}

pub async fn a_session_is_its_users_and_ends_with_the_password_and_with_time(backend: &impl Backend) {
    let store = backend.open().await;
    let ann = store.create_user("ann@example.com", "correct horse", Role::Admin).await.unwrap();
    let bob = store.create_user("bob@example.com", "correct horse", Role::Agent).await.unwrap();
    let first = store.create_session(ann.id, at(10)).await.unwrap();
    assert!(first.refresh_token.starts_with("lsr_") && first.refresh_token.len() == 68);
    assert_eq!(store.session(first.id, ann.id).await.unwrap(), Some((ann.clone(), at(10))));
    assert_eq!(store.session(first.id, bob.id).await.unwrap(), None, "it is somebody else's");
    assert_eq!(store.session(Uuid::nil(), ann.id).await.unwrap(), None);
    assert!(store.create_session(Uuid::nil(), at(10)).await.is_err(), "nobody has one");
    for secret in [first.refresh_token.as_bytes(), ann.name.as_bytes()] {
        let stands = |bytes: &Vec<u8>| bytes.windows(secret.len()).any(|part| part == secret);
        assert!(!backend.kept().await.iter().any(stands), "it stands in the clear");
    }

    let again = store.create_user("ann@example.com", "battery staple", Role::Agent).await.unwrap();
    assert_eq!(store.session(first.id, ann.id).await.unwrap(), None);
    assert_eq!(store.refresh_session(&first.refresh_token, "", IDLE_US).await.unwrap(), Refreshed::Unknown);
    let second = store.create_session(ann.id, at(10)).await.unwrap();
    assert_eq!(store.session(second.id, ann.id).await.unwrap(), Some((again, at(10))), "the role of now");
    let ended = store.create_session(ann.id, at(10)).await.unwrap();
    assert!(store.end_session(ended.id).await.unwrap());
    assert!(!store.end_session(ended.id).await.unwrap());

    backend.clock().set(at(10));
    assert_eq!(store.session(second.id, ann.id).await.unwrap(), None);
    assert_eq!(store.refresh_session(&second.refresh_token, "", IDLE_US).await.unwrap(), Refreshed::Unknown);
    store.create_session(bob.id, at(20)).await.unwrap();
    assert_eq!((backend.count("sessions").await, backend.count("refresh_tokens").await), (1, 1), "what is over goes");
}

pub async fn a_refresh_token_is_good_once_and_a_second_use_ends_the_session(backend: &impl Backend) {
    let store = backend.open().await;
    let ann = store.create_user("ann@example.com", "correct horse", Role::Admin).await.unwrap();
    let begin = async || store.create_session(ann.id, at(100_000)).await.unwrap();
    let seconds = |micros: i64| micros / SECOND_US;

    // Two processes at the same time, as two tabs of a browser.
    let (other, first) = (backend.open().await, begin().await);
    let (one, two) =
        tokio::join!(renewed(&store, &first.refresh_token, "tab"), renewed(&other, &first.refresh_token, "tab"));
    assert!(one.id == first.id && two.id == first.id && one.refresh_token != two.refresh_token);
    // Each goes on, and the first token is over after the grace.
    renewed(&store, &one.refresh_token, "tab").await;
    let last = renewed(&store, &two.refresh_token, "elsewhere").await;
    backend.clock().set(at(seconds(REFRESH_GRACE_US)));
    assert_eq!(store.refresh_session(&first.refresh_token, "tab", IDLE_US).await.unwrap(), Refreshed::Reused);
    assert_eq!(store.refresh_session(&last.refresh_token, "tab", IDLE_US).await.unwrap(), Refreshed::Unknown);
    assert_eq!(store.session(first.id, ann.id).await.unwrap(), None);

    // Somebody else has no grace.
    let stolen = begin().await;
    renewed(&store, &stolen.refresh_token, "owner").await;
    assert_eq!(store.refresh_session(&stolen.refresh_token, "thief", IDLE_US).await.unwrap(), Refreshed::Reused);
    assert_eq!(store.session(stolen.id, ann.id).await.unwrap(), None);
    assert_eq!(store.refresh_session("lsr_unknown", "thief", IDLE_US).await.unwrap(), Refreshed::Unknown);
}

pub async fn sessions_are_listed_ended_and_over_where_nobody_goes_on_with_them(backend: &impl Backend) {
    let store = backend.open().await;
    let ann = store.create_user("ann@example.com", "correct horse battery", Role::Admin).await.unwrap();
    let bob = store.create_user("bob@example.com", "correct horse battery", Role::Agent).await.unwrap();
    let (long, idle) = (at(10_000_000), IDLE_US / SECOND_US);
    let first = store.create_session(ann.id, long).await.unwrap();
    backend.clock().set(at(60));
    let second = store.create_session(ann.id, long).await.unwrap();
    store.create_session(bob.id, long).await.unwrap();
    backend.clock().set(at(120));
    let carried_on = renewed(&store, &first.refresh_token, "tab").await;
    let listed = store.sessions(ann.id).await.unwrap();
    let times: Vec<_> = listed.iter().map(|one| (one.id, one.created_at, one.refreshed_at)).collect();
    assert_eq!(times, [(second.id, at(60), at(60)), (first.id, at(0), at(120))]);

    // A day after the second was begun, and before one has passed since the first was carried on.
    backend.clock().set(at(60 + idle));
    assert_eq!(store.refresh_session(&second.refresh_token, "tab", IDLE_US).await.unwrap(), Refreshed::Unknown);
    assert!(store.sessions(ann.id).await.unwrap().iter().all(|one| one.id == first.id));
    renewed(&store, &carried_on.refresh_token, "tab").await;

    assert_eq!(store.end_sessions(bob.id, Some(first.id)).await.unwrap(), 0, "it is somebody else's");
    assert_eq!(store.end_sessions(ann.id, Some(first.id)).await.unwrap(), 1);
    store.create_session(ann.id, long).await.unwrap();
    store.create_session(ann.id, long).await.unwrap();
    assert_eq!(store.end_sessions(ann.id, None).await.unwrap(), 2);
    assert_eq!((store.sessions(ann.id).await.unwrap(), store.sessions(bob.id).await.unwrap().len()), (vec![], 1));
}

pub async fn a_new_signing_key_is_known_before_it_signs_and_an_old_one_for_long_enough(backend: &impl Backend) {
    let store = backend.open().await;
    assert!(store.signing_keys().await.unwrap().is_empty());
    assert!(store.rotate_signing_key(Rotation::Aged(DAY_US)).await.unwrap());
    assert!(!store.rotate_signing_key(Rotation::Aged(DAY_US)).await.unwrap());
    let first = store.signing_keys().await.unwrap().remove(0);
    assert_eq!((first.signs_from, first.retired_at), (at(0), None), "there is nobody to wait for");
    assert_eq!((first.public_key().len(), first.sign(b"x").len()), (32, 64));

    assert!(store.rotate_signing_key(Rotation::Asked).await.unwrap());
    let keys = store.signing_keys().await.unwrap();
    assert_eq!(keys.len(), 2);
    assert!(keys[0].signs_from > at(0) && keys[1].retired_at == Some(keys[0].signs_from));
    assert_eq!(keys[1].public_key(), first.public_key());
    // The last token of the old one is over.
    let over = keys[0].signs_from.plus_micros(SIGNED_MAX_US);
    backend.clock().set(over);
    assert_eq!(store.signing_keys().await.unwrap().len(), 2);
    backend.clock().set(over.plus_micros(HOUR_US));
    assert_eq!(store.signing_keys().await.unwrap().len(), 1);
    assert!(store.rotate_signing_key(Rotation::Aged(HOUR_US)).await.unwrap());
    assert_eq!(backend.count("signing_keys").await, 2, "what verifies nothing goes");

    assert!(store.rotate_signing_key(Rotation::Compromised).await.unwrap());
    let keys = store.signing_keys().await.unwrap();
    assert_eq!((keys.len(), keys[0].signs_from), (1, over.plus_micros(HOUR_US)));
}

pub async fn processes_that_start_together_make_one_key(backend: &impl Backend) {
    let (one, two) = (backend.open().await, backend.open().await);
    let rotation = Rotation::Aged(DAY_US);
    let (first, second) = tokio::join!(one.rotate_signing_key(rotation), two.rotate_signing_key(rotation));
    assert_ne!(first.unwrap(), second.unwrap());
    let (first, second) = (one.signing_keys().await.unwrap(), two.signing_keys().await.unwrap());
    assert_eq!((first.len(), first[0].kid()), (1, second[0].kid()));
}
