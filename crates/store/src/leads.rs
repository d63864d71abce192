//! Leads as people: name, handles, merges, erasure.

use std::collections::HashMap;

use leadscore_domain::{Identity, LeadId, Timestamp};

use crate::{Store, StoreError};

/// What is known of a lead's person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadRecord {
    /// Which lead.
    pub id: LeadId,
    /// When its first event was received.
    pub created_at: Timestamp,
    /// The person's name, where a source sent one.
    pub name: Option<String>,
    /// Handles by which it is recognised; empty for an absorbed lead, whose handles moved.
    pub identities: Vec<Identity>,
    /// The lead that absorbed this one; never itself absorbed.
    pub merged_into: Option<LeadId>,
}

/// What an erasure destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The lead and those that it had absorbed.
    pub leads: Vec<LeadId>,
    /// Events that can never be read again.
    pub events: u64,
}

impl Store {
    /// A lead by its id; `None` where it is unknown or was erased.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn lead(&self, id: LeadId) -> Result<Option<LeadRecord>, StoreError> {
        let _ = id;
        todo!()
    }

    /// The lead that has this handle.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn find(&self, identity: &Identity) -> Result<Option<LeadId>, StoreError> {
        let _ = identity;
        todo!()
    }

    /// Of `ids`, those that were absorbed, each with the lead that it belongs to now.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn absorbed(&self, ids: &[LeadId]) -> Result<HashMap<LeadId, LeadId>, StoreError> {
        let _ = ids;
        todo!()
    }

    /// Up to `limit` living leads (neither absorbed nor erased) in the order of their ids, after `after`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn leads_page(&self, after: Option<LeadId>, limit: usize) -> Result<Vec<LeadId>, StoreError> {
        let _ = (after, limit);
        todo!()
    }

    /// Destroys a lead's key, handles, state and scores, and those of the leads that it absorbed. Its events stay in
    /// the log, for ever unreadable. `None` where the lead is unknown or was erased before.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn erase_lead(&self, id: LeadId) -> Result<Option<Erased>, StoreError> {
        let _ = id;
        todo!()
    }
}
