//! Everything that lasts: the event log, leads, states, scores, market, accounts, models, and the keys that seal them.
//!
//! Owns: the database's schema and every query, the embedded event log, the audit log, the key ring, the model registry's
//! folder, and what is kept in memory or in Redis for a while: latest scores, rates, answers to repeated
//! requests, tickets.
//! Invariants: an event is acknowledged only after it is durable and has one effect however often it arrives; the
//! position of a reader of the log is committed together with what was derived from it; a lead's latest score never
//! goes backwards; personal data is sealed under a key of the lead's own.
//! Deliberately absent: HTTP, features and models (states and bundles are bytes here), logging of values.

mod access;
mod accounts;
mod assignment;
pub mod audit;
mod cache;
mod commit;
mod db;
mod dead;
mod deliveries;
mod error;
mod fail_point;
mod features;
mod federation;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod history;
mod idempotency;
mod imports;
mod jobs;
mod keyring;
mod leads;
mod log;
mod market;
mod outcomes;
mod overrides;
mod passwords;
mod performance;
mod presence;
mod privacy;
mod rate_limit;
mod rebuilds;
mod redis;
mod registry;
mod retention;
mod scores;
mod search;
mod sessions;
mod signing_keys;
mod states;
pub mod telemetry;
mod tickets;
mod trace;
mod untold;
mod users;
mod webhooks;

pub use self::redis::{Redis, RedisOptions};
pub use access::{Authority, Principal, Role, Scope, Scopes, Sight};
pub use accounts::ApiKey;
pub use assignment::{Assigned, Assignment};
pub use cache::{Cached, Change, Reading, ScoreCache, Seen, Update};
pub use db::{Migrated, NextMasterKey, PostgresOptions, Store, StoreOptions};
pub use dead::{DeadFilter, DeadOrigin, DeadPlace, DeadRecord, Undelivered};
pub use error::StoreError;
pub use fail_point::FailPoint;
pub use features::StoredFeatures;
pub use federation::Admitted;
pub use health::{Counts, GroupLag, Health};
pub use history::{HistoryPage, PastEvent};
pub use idempotency::{Begun, Claim, Fingerprint, IdempotencyRecords, LIFE as IDEMPOTENCY_LIFE};
pub use imports::Checkpoint;
pub use jobs::{Job, JobState};
pub use keyring::MasterKey;
pub use leads::{Erased, LeadHead, LeadRecord};
pub use log::{
    APPEND_MAX_EVENTS, Announcement, Appended, Batch, KafkaOptions, LogReader, LogRecord, SealedHistory, Unreadable,
    visible,
};
pub use outcomes::{Decile, PeriodPerformance, Prediction};
pub use overrides::{NewOverride, OVERRIDES_MAX, ScoreOverride};
pub use performance::ModelPerformance;
pub use presence::Presence;
pub use privacy::{Decided, Export, NewRequest, PrivacyRequest, Receipt, RequestFilter, RequestKind, RequestStatus};
pub use rate_limit::{Allowance, Rate, RateLimiter};
pub use registry::{AliasChange, Registry, RegistryError};
pub use retention::{Expired, Retention};
pub use scores::{ScorePage, StoredScore};
pub use search::{FoundLead, FoundScore, LeadFilter, LeadKey, LeadOrder, LeadPlace};
pub use sessions::{GRACE_US as REFRESH_GRACE_US, Refreshed, Session, SessionRecord};
pub use signing_keys::{Rotation, SIGNED_MAX_US, SigningKey};
pub use states::{DeadLetter, Derived, LogRows, StoredState};
pub use tickets::{LIFE as TICKET_LIFE, Tickets};
pub use trace::TraceParent;
pub use users::{NewUser, Team, Unwritten, User, UserChange};
pub use webhooks::{
    Attempt, Delivery, DeliveryCursor, DeliveryState, Disabled, DisabledReason, ENDPOINTS_MAX, EndpointChange,
    EndpointSettings, Promotion, REPLAY_MAX, Tried, WebhookEndpoint,
};
