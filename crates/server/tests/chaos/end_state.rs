//! What is in the database in the end, read by SQL alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};

/// Everything that the checker looks at. Ids are 32 hexadecimal digits, instants microseconds.
#[derive(Default)]
pub struct EndState {
    /// Whether Kafka is the log: then an event may be in it several times.
    pub kafka: bool,
    pub interactions: Vec<Interaction>,
    /// Each lead, and the one that absorbed it.
    pub leads: BTreeMap<String, Option<String>>,
    /// Leads that handles lead to.
    pub named: Vec<String>,
    /// The position of each lead's state.
    pub states: BTreeMap<String, i64>,
    /// Every score that was committed.
    pub history: Vec<Scored>,
    /// The id of each lead's latest score.
    pub latest: BTreeMap<String, String>,
    /// Events that were set aside.
    pub dead: Vec<String>,
    /// Where the scorers stand, by partition.
    pub positions: BTreeMap<i64, i64>,
    /// Where the log ends, by partition.
    pub heads: BTreeMap<i64, i64>,
    pub outbox: u64,
    /// What the topic of scores says last of each lead: when its score was calculated, `None` for none.
    pub told: BTreeMap<String, Option<i64>>,
    /// Leads that are on the list of those that the topic has still to be told of.
    pub untold: BTreeSet<String>,
    /// The report of `leadscore replay --check`.
    pub replay: Value,
}

/// An event of the log.
pub struct Interaction {
    pub id: String,
    pub lead: String,
    pub kind: String,
    pub partition: i64,
    pub position: i64,
}

/// A score that was committed.
pub struct Scored {
    pub id: String,
    pub lead: String,
    pub score: i64,
    pub calculated_us: i64,
    pub position: i64,
    pub model: String,
}

/// A database of either kind.
pub enum Db {
    Sqlite(rusqlite::Connection),
    Postgres(PgConnection),
}

impl Db {
    pub fn sqlite(file: &std::path::Path) -> Self {
        Self::Sqlite(rusqlite::Connection::open(file).unwrap())
    }

    pub async fn postgres(url: &str) -> Self {
        Self::Postgres(url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap())
    }

    pub async fn close(self) {
        match self {
            Self::Sqlite(conn) => conn.close().unwrap(),
            Self::Postgres(conn) => conn.close().await.unwrap(),
        }
    }

    /// The rows of a query whose columns are all text.
    pub async fn rows(&mut self, sql: &str) -> Vec<Vec<String>> {
        match self {
            Self::Sqlite(conn) => {
                let mut statement = conn.prepare(sql).unwrap();
                let columns = statement.column_count();
                let rows = statement.query_map((), |row| (0..columns).map(|at| row.get(at)).collect());
                rows.unwrap().map(Result::unwrap).collect()
            }
            Self::Postgres(conn) => {
                let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(conn).await.unwrap();
                rows.iter().map(|row| (0..row.len()).map(|at| row.get(at)).collect()).collect()
            }
        }
    }

    /// An id as text.
    fn id(&self, column: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("COALESCE(LOWER(HEX({column})), '')"),
            Self::Postgres(_) => format!("COALESCE(REPLACE({column}::text, '-', ''), '')"),
        }
    }

    /// An instant as text.
    fn instant(&self, column: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("CAST({column} AS TEXT)"),
            Self::Postgres(_) => format!("(EXTRACT(EPOCH FROM {column}) * 1000000)::bigint::text"),
        }
    }

    async fn has(&mut self, table: &str) -> bool {
        let sql = match self {
            Self::Sqlite(_) => format!("SELECT name FROM sqlite_master WHERE name = '{table}'"),
            Self::Postgres(_) => format!("SELECT tablename::text FROM pg_tables WHERE tablename = '{table}'"),
        };
        !self.rows(&sql).await.is_empty()
    }
}

impl EndState {
    /// Reads everything but where the log in Kafka ends, and the report.
    pub async fn read(db: &mut Db) -> Self {
        let mut end = Self::default();
        end.read_log(db).await;
        end.read_leads(db).await;
        let (id, lead, at) = (db.id("id"), db.id("lead_id"), db.instant("calculated_at"));
        let sql = format!(
            "SELECT {id}, {lead}, CAST(score AS TEXT), {at}, CAST(log_position AS TEXT), model_version FROM lead_scores"
        );
        for row in db.rows(&sql).await {
            let [id, lead, score, calculated, position, model] = row.try_into().unwrap();
            let (score, calculated_us, position) = (number(&score), number(&calculated), number(&position));
            end.history.push(Scored { id, lead, score, calculated_us, position, model });
        }
        let (lead, score) = (db.id("lead_id"), db.id("score_id"));
        end.latest = pairs(db.rows(&format!("SELECT {lead}, {score} FROM latest_scores")).await).collect();
        if db.has("outbox").await {
            end.outbox = db.rows("SELECT CAST(1 AS TEXT) FROM outbox").await.len() as u64;
        }
        if db.has("untold_scores").await {
            let lead = db.id("lead_id");
            end.untold = db.rows(&format!("SELECT {lead} FROM untold_scores")).await.into_iter().flatten().collect();
        }
        end
    }

    async fn read_log(&mut self, db: &mut Db) {
        let (id, lead) = (db.id("id"), db.id("lead_id"));
        let sql = format!(
            "SELECT {id}, {lead}, interaction_type, CAST(partition AS TEXT), CAST(position AS TEXT) \
             FROM lead_interactions"
        );
        for row in db.rows(&sql).await {
            let [id, lead, kind, partition, position] = row.try_into().unwrap();
            let (partition, position) = (number(&partition), number(&position));
            self.interactions.push(Interaction { id, lead, kind, partition, position });
        }
        let event = db.id("event_id");
        self.dead = db.rows(&format!("SELECT {event} FROM dead_letters")).await.into_iter().flatten().collect();
        let numbers = |rows| pairs(rows).map(|(key, value)| (number(&key), number(&value))).collect();
        let positions = "SELECT CAST(partition AS TEXT), CAST(position AS TEXT) FROM group_positions \
                         WHERE group_name = 'scorer'";
        self.positions = numbers(db.rows(positions).await);
        self.heads = numbers(db.rows("SELECT CAST(partition AS TEXT), CAST(head AS TEXT) FROM log_heads").await);
    }

    async fn read_leads(&mut self, db: &mut Db) {
        let (id, into, lead) = (db.id("id"), db.id("merged_into"), db.id("lead_id"));
        let leads = pairs(db.rows(&format!("SELECT {id}, {into} FROM leads")).await);
        self.leads = leads.map(|(id, into)| (id, Some(into).filter(|into| !into.is_empty()))).collect();
        self.named = db.rows(&format!("SELECT {lead} FROM identities")).await.into_iter().flatten().collect();
        let states = pairs(db.rows(&format!("SELECT {lead}, CAST(log_position AS TEXT) FROM lead_states")).await);
        self.states = states.map(|(lead, position)| (lead, number(&position))).collect();
    }
}

fn pairs(rows: Vec<Vec<String>>) -> impl Iterator<Item = (String, String)> {
    rows.into_iter().map(|row| <[String; 2]>::try_from(row).unwrap().into())
}

fn number(text: &str) -> i64 {
    text.parse().unwrap()
}
