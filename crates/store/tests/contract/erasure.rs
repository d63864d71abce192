//! Erasing a lead.

use leadscore_domain::{EventBody, Identity, IdentityKind, LeadId, event};
use leadscore_store::{Appended, Unreadable};
use uuid::Uuid;

use crate::support::{Backend, append_one, arrival, at, crm, derived, email, event as plain, of, score};

pub async fn an_erased_lead_is_gone_and_its_events_stay_unreadable(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, arrival("1", &[email("ann")], 0, "Ann")).await;
    let partition = store.partition_of(lead);
    let mut commit = derived(partition, 0, 1);
    commit.states = vec![(lead, b"state".to_vec())];
    commit.scores = vec![score(lead, 1, 1, 50)];
    store.commit(commit).await.unwrap();

    let erased = store.erase_lead(lead).await.unwrap().unwrap();
    assert_eq!((erased.leads, erased.events), (vec![lead], 1));
    assert_eq!(store.erase_lead(lead).await.unwrap(), None);
    assert_eq!(store.erase_lead(LeadId(Uuid::nil())).await.unwrap(), None);
    assert_eq!(store.lead(lead).await.unwrap(), None);
    assert_eq!(store.find(&email("ann")).await.unwrap(), None);
    assert!(store.states(&[lead]).await.unwrap().is_empty());
    assert!(store.score_history(lead, None, 10).await.unwrap().is_empty());
    assert_eq!(store.latest_score(lead).await.unwrap(), None);
    assert!(store.events_of(&[lead]).await.unwrap().is_empty());
    let records = store.read_log(partition, 0, 10).await.unwrap();
    assert_eq!((records[0].position, &records[0].event), (1, &Err(Unreadable::Erased)));

    // Who names the erased lead is refused; who names the handle starts anew.
    let named = of("2", Some(lead), &[], 1, plain("x", &[], 0).body);
    let answers = store.append(vec![named, plain("3", &[email("ann")], 2)], None).await.unwrap();
    assert!(matches!(&answers[0], Appended::Refused(invalid) if invalid.field == "lead.lead_id"));
    assert!(matches!(answers[1], Appended::Applied { created: true, lead_id, .. } if lead_id != lead));
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.leads, counts.erased, counts.events), (1, 1, 2));
}

pub async fn a_merged_family_is_erased_together_from_any_member(backend: &impl Backend) {
    let store = backend.open().await;
    let older = append_one(&store, plain("1", &[email("ann")], 0)).await;
    let younger = append_one(&store, plain("2", &[crm("7")], 1)).await;
    append_one(&store, plain("3", &[email("ann"), crm("7")], 2)).await;
    let mut erased = store.erase_lead(younger).await.unwrap().unwrap();
    erased.leads.sort_unstable();
    let mut both = vec![older, younger];
    both.sort_unstable();
    assert_eq!((erased.leads, erased.events), (both, 4));
    assert!(store.events_of(&[older, younger]).await.unwrap().is_empty());
}

pub async fn personal_data_is_never_on_the_disk_in_the_clear(backend: &impl Backend) {
    let store = backend.open().await;
    let secret = "Wilhelmina";
    let phone = Identity::from_stored(IdentityKind::Phone, "+15125550123".to_owned());
    let identities = [email(&secret.to_lowercase()), phone];
    append_one(&store, arrival("1", &identities, 0, secret)).await;
    let note = event::Message {
        direction: event::Direction::Inbound,
        medium: event::Medium::Sms,
        text: Some(format!("this is {secret}")),
        sentiment: None,
    };
    let lead = append_one(&store, of("2", None, &identities, 1, EventBody::Message(note))).await;
    let mut commit = derived(store.partition_of(lead), 0, 2);
    commit.states = vec![(lead, secret.as_bytes().to_vec())];
    store.commit(commit).await.unwrap();
    store.create_user("wilhelmina@example.com", "long enough", leadscore_store::Role::Agent).await.unwrap();
    backend.clock().set(at(5));
    store.close().await;
    let mut pieces = 0;
    for bytes in backend.kept().await {
        pieces += 1;
        for needle in [secret, "wilhelmina", "5125550123"] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle.as_bytes()), "{needle}");
        }
    }
    assert!(pieces >= 2);
}
