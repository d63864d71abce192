//! A backend in a temporary folder, and short ways to write events and scores.

use std::{fs, path::Path, sync::Arc, time::Duration};

use leadscore_domain::{
    Approach, Breakdown, EventBody, EventId, Identity, IdentityKind, LeadId, ManualClock, PendingEvent, Score,
    Timestamp,
    event::{Email, EmailAction, LeadCreated, LeadMerged},
};
use leadscore_store::{Appended, Derived, KafkaOptions, PostgresOptions, Store, StoreOptions};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _,
    postgres::{PgConnectOptions, PgConnection},
};
use uuid::Uuid;

/// A place where a store lives.
pub trait Backend {
    /// Opens it; again and again, also twice at the same time.
    async fn open(&self) -> Store;
    /// The clock of every store that is opened here.
    fn clock(&self) -> &ManualClock;
    /// Every byte that it keeps, in pieces; nobody has it open.
    async fn kept(&self) -> Vec<Vec<u8>>;
    /// The number that a query answers, past the store; none for NULL.
    async fn number(&self, sql: &str) -> Option<f64>;

    /// Whether it is the embedded database.
    fn is_embedded(&self) -> bool {
        false
    }

    /// Runs a statement, past the store; why it was refused.
    async fn run(&self, sql: &str) -> Result<(), String>;

    /// Rows of a table.
    async fn count(&self, table: &str) -> u64 {
        self.number(&format!("SELECT COUNT(*) FROM {table}")).await.unwrap() as u64
    }
}

/// The embedded database.
pub struct Embedded {
    folder: tempfile::TempDir,
    clock: ManualClock,
}

impl Embedded {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: ManualClock::new(at(0)) }
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn options(&self) -> StoreOptions {
        StoreOptions::new(self.folder.path().join("data"), Arc::new(self.clock.clone()))
    }
}

impl Backend for Embedded {
    fn is_embedded(&self) -> bool {
        true
    }

    async fn open(&self) -> Store {
        Store::open(self.options()).await.unwrap()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn kept(&self) -> Vec<Vec<u8>> {
        every_file(self.folder())
    }

    async fn number(&self, sql: &str) -> Option<f64> {
        let file = self.folder().join("data/leadscore.db");
        let conn = rusqlite::Connection::open(file).unwrap();
        conn.query_row(&format!("SELECT CAST(({sql}) AS REAL)"), (), |row| row.get(0)).unwrap()
    }

    async fn run(&self, sql: &str) -> Result<(), String> {
        let conn = rusqlite::Connection::open(self.folder().join("data/leadscore.db")).unwrap();
        conn.busy_timeout(Duration::from_secs(5)).unwrap();
        conn.execute_batch(sql).map_err(|error| error.to_string())
    }
}

fn every_file(folder: &Path) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(every_file(&path));
        } else {
            files.push(fs::read(path).unwrap());
        }
    }
    files
}

/// A database of its own on the server that `LEADSCORE_TEST_POSTGRES` names.
pub struct Postgres {
    folder: tempfile::TempDir,
    clock: ManualClock,
    server: PgConnectOptions,
    pub name: String,
}

impl Postgres {
    pub async fn new() -> Self {
        let server = std::env::var("LEADSCORE_TEST_POSTGRES")
            .expect("LEADSCORE_TEST_POSTGRES names a PostgreSQL server; `make test` starts one");
        let server: PgConnectOptions = server.parse().unwrap();
        let name = format!("contract_{}", Uuid::new_v4().simple());
        let mut conn = server.connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        let clock = ManualClock::new(at(0));
        Self { folder: tempfile::tempdir().unwrap(), clock, server: server.database(&name), name }
    }

    pub fn options(&self) -> StoreOptions {
        let mut options = StoreOptions::new(self.folder.path().join("data"), Arc::new(self.clock.clone()));
        let url = self.server.to_url_lossy().to_string();
        options.postgres = Some(PostgresOptions { connections_max: 4, migrate: true, ..PostgresOptions::new(url) });
        options
    }

    /// The address of the database for another role.
    pub fn url_of(&self, role: &str, password: &str) -> String {
        self.server.clone().username(role).password(password).to_url_lossy().to_string()
    }

    /// Makes one database of the server what another is; nobody has either open.
    pub async fn copy(&self, from: &str, to: &str) {
        let mut conn = self.server.clone().database("postgres").connect().await.unwrap();
        for sql in [format!("DROP DATABASE IF EXISTS {to}"), format!("CREATE DATABASE {to} TEMPLATE {from}")] {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
        }
        conn.close().await.unwrap();
    }

    /// A connection past the store.
    pub async fn connect(&self) -> PgConnection {
        self.server.connect().await.unwrap()
    }
}

impl Backend for Postgres {
    async fn open(&self) -> Store {
        Store::open(self.options()).await.unwrap()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn kept(&self) -> Vec<Vec<u8>> {
        let mut conn = self.connect().await;
        let columns = sqlx::query(
            "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns \
             WHERE table_schema = 'public'",
        );
        let mut kept = Vec::new();
        for column in columns.fetch_all(&mut conn).await.unwrap() {
            let [table, name, kind]: [String; 3] = std::array::from_fn(|place| column.get(place));
            let bytes = if kind == "bytea" { name } else { format!("convert_to({name}::text, 'UTF8')") };
            let sql = format!("SELECT {bytes} FROM {table} WHERE {bytes} IS NOT NULL");
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await.unwrap();
            kept.extend(rows.iter().map(|row| row.get::<Vec<u8>, _>(0)));
        }
        kept
    }

    async fn number(&self, sql: &str) -> Option<f64> {
        let sql = AssertSqlSafe(format!("SELECT ({sql})::double precision"));
        sqlx::query_scalar(sql).fetch_one(&mut self.connect().await).await.unwrap()
    }

    async fn run(&self, sql: &str) -> Result<(), String> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connect().await).await;
        done.map(|_| ()).map_err(|error| error.to_string())
    }
}

/// The same with topics of its own on the brokers that `LEADSCORE_TEST_KAFKA` names.
pub struct Kafka {
    database: Postgres,
    pub brokers: String,
    pub prefix: String,
}

impl Kafka {
    pub async fn new() -> Self {
        let database = Postgres::new().await;
        let brokers = std::env::var("LEADSCORE_TEST_KAFKA")
            .expect("LEADSCORE_TEST_KAFKA names Kafka's brokers; `make test` starts one");
        let prefix = database.name.clone();
        Self { database, brokers, prefix }
    }

    pub fn options(&self) -> StoreOptions {
        let kafka = KafkaOptions { prefix: self.prefix.clone(), ..KafkaOptions::new(self.brokers.clone()) };
        StoreOptions { kafka: Some(kafka), ..self.database.options() }
    }

    /// The full name of a topic.
    pub fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }
}

impl Backend for Kafka {
    async fn open(&self) -> Store {
        Store::open(self.options()).await.unwrap()
    }

    fn clock(&self) -> &ManualClock {
        self.database.clock()
    }

    async fn kept(&self) -> Vec<Vec<u8>> {
        self.database.kept().await
    }

    async fn number(&self, sql: &str) -> Option<f64> {
        self.database.number(sql).await
    }

    async fn run(&self, sql: &str) -> Result<(), String> {
        self.database.run(sql).await
    }
}

impl Drop for Postgres {
    /// Removes the database, whoever still uses it; a test that failed leaves it to the end of the server.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone().database("postgres"), self.name.clone());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut conn = server.connect().await.unwrap();
                let sql = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
                sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
            });
        });
        dropped.join().ok();
    }
}

/// `seconds` after 2026-03-01T12:00:00Z.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_772_366_400_000_000 + seconds * 1_000_000).unwrap()
}

pub fn email(name: &str) -> Identity {
    Identity::from_stored(IdentityKind::Email, format!("{name}@example.com"))
}

pub fn crm(id: &str) -> Identity {
    Identity::from_stored(IdentityKind::Crm, id.to_owned())
}

/// An event of the lead with these handles, received `seconds` after the start.
pub fn event(id: &str, identities: &[Identity], seconds: i64) -> PendingEvent {
    let body = EventBody::Email(Email { action: EmailAction::Opened, message_id: Some(format!("message {id}")) });
    of(id, None, identities, seconds, body)
}

/// The arrival of a lead with a name.
pub fn arrival(id: &str, identities: &[Identity], seconds: i64, name: &str) -> PendingEvent {
    let data = LeadCreated { name: Some(name.to_owned()), ..LeadCreated::default() };
    of(id, None, identities, seconds, EventBody::LeadCreated(data))
}

pub fn of(id: &str, lead_id: Option<LeadId>, identities: &[Identity], seconds: i64, body: EventBody) -> PendingEvent {
    PendingEvent {
        id: EventId::derive("test", id),
        lead_id,
        identities: identities.to_vec(),
        source: "test".to_owned(),
        source_event_id: id.to_owned(),
        occurred_at: at(seconds),
        received_at: at(seconds),
        body,
    }
}

/// What a source says when two of its leads are one.
pub fn merged(absorbed: LeadId) -> EventBody {
    EventBody::LeadMerged(LeadMerged { absorbed })
}

/// Appends one event that must be applied; its lead.
pub async fn append_one(store: &Store, event: PendingEvent) -> LeadId {
    let answer = store.append(vec![event], None).await.unwrap().remove(0);
    let Appended::Applied { lead_id, .. } = answer else { panic!("{answer:?}") };
    lead_id
}

pub fn score(lead_id: LeadId, log_position: i64, calculated: i64, value: u8) -> Score {
    Score {
        lead_id,
        score: value,
        grade: value.into(),
        confidence: 0.875,
        probability: f64::from(value) / 101.0,
        lower: 0.01,
        upper: 0.99,
        breakdown: Breakdown { behavioral: 82, engagement: 91, market_fit: 0, timing: 100 },
        optimal_contact_time: value.is_multiple_of(2).then(|| at(90_000)),
        recommended_approach: Approach::OfferShowing,
        model_version: "v3".to_owned(),
        schema_hash: "ab".repeat(32),
        features_hash: "0123456789abcdef".to_owned(),
        log_position,
        calculated_at: at(calculated),
        expires_at: at(calculated + 3_600),
    }
}

/// A commit of the group `scorer` that derives nothing yet.
pub fn derived(partition: u16, from: i64, to: i64) -> Derived {
    Derived { group: "scorer".to_owned(), partition, from, to, ..Derived::default() }
}

/// The living leads, in the order of their ids.
pub async fn living(store: &Store) -> Vec<LeadId> {
    store.leads_page(None, 1_000).await.unwrap()
}
