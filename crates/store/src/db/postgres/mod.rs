//! PostgreSQL: connecting, and the tables of the months.

pub(super) mod months;
pub(super) mod wake;

use std::{str::FromStr as _, time::Duration};

use leadscore_domain::Invalid;
use sqlx::{
    ConnectOptions as _, Connection as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::Conn;
use crate::StoreError;

/// How long to wait for a connection: a request that comes behind another while the server is away waits twice.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a connection may be used before another one takes its place.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// How long a connection may lie idle and still be trusted: after a restart of the server all of them are dead.
const TRUSTED: Duration = Duration::from_secs(1);
/// Statements kept prepared on each connection.
const STATEMENTS_MAX: usize = 256;

/// How a PostgreSQL server is reached.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`, with `sslmode` and the other parameters of libpq.
    pub url: String,
    /// Most connections of this process, at least 4: up to three write, one listens, the others read.
    pub connections_max: u32,
    /// Whether opening changes the schema where it is older than this release; otherwise that is an error.
    pub migrate: bool,
}

impl PostgresOptions {
    /// Connections unless said otherwise.
    pub const CONNECTIONS: u32 = 10;

    /// The defaults for a server: the schema must be right already.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), connections_max: Self::CONNECTIONS, migrate: false }
    }
}

/// Connects.
pub(super) async fn connect(options: &PostgresOptions) -> Result<PgPool, StoreError> {
    let connect = PgConnectOptions::from_str(&options.url)
        // The error may repeat the password.
        .map_err(|_| Invalid::new("store.postgres", "is no address", "write postgres://user:password@host/database"))?
        .application_name("leadscore")
        .statement_cache_capacity(STATEMENTS_MAX)
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(options.connections_max.max(4))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(LIFETIME)
        .test_before_acquire(false)
        .before_acquire(|conn, about| {
            Box::pin(async move {
                if about.idle_for > TRUSTED {
                    conn.ping().await?;
                }
                Ok(true)
            })
        });
    Ok(pool.connect_with(connect).await?)
}

/// A connection of the pool.
pub(crate) async fn acquire(pool: &PgPool) -> Result<Conn, StoreError> {
    Ok(Conn::Server(pool.acquire().await?))
}
