//! What every command stands on: the folder, the configuration, the clock, the output.

use std::{path::PathBuf, sync::Arc};

use leadscore_domain::Clock;

use crate::{cli::Global, clock::SystemClock, config::Config, output::Output, telemetry};

/// Name of the configuration file in the data folder.
pub const CONFIG_FILE: &str = "config.toml";

/// What every command stands on.
pub struct Context {
    pub data: PathBuf,
    pub config: Config,
    pub output: Output,
    pub clock: Arc<dyn Clock>,
}

impl Context {
    /// Reads the configuration and starts logging. A command that `serves` logs as configured, any other one warnings.
    ///
    /// # Errors
    /// Where the configuration is bad.
    pub fn new(global: Global, serves: bool) -> anyhow::Result<Self> {
        let config = Config::load(config_file(&global).as_deref())?;
        let filter = match (global.quiet, global.verbose) {
            (true, _) => "error",
            (false, 0) if serves => &config.log.filter,
            (false, 0) => "warn",
            (false, 1) => "info",
            (false, 2) => "debug",
            (false, _) => "trace",
        };
        telemetry::start(global.log_format.unwrap_or(config.log.format), filter)?;
        Ok(Self {
            data: global.data,
            config,
            output: Output::new(global.json, global.quiet),
            clock: Arc::new(SystemClock),
        })
    }
}

/// The configuration file that is to be read: the one named, else the folder's where there is one.
pub fn config_file(global: &Global) -> Option<PathBuf> {
    global.config.clone().or_else(|| Some(global.data.join(CONFIG_FILE)).filter(|file| file.exists()))
}
