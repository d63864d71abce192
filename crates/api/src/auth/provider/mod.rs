//! Access tokens of external identity providers (OpenID Connect, OAuth 2.0), and whom of our users they stand for.
//!
//! Owns: what is configured of a provider, its keys and how they are fetched, the checks of its tokens, the way from a
//! token to a user. Invariants: the issuer's name chooses the provider, the provider's own keys decide, and no token
//! brings or names a place of keys; a provider speaks for its own addresses only; who is no user here is nobody,
//! whoever vouches for them; tokens of our own never wait for a provider. Deliberately absent: logging in with a
//! provider (the client's), sessions (the provider's), discovery: the address of the keys is configured.

mod algorithm;
mod fetch;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod jwks;
mod keys;
mod options;
#[cfg(test)]
mod tests;
mod token;
mod user;

use std::sync::Arc;

use leadscore_domain::Clock;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(super) use self::user::identify;
pub use self::{
    algorithm::Algorithm,
    options::{JwksUrl, ProviderOptions, RoleMap, TokenType},
};
use self::{fetch::Fetcher, keys::Keys, token::Parts};

/// Longest token of a provider that is looked at: they carry groups and roles.
pub const TOKEN_MAX_BYTES: usize = 8_192;

/// Why a provider cannot be asked at all.
#[derive(Debug, thiserror::Error)]
#[error("{issuer}: {problem}")]
pub struct ProviderError {
    /// Which one, from 0, in the order of the configuration.
    pub index: usize,
    /// Its issuer.
    pub issuer: String,
    /// The option that is at fault.
    pub option: &'static str,
    /// What is wrong.
    pub problem: String,
}

/// The providers whose tokens are taken. Clones share them.
#[derive(Clone, Default)]
pub struct Providers(Arc<[Provider]>);

/// A provider, and its keys.
pub(super) struct Provider {
    options: ProviderOptions,
    keys: Keys,
}

impl Providers {
    /// Begins to keep the keys of these providers, each by a task that ends with `stop`. Providers may be away.
    ///
    /// # Errors
    /// Where the certificates of authorities cannot be read.
    pub fn start(
        options: Vec<ProviderOptions>,
        clock: &Arc<dyn Clock>,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, ProviderError> {
        let mut providers = Vec::with_capacity(options.len());
        for (index, options) in options.into_iter().enumerate() {
            let fetcher = Fetcher::new(options.jwks_url.clone(), options.ca_file.as_deref());
            let fetcher = fetcher.map_err(|problem| ProviderError {
                index,
                issuer: options.issuer.clone(),
                option: "ca_file",
                problem,
            })?;
            let keys = Keys::start(options.issuer.clone(), fetcher, Arc::clone(clock), tracker, stop.clone());
            providers.push(Provider { options, keys });
        }
        Ok(Self(providers.into()))
    }

    /// Longest token that is looked at.
    pub(crate) fn token_max_bytes(&self) -> usize {
        if self.0.is_empty() { super::jwt::TOKEN_MAX_BYTES } else { TOKEN_MAX_BYTES }
    }

    /// The provider that a token claims to be of, and its parts; `None` where it is none's, or in no form that a
    /// provider's token may have.
    pub(super) fn claimed<'t>(&self, token: &'t str) -> Option<(&Provider, Parts<'t>)> {
        if self.0.is_empty() {
            return None;
        }
        let parts = match Parts::of(token) {
            Ok(parts) => parts,
            Err(refusal) => {
                tracing::trace!(reason = %refusal, "a token is no provider's");
                return None;
            }
        };
        let issuer = parts.issuer()?;
        let provider = self.0.iter().find(|provider| provider.options.issuer == issuer)?;
        Some((provider, parts))
    }
}
