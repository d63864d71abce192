//! The configuration: a TOML file, overridden by the environment, over the defaults that ship in the binary.
//!
//! Owns: names, shapes and defaults of every setting. `default.toml` is the manual and the defaults at once.
//! Invariant: an unknown key is refused with its name. Deliberately absent: secrets; they live in files of their own.

mod connectors;
mod edge;
mod providers;
mod store;
mod vault;

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ::config::{Config as Layers, ConfigError, Environment, File, FileFormat};
use clap::ValueEnum;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use leadscore_api::{AccessOptions, provider::ProviderOptions, socket};
use leadscore_domain::{
    Invalid, Region,
    time::{DAY_US, HOUR_US, SECOND_US},
    webhook::DestinationPolicy,
};
use leadscore_engine::score::ScoringPolicy;
use leadscore_pipeline::webhooks::WebhookOptions;
use leadscore_store::{KafkaOptions, Rate, Retention, audit::AuditOptions};
use serde::Deserialize;

use crate::{
    config::{
        connectors::Connectors,
        edge::{ForwardedHeader, Rates, Tls},
        providers::Provider,
        store::Store,
    },
    failure::bad_input,
    telemetry::LogFormat,
};

/// The defaults, with comments that explain them: `leadscore init` writes this file.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

/// What variables of the environment begin with.
const PREFIX: &str = "LEADSCORE_";

/// Seconds whose events may come at once.
const RATE_BURST_S: u32 = 10;

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub access: Access,
    pub store: Store,
    kafka: Kafka,
    pub ingest: Ingest,
    pub connectors: Connectors,
    pub import: Import,
    pub audit: Audit,
    pub privacy: Privacy,
    pub retention: RetentionMonths,
    pub webhooks: Webhooks,
    pub scoring: Scoring,
    pub training: Training,
    pub log: Log,
    pub demo: Demo,
}

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub listen: SocketAddr,
    pub roles: Vec<Role>,
    drain_timeout_s: u64,
    append_timeout_ms: u64,
    rate_limit_per_s: u32,
    connections_max: usize,
    header_timeout_s: u64,
    idle_timeout_s: u64,
    trusted_proxies: Vec<String>,
    forwarded_header: ForwardedHeader,
    cross_origins: Vec<String>,
    allowed_origins: Vec<String>,
    pub tls: Tls,
    rates: Rates,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Answers requests.
    Api,
    /// Keeps scores in step with the log.
    Scorer,
    /// Does jobs, and learns from outcomes.
    Trainer,
}

impl Server {
    /// Whether one process does everything.
    fn is_alone(&self) -> bool {
        [Role::Api, Role::Scorer, Role::Trainer].iter().all(|role| self.roles.contains(role))
    }

    /// How long events wait for a place in the queue of the task that writes.
    pub const fn append_timeout(&self) -> Duration {
        Duration::from_millis(self.append_timeout_ms)
    }

    /// How many events a token may send; `None` for any number.
    pub fn rate_limit(&self) -> Option<Rate> {
        let per_s = self.rate_limit_per_s;
        (per_s > 0).then(|| Rate { per_s: f64::from(per_s), burst: per_s.saturating_mul(RATE_BURST_S) })
    }

    /// How live connections are served.
    pub fn sockets(&self) -> socket::Options {
        socket::Options { allowed_origins: self.allowed_origins.clone(), ..socket::Options::default() }
    }

    /// How long a stopping server may take to drain.
    pub const fn drain_timeout(&self) -> Duration {
        Duration::from_secs(self.drain_timeout_s)
    }
}

/// Tokens of people.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    issuer: String,
    audience: String,
    access_token_min: u32,
    session_d: u32,
    session_idle_d: u32,
    api_key_d: u32,
    signing_key_d: u32,
    #[serde(default)]
    providers: Vec<Provider>,
}

impl Access {
    /// As the API takes it.
    pub fn options(&self) -> AccessOptions {
        AccessOptions {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            access_token_us: i64::from(self.access_token_min) * 60 * SECOND_US,
            session_us: i64::from(self.session_d) * DAY_US,
            session_idle_us: i64::from(self.session_idle_d) * DAY_US,
            api_key_us: Some(i64::from(self.api_key_d) * DAY_US).filter(|life| *life > 0),
            signing_key_us: i64::from(self.signing_key_d) * DAY_US,
        }
    }

    /// Identity providers whose tokens are taken.
    ///
    /// # Errors
    /// The key that is wrong, and why; none that the configuration has passed.
    pub fn providers(&self) -> Result<Vec<ProviderOptions>, (String, String)> {
        providers::options(&self.providers, &self.issuer)
    }

    /// The key that is wrong, and why.
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        let is_name = |name: &str| (1..=256).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        let checks = [
            (is_name(&self.issuer), "access.issuer", NAME),
            (is_name(&self.audience), "access.audience", NAME),
            ((1..=60).contains(&self.access_token_min), "access.access_token_min", "must be from 1 to 60"),
            ((1..=365).contains(&self.session_d), "access.session_d", "must be from 1 to 365"),
            ((1..=365).contains(&self.session_idle_d), "access.session_idle_d", "must be from 1 to 365"),
            (self.api_key_d <= 3_650, "access.api_key_d", "must be from 1 to 3650, or 0 for no limit"),
            ((1..=3_650).contains(&self.signing_key_d), "access.signing_key_d", "must be from 1 to 3650"),
        ];
        checks.into_iter().find(|(holds, ..)| !holds).map(|(_, key, why)| (key, why))
    }
}

/// What a name in a token has to be.
const NAME: &str = "must be 1 to 256 visible ASCII characters";

/// A password, or an address that may hold one.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(transparent)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "…" })
    }
}

/// Where events are logged.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kafka {
    brokers: String,
    prefix: String,
    replication: u16,
    security_protocol: SecurityProtocol,
    ca_file: String,
    mechanism: String,
    username: String,
    password: Secret,
}

/// How brokers are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SecurityProtocol {
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

impl Kafka {
    /// What of this the client has to know, by its names.
    fn properties(&self) -> Vec<(String, String)> {
        let (protocol, signs_in) = match self.security_protocol {
            SecurityProtocol::Plaintext => ("plaintext", false),
            SecurityProtocol::Ssl => ("ssl", false),
            SecurityProtocol::SaslPlaintext => ("sasl_plaintext", true),
            SecurityProtocol::SaslSsl => ("sasl_ssl", true),
        };
        let mut properties = vec![("security.protocol", protocol)];
        if !self.ca_file.is_empty() {
            properties.push(("ssl.ca.location", self.ca_file.as_str()));
        }
        if signs_in {
            properties.push(("sasl.mechanism", self.mechanism.as_str()));
            properties.push(("sasl.username", self.username.as_str()));
            properties.push(("sasl.password", self.password.0.as_str()));
        }
        properties.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// Events that are sent in.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingest {
    late_max_d: u32,
}

impl Ingest {
    /// Age from which an event is set aside, in microseconds; 0 for none.
    pub const fn late_max_us(&self) -> i64 {
        self.late_max_d as i64 * DAY_US
    }
}

/// Files that are read in.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    region: String,
    pub batch_rows: usize,
}

impl Import {
    /// The country whose telephone numbers may be written without a prefix.
    ///
    /// # Errors
    /// Where it is no country.
    pub fn region(&self) -> Result<Region, Invalid> {
        self.region.parse::<Region>().map_err(|e| e.within("import"))
    }
}

/// Who saw or changed what.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    checkpoints: String,
    checkpoint_blocks: u32,
    checkpoint_minutes: u64,
    timeout_ms: u64,
}

impl Audit {
    /// How the log is written, with checkpoints in the folder `data` unless configured otherwise.
    pub fn options(&self, data: &Path) -> AuditOptions {
        let Self { checkpoints, checkpoint_blocks, checkpoint_minutes, timeout_ms } = self;
        let file =
            if checkpoints.is_empty() { data.join("audit/checkpoints.jsonl") } else { PathBuf::from(checkpoints) };
        AuditOptions {
            patience: Duration::from_millis(*timeout_ms),
            checkpoint_blocks: *checkpoint_blocks,
            checkpoint_interval: Duration::from_secs(checkpoint_minutes * 60),
            ..AuditOptions::new(file)
        }
    }

    /// The key that is wrong, and why.
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        if !(1..=1_000_000).contains(&self.checkpoint_blocks) {
            return Some(("audit.checkpoint_blocks", "must be from 1 to 1000000"));
        }
        if !(1..=1_440).contains(&self.checkpoint_minutes) {
            return Some(("audit.checkpoint_minutes", "must be from 1 to 1440"));
        }
        (!(1..=10_000).contains(&self.timeout_ms)).then_some(("audit.timeout_ms", "must be from 1 to 10000"))
    }
}

/// What people's rights over their data take.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    erasure_ledger: String,
}

impl Privacy {
    /// The erasure ledger, in the folder `data` unless configured otherwise.
    pub fn erasure_ledger(&self, data: &Path) -> PathBuf {
        if self.erasure_ledger.is_empty() {
            return data.join("privacy/erasures.jsonl");
        }
        PathBuf::from(&self.erasure_ledger)
    }
}

/// For how long what grows for ever is kept.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "a key names its unit")]
pub struct RetentionMonths {
    scores_months: u16,
    features_months: u16,
    interactions_months: u16,
    dead_letters_months: u16,
    privacy_texts_months: u16,
}

impl RetentionMonths {
    /// As the store takes it.
    pub const fn months(&self) -> Retention {
        let Self { scores_months, features_months, interactions_months, dead_letters_months, privacy_texts_months } =
            *self;
        Retention { scores_months, features_months, interactions_months, dead_letters_months, privacy_texts_months }
    }

    /// The key that is wrong, and why.
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        let Self { scores_months: scores, features_months: features, interactions_months: interactions, .. } = *self;
        let too_long = |months: u16| months > 1_200;
        if scores == 1 || too_long(scores) {
            return Some(("retention.scores_months", "must be 0, or from 2 to 1200: outcomes take a month"));
        }
        if scores > 0 && !(1..=scores).contains(&features) || too_long(features) {
            return Some((
                "retention.features_months",
                "must be at most 1200, and not longer than retention.scores_months",
            ));
        }
        if too_long(self.dead_letters_months) {
            return Some(("retention.dead_letters_months", "must be at most 1200"));
        }
        if too_long(self.privacy_texts_months) {
            return Some(("retention.privacy_texts_months", "must be at most 1200"));
        }
        let wrong = (1..12).contains(&interactions) || too_long(interactions);
        wrong.then_some(("retention.interactions_months", "must be 0, or from 12 to 1200: scores look back a year"))
    }
}

/// How other systems are told.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    allow_http: bool,
    ports: Vec<u16>,
    private_networks: Vec<IpNet>,
    ca_file: String,
    requests: usize,
    endpoint_requests: usize,
    disable_after_d: u16,
    silent_d: u16,
    keep_d: u16,
}

impl Webhooks {
    /// As the pipeline takes it.
    pub fn options(&self) -> WebhookOptions {
        WebhookOptions {
            policy: self.policy(),
            ca_file: Some(PathBuf::from(&self.ca_file)).filter(|path| !path.as_os_str().is_empty()),
            requests_max: self.requests,
            endpoint_requests_max: self.endpoint_requests,
            failing_max_us: i64::from(self.disable_after_d) * DAY_US,
            silent_days: self.silent_d,
            keep_us: i64::from(self.keep_d) * DAY_US,
            ..WebhookOptions::default()
        }
    }

    /// Where requests may go.
    pub fn policy(&self) -> DestinationPolicy {
        DestinationPolicy {
            allow_http: self.allow_http,
            ports: self.ports.clone(),
            networks: self.private_networks.clone(),
        }
    }

    /// The key that is wrong, and why.
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        let Self { ports, requests, endpoint_requests, disable_after_d, silent_d, keep_d, .. } = self;
        let wrong = [
            (ports.is_empty() || ports.contains(&0), "webhooks.ports", "must name ports from 1 to 65535"),
            (!(1..=256).contains(requests), "webhooks.requests", "must be from 1 to 256"),
            (
                !(1..=*requests).contains(endpoint_requests),
                "webhooks.endpoint_requests",
                "must be from 1 to webhooks.requests",
            ),
            (!(1..=30).contains(disable_after_d), "webhooks.disable_after_d", "must be from 1 to 30"),
            (!(1..=365).contains(silent_d), "webhooks.silent_d", "must be from 1 to 365"),
            (!(8..=365).contains(keep_d), "webhooks.keep_d", "must be from 8 to 365: attempts take days"),
        ];
        wrong.into_iter().find(|(is_wrong, ..)| *is_wrong).map(|(_, key, problem)| (key, problem))
    }
}

/// What the brokerage decides about scoring.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scoring {
    profile_without_statement: bool,
    default_zone: String,
    lifetime_h: u32,
}

impl Scoring {
    /// The policy that the scorer takes.
    ///
    /// # Errors
    /// Where the time zone is unknown.
    pub fn policy(&self) -> Result<ScoringPolicy, Invalid> {
        let default_zone = TimeZone::get(&self.default_zone)
            .map_err(|_| Invalid::new("scoring.default_zone", "is no time zone", "use an IANA name, such as UTC"))?;
        Ok(ScoringPolicy {
            profile_without_statement: self.profile_without_statement,
            default_zone,
            lifetime_us: i64::from(self.lifetime_h) * HOUR_US,
        })
    }
}

/// How models are trained.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    pub seed: u64,
    pub examples_per_lead: usize,
    pub threads: usize,
    groups_file: String,
}

impl Training {
    /// Who belongs to which group, where groups are to be compared.
    pub fn groups_file(&self) -> Option<PathBuf> {
        Some(PathBuf::from(&self.groups_file)).filter(|path| !path.as_os_str().is_empty())
    }
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub filter: String,
    pub format: LogFormat,
}

/// The simulated brokerage.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demo {
    pub events_per_second: f64,
}

impl Config {
    /// The same for a process with other roles.
    ///
    /// # Errors
    /// Bad input where it cannot do these alone.
    pub fn with_roles(mut self, roles: Vec<Role>) -> anyhow::Result<Self> {
        self.server.roles = roles;
        self.check().map_err(|e| bad_input(format_args!("--roles: {e}")))
    }

    /// Where events are logged; `None` for the database.
    ///
    /// # Errors
    /// Where the country of telephone numbers is none.
    pub fn kafka(&self) -> Result<Option<KafkaOptions>, Invalid> {
        let Kafka { brokers, prefix, replication, .. } = &self.kafka;
        if brokers.is_empty() {
            return Ok(None);
        }
        Ok(Some(KafkaOptions {
            brokers: brokers.clone(),
            prefix: prefix.clone(),
            replication: Some(*replication).filter(|replicas| *replicas > 0),
            region: self.import.region()?,
            late_max_us: self.ingest.late_max_us(),
            properties: self.kafka.properties(),
        }))
    }

    /// The defaults, overridden by `file` where it exists and by the process's environment.
    ///
    /// # Errors
    /// Bad input that names the file, the key and what is wrong with it.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let source = file.map_or_else(|| "the environment".to_owned(), |path| path.display().to_string());
        Self::from_layers(file, environment.collect())
            .map_err(|e| bad_input(format_args!("configuration ({source}): {e}")))
    }

    fn from_layers(file: Option<&Path>, environment: HashMap<String, String>) -> Result<Self, ConfigError> {
        let mut layers = Layers::builder().add_source(File::from_str(DEFAULT_FILE, FileFormat::Toml));
        if let Some(file) = file {
            layers = layers.add_source(File::from(file).format(FileFormat::Toml));
        }
        let config: Self = layers.add_source(environment_layer(environment)).build()?.try_deserialize()?;
        config.check()
    }

    fn check(self) -> Result<Self, ConfigError> {
        let refuse = |key: &str, problem: &str| Err(ConfigError::Message(format!("{key}: {problem}")));
        if !(0.0..=1000.0).contains(&self.demo.events_per_second) {
            return refuse("demo.events_per_second", "must be from 0 to 1000");
        }
        if !(1..=64).contains(&self.training.examples_per_lead) {
            return refuse("training.examples_per_lead", "must be from 1 to 64");
        }
        if !(1..=600).contains(&self.server.drain_timeout_s) {
            return refuse("server.drain_timeout_s", "must be from 1 to 600");
        }
        if !(1..=10_000).contains(&self.server.append_timeout_ms) {
            return refuse("server.append_timeout_ms", "must be from 1 to 10000");
        }
        if let Some((key, problem)) = self.store.problem() {
            return refuse(key, problem);
        }
        if let Some((key, problem)) = self.server.edge_problem() {
            return refuse(key, &problem);
        }
        if self.ingest.late_max_d > 36_500 {
            return refuse("ingest.late_max_d", "must be from 0 to 36500");
        }
        if let Some((key, problem)) = self.connectors.problem() {
            return refuse(key, problem);
        }
        if !(1..=4000).contains(&self.import.batch_rows) {
            return refuse("import.batch_rows", "must be from 1 to 4000");
        }
        if !(1..=8_760).contains(&self.scoring.lifetime_h) {
            return refuse("scoring.lifetime_h", "must be from 1 to 8760");
        }
        if let Some((key, problem)) = self.access.problem() {
            return refuse(key, problem);
        }
        if let Err((key, problem)) = self.access.providers() {
            return refuse(&key, &problem);
        }
        if let Some((key, problem)) =
            self.audit.problem().or_else(|| self.retention.problem()).or_else(|| self.webhooks.problem())
        {
            return refuse(key, problem);
        }
        if self.server.roles.is_empty() {
            return refuse("server.roles", "must name at least one role");
        }
        if !self.server.is_alone() && self.store.postgres().is_none() {
            return refuse(
                "server.roles",
                "must name all roles without store.postgres: nobody else can take the others",
            );
        }
        self.import.region().map_err(|e| ConfigError::Message(e.to_string()))?;
        self.scoring.policy().map_err(|e| ConfigError::Message(e.to_string()))?;
        Ok(self)
    }
}

/// The settings among the variables. Names without two underscores are not settings, except the short form.
fn environment_layer(variables: HashMap<String, String>) -> Environment {
    let settings = variables
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, value)| match name.as_str() {
            "LEADSCORE_LISTEN" => ("LEADSCORE_SERVER__LISTEN".to_owned(), value),
            _ => (name, value),
        })
        .filter(|(name, _)| name.contains("__"))
        .collect();
    Environment::with_prefix("LEADSCORE").prefix_separator("_").separator("__").try_parsing(true).source(Some(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::from_layers(Some(file.path()), HashMap::new())
    }

    fn with_environment(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::from_layers(None, variables)
    }

    #[test]
    fn unknown_keys_and_sections_are_refused_by_name() {
        let error = with_file("[server]\nlisten_address = \"127.0.0.1:1\"").unwrap_err().to_string();
        assert!(error.contains("listen_address"), "{error}");
        let error = with_file("[sever]\nlisten = \"127.0.0.1:1\"").unwrap_err().to_string();
        assert!(error.contains("sever"), "{error}");
        let error = with_environment(&[("LEADSCORE_SERVER__LISTEM", "127.0.0.1:1")]).unwrap_err().to_string();
        assert!(error.contains("listem"), "{error}");
    }

    #[test]
    fn values_out_of_range_are_refused_with_the_key() {
        let error = with_file("[demo]\nevents_per_second = -1.0").unwrap_err().to_string();
        assert!(error.contains("demo.events_per_second"), "{error}");
        let error = with_file("[store]\nredis_prefix = \"a b\"").unwrap_err().to_string();
        assert!(error.contains("store.redis_prefix"), "{error}");
        let error = with_file("[server]\nlisten = \"everywhere\"").unwrap_err().to_string();
        assert!(error.contains("listen"), "{error}");
        for (key, value) in [
            ("issuer", "\"\""),
            ("audience", "\"a b\""),
            ("access_token_min", "61"),
            ("session_d", "0"),
            ("session_idle_d", "366"),
            ("api_key_d", "3651"),
            ("signing_key_d", "0"),
        ] {
            let error = with_file(&format!("[access]\n{key} = {value}")).unwrap_err().to_string();
            assert!(error.contains(&format!("access.{key}: ")), "{error}");
        }
        for (section, key) in [
            ("scores_months = 1", "scores_months"),
            ("scores_months = 6", "features_months"),
            ("scores_months = 6\nfeatures_months = 0", "features_months"),
            ("interactions_months = 11", "interactions_months"),
            ("dead_letters_months = 1201", "dead_letters_months"),
            ("privacy_texts_months = 1201", "privacy_texts_months"),
        ] {
            let error = with_file(&format!("[retention]\n{section}")).unwrap_err().to_string();
            assert!(error.contains(&format!("retention.{key}: ")), "{error}");
        }
        let kept = with_file("[retention]\nscores_months = 6\nfeatures_months = 6").unwrap().retention.months();
        assert_eq!((kept.scores_months, kept.features_months, kept.interactions_months), (6, 6, 0));
    }

    #[test]
    fn the_environment_wins_over_the_file_and_other_variables_are_left_alone() {
        let config = with_environment(&[
            ("LEADSCORE_LISTEN", "127.0.0.1:9"),
            ("LEADSCORE_TRAINING__SEED", "11"),
            ("LEADSCORE_DATA", "/somewhere"),
            ("LEADSCORE_DATA_DIR", "/elsewhere"),
        ])
        .unwrap();
        assert_eq!(config.server.listen.port(), 9);
        assert_eq!(config.training.seed, 11);
    }

    #[test]
    fn a_password_is_not_printed() {
        let config = with_environment(&[("LEADSCORE_STORE__POSTGRES", "postgres://ann:secret@db/leads")]).unwrap();
        assert_eq!(config.store.postgres().unwrap().url, "postgres://ann:secret@db/leads");
        assert!(!format!("{config:?}").contains("secret"));
        let config = with_environment(&[("LEADSCORE_STORE__REDIS", "redis://ann:secret@cache")]).unwrap();
        assert_eq!(config.store.redis().unwrap().url, "redis://ann:secret@cache");
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn the_default_file_is_complete() {
        assert_eq!(with_environment(&[]).unwrap().server.listen.port(), 7878);
    }
}
