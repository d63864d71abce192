//! Whose leads somebody sees.
//!
//! Invariant: a lead that somebody does not see is answered exactly as one that does not exist. The leads of addresses
//! are checked in one place, before any handler runs; handlers check those that bodies name. Deliberately absent: who
//! may do what (`permissions.rs`).

use std::collections::HashSet;

use leadscore_domain::{Identity, LeadId};
use leadscore_store::{Principal, Sight};

use crate::{
    problem::{Code, Problem},
    rest::unavailable,
    state::Api,
};

/// Checks the lead that a part of an address names. What is no id is left to the handler.
///
/// # Errors
/// [`Code::LeadNotFound`]; where the store fails.
pub async fn check_address(api: &Api, principal: &Principal, path: &str, part: usize) -> Result<(), Problem> {
    if principal.sight() == Sight::All {
        return Ok(());
    }
    match path.split('/').nth(part).and_then(|text| text.parse().ok()) {
        Some(lead) => check(api, principal, lead).await,
        None => Ok(()),
    }
}

/// Checks that somebody sees a lead.
///
/// # Errors
/// As [`check_address`].
pub async fn check(api: &Api, principal: &Principal, lead: LeadId) -> Result<(), Problem> {
    let seen = api.store.visible(principal.sight(), &[lead]).await.map_err(unavailable)?;
    if seen.contains(&lead) { Ok(()) } else { Err(unknown_lead()) }
}

/// Checks that no lead that somebody does not see has one of these handles: what is added to a lead says that it is
/// there, and changes its score.
///
/// # Errors
/// [`Code::LeadTaken`]; where the store fails.
pub async fn check_handles(api: &Api, principal: &Principal, handles: &[Identity]) -> Result<(), Problem> {
    if principal.sight() == Sight::All {
        return Ok(());
    }
    for handle in handles {
        if let Some(lead) = api.store.find(handle).await.map_err(unavailable)?
            && check(api, principal, lead).await.is_err()
        {
            let detail = format!("A lead that is not yours has this {}.", handle.kind().as_str());
            return Err(Problem::new(Code::LeadTaken, detail));
        }
    }
    Ok(())
}

/// Those of `leads` that somebody sees; `None` for all, without a look.
///
/// # Errors
/// Where the store fails.
pub async fn among(api: &Api, principal: &Principal, leads: &[LeadId]) -> Result<Option<HashSet<LeadId>>, Problem> {
    match principal.sight() {
        Sight::All => Ok(None),
        sight @ (Sight::Team { .. } | Sight::Own { .. }) => {
            api.store.visible(sight, leads).await.map(Some).map_err(unavailable)
        }
    }
}

/// What is said of a lead that does not exist, or that the sender does not see.
#[must_use]
pub fn unknown_lead() -> Problem {
    Problem::new(Code::LeadNotFound, "No lead has this id.")
}
