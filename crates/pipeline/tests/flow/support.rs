//! A brokerage on a disk of its own: a real store in a temporary folder, and a clock that stands still.

use std::{sync::Arc, time::Duration};

use leadscore_domain::{
    Clock, Consent, ConsentState, EventBody, EventEnvelope, EventId, IdentityKind, LeadId, LegalBasis, ManualClock,
    PendingEvent, Purpose, RawIdentity, Region, Score, Timestamp,
    event::{Email, EmailAction, LeadCreated, LeadRef, Outcome, OutcomeResult, Showing, ShowingAction},
    time::{DAY_US, HOUR_US},
};
use leadscore_engine::score::ScoringPolicy;
use leadscore_pipeline::topology::{Duties, Pipeline, PipelineOptions, Tally, catch_up};
use leadscore_pipeline::webhooks::WebhookOptions;
use leadscore_store::{Appended, Change, Registry, Retention, ScoreCache, Store, StoreOptions, Update};
use tempfile::TempDir;
use tokio::sync::broadcast;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a test waits for what must happen before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Brokerage {
    pub folder: TempDir,
    pub clock: ManualClock,
    pub store: Store,
    pub registry: Registry,
    pub cache: ScoreCache,
    pub tracker: TaskTracker,
    pub shutdown: CancellationToken,
}

pub fn start_of_year() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

impl Brokerage {
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(start_of_year());
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let store = Store::open(StoreOptions::new(folder.path(), Arc::clone(&shared))).await.unwrap();
        let registry = Registry::open(&folder.path().join("models"), shared).unwrap();
        let cache = ScoreCache::sole_writer(1_000, 1_000);
        let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
        Self { folder, clock, store, registry, cache, tracker, shutdown }
    }

    pub fn options(&self) -> PipelineOptions {
        PipelineOptions {
            store: self.store.clone(),
            registry: self.registry.clone(),
            cache: self.cache.clone(),
            clock: Arc::new(self.clock.clone()),
            tracker: self.tracker.clone(),
            shutdown: self.shutdown.clone(),
            policy: ScoringPolicy::default(),
            retention: Retention::default(),
            webhooks: WebhookOptions::default(),
        }
    }

    pub async fn start(&self) -> Pipeline {
        Pipeline::start(self.options(), Duties::ALL).await.unwrap()
    }

    pub async fn catch_up(&self) -> Tally {
        catch_up(self.options(), &|_| {}).await.unwrap()
    }

    /// Appends events that are received now, and moves the clock on by an hour.
    pub async fn append(&self, events: Vec<EventEnvelope>) -> Vec<Appended> {
        let now = self.clock.now();
        let appended = self.append_received(events.into_iter().map(|event| (now, event)).collect()).await;
        self.clock.advance_micros(HOUR_US);
        appended
    }

    pub async fn append_received(&self, events: Vec<(Timestamp, EventEnvelope)>) -> Vec<Appended> {
        let pending: Vec<PendingEvent> =
            events.into_iter().map(|(at, event)| event.validate(at, Region::default()).unwrap()).collect();
        self.store.append(pending, None).await.unwrap()
    }

    /// A new lead with consent to profiling.
    pub async fn lead(&self, crm: &str) -> LeadId {
        let appended = self.append(vec![created(self.clock.now(), crm, Some(ConsentState::Granted))]).await;
        applied(&appended[0])
    }

    /// Alters an event in the log, past the store; what it was.
    pub fn damage(&self, event: EventId) -> Vec<u8> {
        let sql = "SELECT context_data FROM lead_interactions WHERE id = ?";
        let data = self.database().query_row(sql, [event.0.as_bytes()], |row| row.get(0)).unwrap();
        self.overwrite(event, b"\0");
        data
    }

    /// Writes the sealed data of an event, past the store.
    pub fn overwrite(&self, event: EventId, data: &[u8]) {
        let sql = "UPDATE lead_interactions SET context_data = ? WHERE id = ?";
        assert_eq!(self.database().execute(sql, (data, event.0.as_bytes())).unwrap(), 1);
    }

    /// Changes the database past the store.
    pub fn alter(&self, sql: &str) {
        self.database().execute_batch(sql).unwrap();
    }

    fn database(&self) -> rusqlite::Connection {
        let conn = rusqlite::Connection::open(self.folder.path().join("leadscore.db")).unwrap();
        conn.busy_timeout(Duration::from_secs(5)).unwrap();
        conn
    }

    pub async fn state(&self, lead: LeadId) -> Option<Vec<u8>> {
        self.store.states(&[lead]).await.unwrap().remove(&lead).map(|state| state.bytes)
    }

    pub async fn score(&self, lead: LeadId) -> Option<Score> {
        self.store.latest_score(lead).await.unwrap().map(|stored| stored.score)
    }

    pub async fn rebuilt(&self, lead: LeadId) -> Vec<u8> {
        leadscore_pipeline::scorer::rebuild(&self.store, lead, i64::MAX).await.unwrap().to_bytes()
    }
}

/// The first published score that is as asked for.
pub async fn published(updates: &mut broadcast::Receiver<Update>, wanted: impl Fn(&Score) -> bool) -> Arc<Score> {
    let wait = async {
        loop {
            if let Update::Changed(Change::Score(score)) = updates.recv().await.unwrap()
                && wanted(&score)
            {
                return score;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the score must be published")
}

/// The next published score, of those that wait.
pub fn waiting(updates: &mut broadcast::Receiver<Update>) -> Option<Arc<Score>> {
    while let Ok(update) = updates.try_recv() {
        if let Update::Changed(Change::Score(score)) = update {
            return Some(score);
        }
    }
    None
}

pub fn applied(appended: &Appended) -> LeadId {
    match appended {
        Appended::Applied { lead_id, .. } => *lead_id,
        Appended::Duplicate { .. } | Appended::Refused(_) => panic!("not applied: {appended:?}"),
    }
}

pub fn crm(id: &str) -> RawIdentity {
    RawIdentity { kind: IdentityKind::Crm, value: id.to_owned() }
}

/// An event with an id of its own.
pub fn event(at: Timestamp, identities: Vec<RawIdentity>, body: EventBody) -> EventEnvelope {
    let name = format!("{at}/{identities:?}/{}", String::from_utf8_lossy(&body.data_to_json()));
    EventEnvelope {
        source: "test".to_owned(),
        source_event_id: EventId::derive("test", &name).to_string(),
        lead: LeadRef { lead_id: None, identities },
        occurred_at: at,
        body,
    }
}

pub fn created(at: Timestamp, id: &str, profiling: Option<ConsentState>) -> EventEnvelope {
    let consents = profiling.map(consent).into_iter().collect();
    event(at, vec![crm(id)], EventBody::LeadCreated(LeadCreated { consents, ..LeadCreated::default() }))
}

pub fn consent(state: ConsentState) -> Consent {
    Consent { purpose: Purpose::Profiling, state, basis: LegalBasis::Consent, evidence: "form 1".to_owned() }
}

pub fn email(at: Timestamp, id: &str, action: EmailAction) -> EventEnvelope {
    event(at, vec![crm(id)], EventBody::Email(Email { action, message_id: None }))
}

pub fn showing(at: Timestamp, id: &str, action: ShowingAction) -> EventEnvelope {
    let data = Showing { action, listing_key: None, price: None, scheduled_for: None };
    event(at, vec![crm(id)], EventBody::Showing(data))
}

pub fn outcome(at: Timestamp, id: &str, result: OutcomeResult) -> EventEnvelope {
    event(at, vec![crm(id)], EventBody::Outcome(Outcome { result, reason: None, value: None }))
}

/// Leads of the year before whose showings alone tell who converts, each event received when it occurred. `won` of
/// them convert.
pub fn past_leads(count: u32, won: u32) -> Vec<(Timestamp, EventEnvelope)> {
    let start = start_of_year().plus_micros(-300 * DAY_US);
    let mut events = Vec::new();
    for number in 0..count {
        let id = format!("past-{number}");
        // Winners are spread evenly over the leads, and so over time.
        let wins = number * won / count != (number + 1) * won / count;
        let first = start.plus_micros(i64::from(number) * DAY_US / 4);
        let day = |days: i64| first.plus_micros(days * DAY_US);
        events.push(created(first, &id, Some(ConsentState::Granted)));
        events.push(email(day(1), &id, EmailAction::Opened));
        events.push(email(day(3), &id, EmailAction::Opened));
        if wins {
            events.push(showing(day(2), &id, ShowingAction::Requested));
            events.push(showing(day(4), &id, ShowingAction::Held));
            events.push(outcome(day(9), &id, OutcomeResult::Won));
        } else {
            events.push(outcome(day(40), &id, OutcomeResult::Lost));
        }
    }
    events.into_iter().map(|event| (event.occurred_at, event)).collect()
}
