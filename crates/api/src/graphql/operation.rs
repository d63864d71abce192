//! What a field that is an operation meets: may its asker do that, and the audit log.
//!
//! Invariant: a field with a row in `auth::permissions::FIELDS` runs within [`perform`]; tests go through all of them.

use std::{future::Future, sync::Arc};

use async_graphql::{Context, Result, dataloader::HashMapCache};
use axum::http::StatusCode;
use leadscore_domain::LeadId;
use leadscore_store::{
    Principal,
    audit::{Act, Object},
};

use super::{error, loads::Loads, waves::Waves};
use crate::{
    audit::{Touched, Watched},
    auth::{bearer::forbidden, identity::Identity, permissions, sight},
    problem::{Code, Problem},
    state::Api,
};

/// Batches what is loaded for a query, and keeps it until the query ends.
pub type DataLoader = async_graphql::dataloader::DataLoader<Loads, HashMapCache>;

/// Who asks, and with what: the data of each query.
pub struct Asker {
    /// The API.
    pub api: Arc<Api>,
    /// Whose token it is.
    pub identity: Identity,
    /// What the audit log is told of the request.
    pub act: Act,
    /// What is loaded for many leads at once.
    pub loader: DataLoader,
    /// When that is.
    pub waves: Waves,
}

impl Asker {
    /// For one query.
    pub fn new(api: Arc<Api>, identity: Identity, act: Act, waves: Waves) -> Self {
        let loads = Loads { api: Arc::clone(&api), principal: Arc::clone(&identity.principal) };
        let next = waves.clone();
        // The wave waits for all that is asked for: there is nothing to wait for beside it.
        let loader = DataLoader::with_cache(loads, move |load| next.add(load), HashMapCache::default())
            .delay(std::time::Duration::ZERO);
        Self { api, identity, act, loader, waves }
    }

    /// Who asks.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.identity.principal
    }
}

/// What an operation came to.
pub struct Done<T> {
    /// The answer.
    pub value: T,
    /// How the audit log is told that it ended.
    pub status: StatusCode,
    /// What it showed or changed beside what its argument names.
    pub touched: Option<Touched>,
}

impl<T> From<T> for Done<T> {
    fn from(value: T) -> Self {
        Self { value, status: StatusCode::OK, touched: None }
    }
}

/// The data of a query.
pub fn asker<'c>(ctx: &Context<'c>) -> &'c Asker {
    ctx.data_unchecked::<Asker>()
}

/// The value of a field; where it fails the field is null, and those beside it are answered.
pub type Answer<T> = Option<Result<T>>;

/// Runs the operation that a field is, about a lead where it names one.
///
/// # Errors
/// Always within an option, so that the error is the field's and not its parent's:
/// [`Code::Forbidden`]; where `run` fails; [`Code::Unavailable`] where the audit log does not take it.
pub async fn perform<T>(
    ctx: &Context<'_>,
    field: &'static str,
    lead: Option<LeadId>,
    run: impl Future<Output = Result<Done<T>, Problem>>,
) -> Answer<T> {
    let done = watch(asker(ctx), field, lead, run).await;
    Some(done.map_err(|problem| error::of_field(&problem)))
}

async fn watch<T>(
    asker: &Asker,
    field: &'static str,
    lead: Option<LeadId>,
    run: impl Future<Output = Result<Done<T>, Problem>>,
) -> Result<T, Problem> {
    let Asker { api, act, .. } = asker;
    let principal = asker.principal();
    let Some(access) = permissions::field(field) else {
        return Err(Problem::new(Code::Forbidden, "Nobody may do this."));
    };
    let watched = Watched::begin_field(api, &access, principal, act, lead.map(Object::Lead))?;
    let may = principal.may(access.least, access.scope);
    let done = if may { run.await } else { Err(forbidden(principal, &access)) };
    if let Some(watched) = watched {
        let (status, touched) = match &done {
            Ok(done) => (done.status, done.touched.clone()),
            Err(problem) => (problem.code().status(), None),
        };
        asker.waves.hold(watched.record(status, touched)).await?;
    }
    done.map(|done| done.value)
}

/// Checks that the asker sees a lead that an argument names.
///
/// # Errors
/// [`Code::LeadNotFound`]; where the store fails.
pub async fn check_sight(asker: &Asker, lead: LeadId) -> Result<(), Problem> {
    sight::check(&asker.api, asker.principal(), lead).await
}
