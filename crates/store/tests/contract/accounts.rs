//! Users and tokens.

use std::time::{Duration, Instant};

use leadscore_store::{Admitted, Authority, NewUser, Role, Scope, Scopes, StoreError};

use crate::support::{Backend, at};

pub async fn passwords_are_checked_and_replaced(backend: &impl Backend) {
    let store = backend.open().await;
    for (email, password) in [
        ("nobody", "long enough"),
        ("a@example.com", "short"),
        ("a@example.com", "ÄÖÜäöüß"),
        ("a@example.com", &"x".repeat(257)),
    ] {
        assert!(matches!(store.create_user(email, password, Role::Admin).await, Err(StoreError::Invalid(_))));
    }
    let user = store.create_user(" Ann@Example.com ", "correct horse", Role::Manager).await.unwrap();
    let person = |role| Authority::Person { role, team_id: None };
    assert_eq!((user.name.as_str(), &user.authority), ("ann@example.com", &person(Role::Manager)));
    assert_eq!(store.verify_password("ann@example.COM", "correct horse").await.unwrap(), Some(user.clone()));
    assert_eq!(store.verify_password("ann@example.com", "correct horsf").await.unwrap(), None);
    assert_eq!(store.verify_password("bob@example.com", "correct horse").await.unwrap(), None);
    assert_eq!(store.verify_password("", "").await.unwrap(), None);
    assert_eq!(store.verify_password("bob@example.com", "nobody's password").await.unwrap(), None);

    let again = store.create_user("ann@example.com", "battery staple", Role::Agent).await.unwrap();
    assert_eq!((again.id, again.authority), (user.id, person(Role::Agent)));
    assert_eq!(store.verify_password("ann@example.com", "correct horse").await.unwrap(), None);
    assert!(store.verify_password("ann@example.com", "battery staple").await.unwrap().is_some());
    assert!(Role::Agent < Role::Manager && Role::Manager < Role::Admin);
}

pub async fn unknown_addresses_take_as_long_as_wrong_passwords(backend: &impl Backend) {
    let store = backend.open().await;
    store.create_user("ann@example.com", "correct horse", Role::Agent).await.unwrap();
    let fastest = async |email: &str| {
        let mut fastest = Duration::MAX;
        for _ in 0..6 {
            let start = Instant::now();
            assert_eq!(store.verify_password(email, "wrong horse").await.unwrap(), None);
            fastest = fastest.min(start.elapsed());
        }
        fastest
    };
    // The first of each also warms up.
    let (known, unknown) = (fastest("ann@example.com").await, fastest("bob@example.com").await);
    // Without the comparison an unknown address would answer a hundred times faster.
    assert!(unknown > known / 3 && known > unknown / 3, "{known:?} and {unknown:?}");
}

pub async fn who_was_removed_is_not_brought_back_by_a_provider(backend: &impl Backend) {
    let store = backend.open().await;
    assert!(matches!(store.admit_user("nobody", Role::Agent).await, Err(StoreError::Invalid(_))));
    assert_eq!(store.user_by_address("nobody").await.unwrap(), None);
    assert_eq!(store.user_by_address("ann@example.com").await.unwrap(), None);
    let Admitted::Made(ann) = store.admit_user(" Ann@Example.com", Role::Manager).await.unwrap() else {
        panic!("she is new")
    };
    assert_eq!(ann.authority, Authority::Person { role: Role::Manager, team_id: None });
    assert_eq!(store.user_by_address("ANN@example.com").await.unwrap(), Some(ann.clone()));
    let again = store.admit_user("ann@example.com", Role::Admin).await.unwrap();
    assert_eq!(again, Admitted::Known(ann.clone()), "her role stays");
    for password in ["", "!", "ann@example.com"] {
        assert_eq!(store.verify_password("ann@example.com", password).await.unwrap(), None);
    }
    let beginners =
        (store.admit_user("bob@example.com", Role::Agent), store.admit_user("bob@example.com", Role::Agent));
    let (one, other) = tokio::join!(beginners.0, beginners.1);
    let made = [one.unwrap(), other.unwrap()].iter().filter(|admitted| matches!(admitted, Admitted::Made(_))).count();
    assert_eq!(made, 1, "two first requests make one user");

    store.remove_user(ann.id).await.unwrap().unwrap();
    assert_eq!(store.user_by_address("ann@example.com").await.unwrap(), None);
    assert_eq!(store.admit_user("ann@example.com", Role::Agent).await.unwrap(), Admitted::Removed);
    let new = NewUser {
        email: "ann@example.com".to_owned(),
        password: "correct horse".to_owned(),
        name: None,
        role: Role::Agent,
        team_id: None,
    };
    let anew = store.add_user(new).await.unwrap().unwrap();
    assert_ne!(anew.id, ann.id);
    store.remove_user(anew.id).await.unwrap().unwrap();
    assert_eq!(store.admit_user("ann@example.com", Role::Agent).await.unwrap(), Admitted::Removed);
    let user = store.create_user("ann@example.com", "correct horse", Role::Agent).await.unwrap();
    assert_eq!(store.admit_user("ann@example.com", Role::Agent).await.unwrap(), Admitted::Known(user));
}

pub async fn api_keys_are_shown_once_expire_and_can_be_revoked(backend: &impl Backend) {
    let store = backend.open().await;
    assert!(matches!(store.create_api_key(" ", Scope::LeadsRead.into(), None).await, Err(StoreError::Invalid(_))));
    assert!(matches!(store.create_api_key("crm", Scopes::default(), None).await, Err(StoreError::Invalid(_))));
    let scopes: Scopes = [Scope::LeadsRead, Scope::EventsWrite].into_iter().collect();
    let (lasting, key) = store.create_api_key("crm", scopes.clone(), None).await.unwrap();
    let (brief, _) = store.create_api_key("visit", Scope::Admin.into(), Some(at(10))).await.unwrap();
    assert!(lasting.starts_with("lsk_") && lasting.len() == 68 && lasting != brief);
    let holder = store.token(&lasting).await.unwrap().unwrap();
    assert_eq!((holder.id, holder.name.as_str()), (key.id, "crm"));
    assert_eq!(holder.authority, Authority::Machine { scopes });
    let authority = Authority::Machine { scopes: Scope::Admin.into() };
    assert_eq!(store.token(&brief).await.unwrap().unwrap().authority, authority);
    assert_eq!(store.token(&lasting[..67]).await.unwrap(), None);
    assert_eq!(store.token("").await.unwrap(), None);
    backend.clock().set(at(10));
    assert_eq!(store.token(&brief).await.unwrap(), None);
    let keys = store.api_keys().await.unwrap();
    assert!(keys.len() == 2 && keys.contains(&key), "{keys:?}");
    assert!(store.revoke_api_key(holder.id).await.unwrap());
    assert!(!store.revoke_api_key(holder.id).await.unwrap());
    assert_eq!(store.token(&lasting).await.unwrap(), None);
}
