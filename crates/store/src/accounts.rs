//! People who log in and tokens of programs.

use leadscore_domain::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Store, StoreError};

/// What a user or token may do; a later role may do all that an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads scores and leads, sends events.
    Agent,
    /// Also compares and promotes models.
    Manager,
    /// Everything.
    Admin,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Id of the user or token.
    pub id: Uuid,
    /// The user's e-mail address or the token's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// A token as it is listed: never the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Id by which it is revoked.
    pub id: Uuid,
    /// What it was named.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// Makes a user, or gives an existing one a new password and role.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for an address that is none or a password under 8 or over 256 bytes; where the
    /// database fails.
    pub async fn create_user(&self, email: &str, password: &str, role: Role) -> Result<Principal, StoreError> {
        let _ = (email, password, role);
        todo!()
    }

    /// The user, where the password is right. A wrong address takes as long as a wrong password.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn verify_password(&self, email: &str, password: &str) -> Result<Option<Principal>, StoreError> {
        let _ = (email, password);
        todo!()
    }

    /// Makes a token and answers with it, `lsk_` and 64 hexadecimal digits; it is kept as a hash and cannot be shown
    /// again.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for an empty or long name; where the database fails.
    pub async fn create_token(
        &self,
        name: &str,
        role: Role,
        expires_at: Option<Timestamp>,
    ) -> Result<String, StoreError> {
        let _ = (name, role, expires_at);
        todo!()
    }

    /// Who holds this token, where it is known and not expired.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn token(&self, plaintext: &str) -> Result<Option<Principal>, StoreError> {
        let _ = plaintext;
        todo!()
    }

    /// Every token, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        todo!()
    }

    /// Ends a token; whether there was one.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn revoke_token(&self, id: Uuid) -> Result<bool, StoreError> {
        let _ = id;
        todo!()
    }
}
