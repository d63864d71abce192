//! The data folder: how it is recognised, opened and closed.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use leadscore_pipeline::{
    presence,
    scorer::GROUP,
    topology::{self, PipelineOptions},
};
use leadscore_store::{
    Registry, ScoreCache, Store, StoreOptions,
    audit::{Act, Actor, AuditLog, Object},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{context::Context, failure::bad_input};

/// The embedded database, the key to a server's, and the models, by which a folder is recognised.
const MARKS: [&str; 3] = ["leadscore.db", "master.key", MODELS_FOLDER];
/// How often it is looked whether a server has read the log.
const SETTLE_POLL: Duration = Duration::from_millis(100);
/// Model bundles.
const MODELS_FOLDER: &str = "models";

/// An open data folder.
pub struct Folder {
    pub store: Store,
    pub registry: Registry,
}

impl Folder {
    /// Opens a folder that `init` or `demo` made.
    ///
    /// # Errors
    /// Bad input where there is none; where it cannot be opened.
    pub async fn open(context: &Context) -> anyhow::Result<Self> {
        let data = context.data.display();
        if !exists(&context.data) {
            return Err(bad_input(format_args!(
                "no leadscore data in {data}; run `leadscore init --data {data}`, or name another folder with --data"
            )));
        }
        Self::open_with(context, options(context).await?).await
    }

    /// Opens the folder, making it, and the schema of its database, where they are missing.
    ///
    /// # Errors
    /// Where it cannot be made or opened.
    pub async fn open_or_create(context: &Context) -> anyhow::Result<Self> {
        let mut options = options(context).await?;
        if let Some(server) = &mut options.postgres {
            server.migrate = true;
        }
        Self::open_with(context, options).await
    }

    async fn open_with(context: &Context, options: StoreOptions) -> anyhow::Result<Self> {
        let store = Store::open(options)
            .await
            .with_context(|| format!("opening the data folder {}", context.data.display()))?;
        let registry = Registry::open(&context.data.join(MODELS_FOLDER), context.clock.clone())?;
        Ok(Self { store, registry })
    }
}

impl Folder {
    /// Opens the folder once the database has every event of the log: of one in Kafka, scorers copy them, a server's or,
    /// where none is there, this process's own.
    ///
    /// # Errors
    /// As [`Self::open`]; where Kafka or the model in use cannot be read.
    pub async fn open_settled(context: &Context) -> anyhow::Result<Self> {
        let folder = Self::open(context).await?;
        while folder.store.reads_behind(GROUP).await? > 0 {
            if folder.store.present(presence::SCORER).await? == 0 {
                topology::catch_up(folder.pipeline(context)?, &|_| {}).await?;
            } else {
                tokio::time::sleep(SETTLE_POLL).await;
            }
        }
        Ok(folder)
    }

    /// Records in the audit log what a command is about to do; it is on the disk afterwards.
    ///
    /// # Errors
    /// Where the log cannot be written: then it must not be done.
    pub async fn record(
        &self,
        context: &Context,
        operation: &'static str,
        object: Option<Object>,
    ) -> anyhow::Result<()> {
        let recording = async {
            let log = AuditLog::start(self.store.clone(), context.config.audit.options(&context.data)).await?;
            let act = Act {
                at: context.clock.now(),
                actor: Actor::CLI,
                operation: operation.into(),
                object,
                status: Act::BEGUN,
                reason: None,
                address: None,
                request_id: None,
            };
            log.record(act).await?;
            let recorded = log.flush().await;
            log.close().await;
            recorded
        };
        recording.await.context("writing the audit log, before anything was done")
    }

    /// What the pipeline stands on in a command that works without a server: it publishes to nobody.
    ///
    /// # Errors
    /// Where the configured policy is bad.
    pub fn pipeline(&self, context: &Context) -> anyhow::Result<PipelineOptions> {
        Ok(PipelineOptions {
            store: self.store.clone(),
            registry: self.registry.clone(),
            cache: ScoreCache::sole_writer(1, 1),
            clock: context.clock.clone(),
            tracker: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            policy: context.config.scoring.policy()?,
            retention: context.config.retention.months(),
            webhooks: context.config.webhooks.options(),
        })
    }
}

/// How the folder's store is opened.
///
/// # Errors
/// Where the configuration is bad.
pub async fn options(context: &Context) -> anyhow::Result<StoreOptions> {
    let mut options = StoreOptions::new(&context.data, context.clock.clone());
    options.master_key = context.config.store.master_key().await?;
    options.postgres = context.config.store.postgres();
    options.kafka = context.config.kafka()?;
    options.keep_features = context.config.store.keep_features;
    options.erasure_ledger = Some(context.config.privacy.erasure_ledger(&context.data));
    options.append_timeout = context.config.server.append_timeout();
    Ok(options)
}

/// Whether the folder was made by `init` or `demo`.
pub fn exists(data: &Path) -> bool {
    MARKS.iter().any(|mark| data.join(mark).exists())
}

/// Makes the folder, which only its owner may look into; an existing one is left as it is.
///
/// # Errors
/// Where it cannot be made.
pub fn make(data: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("making the data folder {}", data.display()))
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// Where the file cannot be written.
pub fn replace(path: &Path, contents: &str) -> anyhow::Result<()> {
    let draft = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(contents.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}
