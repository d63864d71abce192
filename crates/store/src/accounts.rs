//! People who log in, and API keys of programs.
//!
//! Keys are kept as SHA-256 of 256 random bits, passwords as `passwords.rs` says. Invariant: where a user gets another
//! password, their sessions end. Deliberately absent: lock-out after failures.

use leadscore_domain::{IdentityKind, Invalid, RawIdentity, Region, Timestamp};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    Authority, Principal, Role, Scopes, Store, StoreError,
    db::{After, Lane, Row, query},
    federation,
    keyring::{hex, random, timed_id},
    passwords,
    scores::{from_word, word},
};

/// Longest name of an API key.
const KEY_NAME_MAX_BYTES: usize = 128;
/// How tokens begin, so that scanners for leaked secrets find them.
const TOKEN_PREFIX: &str = "lsk_";

/// An API key as it is listed: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Id by which it is revoked.
    pub id: Uuid,
    /// What it was named.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// Makes a user, or gives an existing one a new password and role and ends their sessions.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for an address that is none or a password that may not be chosen; where the database fails.
    pub async fn create_user(&self, email: &str, password: &str, role: Role) -> Result<Principal, StoreError> {
        let email = normalise(email)?;
        let hash = passwords::hashed(password.to_owned(), vec![email.clone()]).await?;
        let lookup = self.keyring().account_lookup(&email);
        let sealed = self.keyring().accounts().seal(&lookup, email.as_bytes());
        let now = self.now();
        let (id, team_id) = self
            .write(Lane::Intake, 1, After::Sync, move |conn| {
                Box::pin(async move {
                    federation::forgive(conn, &lookup).await?;
                    let row = query(
                        "INSERT INTO users (id, email_lookup, email, password_hash, role, created_at) \
                         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (email_lookup) DO UPDATE \
                         SET password_hash = excluded.password_hash, role = excluded.role RETURNING id, team_id",
                    )
                    .bind(timed_id(now))
                    .bind(lookup.as_slice())
                    .bind(sealed)
                    .bind(hash)
                    .bind(word(&role))
                    .bind(now)
                    .fetch_one(conn)
                    .await?;
                    let id: Uuid = row.get(0)?;
                    query("DELETE FROM sessions WHERE user_id = $1").bind(id).execute(conn).await?;
                    Ok((id, row.get(1)?))
                })
            })
            .await?;
        Ok(Principal { id, name: email, authority: Authority::Person { role, team_id } })
    }

    /// The user, where the password is right. A wrong address takes as long as a wrong password.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn verify_password(&self, email: &str, password: &str) -> Result<Option<Principal>, StoreError> {
        // Whatever is no address is nobody's address, and takes as long.
        let email = normalise(email).unwrap_or_default();
        let lookup = self.keyring().account_lookup(&email);
        let row = query("SELECT id, role, password_hash, team_id FROM users WHERE email_lookup = $1")
            .bind(lookup.as_slice())
            .fetch_optional(&mut self.reader().await?)
            .await?;
        let stored: Option<String> = row.as_ref().map(|row| row.get(2)).transpose()?;
        let right = passwords::verify(password.to_owned(), stored).await?;
        match row {
            Some(row) if right => {
                let authority = Authority::Person { role: role(&row, 1)?, team_id: row.get(3)? };
                Ok(Some(Principal { id: row.get(0)?, name: email, authority }))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Makes an API key and answers with it, `lsk_` and 64 hexadecimal digits, and with its record; it is kept as a hash
    /// and cannot be shown again.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for an empty or long name, or no scope; where the database fails.
    pub async fn create_api_key(
        &self,
        name: &str,
        scopes: Scopes,
        expires_at: Option<Timestamp>,
    ) -> Result<(String, ApiKey), StoreError> {
        let name = name.trim().to_owned();
        if name.is_empty() || name.len() > KEY_NAME_MAX_BYTES {
            let remedy = format!("choose 1 to {KEY_NAME_MAX_BYTES} bytes");
            return Err(Invalid::new("name", "is empty or too long", remedy).into());
        }
        if scopes.is_empty() {
            return Err(Invalid::new("scopes", "is empty", "name what the key is for").into());
        }
        let created_at = self.now();
        let key = ApiKey { id: timed_id(created_at), name, scopes, created_at, expires_at };
        let token = self.keep_token(key.clone()).await?;
        Ok((token, key))
    }

    /// Keeps the hash of a new token, and answers with the token.
    async fn keep_token(&self, record: ApiKey) -> Result<String, StoreError> {
        let mut secret = [0; 32];
        random::fill(&mut secret);
        let token = format!("{TOKEN_PREFIX}{}", hex(&secret));
        let hash = Sha256::digest(token.as_bytes()).to_vec();
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                query(
                    "INSERT INTO tokens (id, token_hash, name, created_at, expires_at, scopes) \
                     VALUES ($1, $2, $3, $4, $5, $6)",
                )
                .bind(record.id)
                .bind(hash)
                .bind(record.name)
                .bind(record.created_at)
                .bind(record.expires_at)
                .bind(record.scopes.to_string())
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await?;
        Ok(token)
    }

    /// The API key of this token, where it is known and not expired.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn token(&self, plaintext: &str) -> Result<Option<Principal>, StoreError> {
        // The hash is looked up, not the token: how long the search takes says nothing about a secret.
        let row = query(
            "SELECT id, name, scopes FROM tokens WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > $2)",
        )
        .bind(Sha256::digest(plaintext.as_bytes()).to_vec())
        .bind(self.now())
        .fetch_optional(&mut self.reader().await?)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let authority = Authority::Machine { scopes: scopes(&row, 2)? };
        Ok(Some(Principal { id: row.get(0)?, name: row.get(1)?, authority }))
    }

    /// What stands for an e-mail address in the audit log: 128 bits of a keyed hash of it, in hexadecimal digits. Whatever
    /// is no address has one too.
    #[must_use]
    pub fn account_pseudonym(&self, email: &str) -> String {
        let email = normalise(email).unwrap_or_else(|_| email.trim().to_lowercase());
        hex(&self.keyring().account_lookup(&email)[..16])
    }

    pub(crate) fn open_address(&self, lookup: &[u8], sealed: &[u8]) -> Result<String, StoreError> {
        let plain = self.keyring().accounts().open(lookup, sealed).and_then(|bytes| String::from_utf8(bytes).ok());
        plain.ok_or_else(|| StoreError::Corrupt("a user's address".to_owned()))
    }

    /// Every API key, also the expired ones, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let sql = "SELECT id, name, scopes, created_at, expires_at FROM tokens \
                   ORDER BY created_at DESC, id DESC";
        let rows = query(sql).fetch_all(&mut self.reader().await?).await?;
        rows.iter()
            .map(|row| {
                Ok(ApiKey {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    scopes: scopes(row, 2)?,
                    created_at: row.get(3)?,
                    expires_at: row.get(4)?,
                })
            })
            .collect()
    }

    /// Ends an API key; whether there was one.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn revoke_api_key(&self, id: Uuid) -> Result<bool, StoreError> {
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let sql = "DELETE FROM tokens WHERE id = $1";
                Ok(query(sql).bind(id).execute(conn).await? > 0)
            })
        })
        .await
    }
}

pub(crate) fn normalise(email: &str) -> Result<String, Invalid> {
    let raw = RawIdentity { kind: IdentityKind::Email, value: email.to_owned() };
    let identity = raw.normalise(Region::default()).map_err(|e| Invalid::new("email", e.problem, e.remedy))?;
    Ok(identity.value().to_owned())
}

pub(crate) fn role(row: &Row, column: usize) -> Result<Role, StoreError> {
    let word: Option<&str> = row.get(column)?;
    word.and_then(from_word).ok_or_else(|| StoreError::Corrupt("a role".to_owned()))
}

fn scopes(row: &Row, column: usize) -> Result<Scopes, StoreError> {
    let words: Option<&str> = row.get(column)?;
    let damaged = || StoreError::Corrupt("the scopes of an API key".to_owned());
    words.ok_or_else(damaged)?.parse().map_err(|_| damaged())
}
