//! Users as identity providers name them.
//!
//! Invariant: an issuer's subject, once linked, stays the same user, whatever e-mail address the provider tells later.
//! A user who was made here has a password that nobody knows. Deliberately absent: whether to believe a provider.

use leadscore_domain::Timestamp;
use uuid::Uuid;

use crate::{
    Principal, Role, Store, StoreError,
    accounts::{hash_password, hashing, normalise, role},
    db::{After, Conn, Lane, query},
    keyring::{hex, random, timed_id},
    scores::word,
};

/// Whom a provider means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderUser<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// The provider's own id of the user.
    pub subject: &'a str,
    /// The user's e-mail address, where the provider has verified it.
    pub email: Option<&'a str>,
}

/// What goes into the database with a link.
struct Link {
    subject: Vec<u8>,
    email_lookup: Vec<u8>,
    email: Vec<u8>,
    /// For a user who is to be made.
    new: Option<(Role, String)>,
    now: Timestamp,
}

impl Store {
    /// The user with this e-mail address.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<Principal>, StoreError> {
        let Ok(email) = normalise(email) else { return Ok(None) };
        let row = query("SELECT id, role FROM users WHERE email_lookup = $1")
            .bind(self.keyring().account_lookup(&email).as_slice())
            .fetch_optional(&mut self.reader().await?)
            .await?;
        row.map(|row| Ok(Principal { id: row.get(0)?, role: role(&row, 1)?, name: email })).transpose()
    }

    /// The user whom a provider means: the one who is linked; else, from now on, the one with the verified e-mail
    /// address; else a new one with the role `unknown`, where there is one and an address.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn provider_user(
        &self,
        user: &ProviderUser<'_>,
        unknown: Option<Role>,
    ) -> Result<Option<Principal>, StoreError> {
        let subject = self.keyring().subject_lookup(user.issuer, user.subject).to_vec();
        let linked = self.linked(subject.clone()).await?;
        let email = user.email.and_then(|email| normalise(email).ok());
        let (None, Some(email)) = (&linked, email) else { return Ok(linked) };
        let lookup = self.keyring().account_lookup(&email);
        let new = match (self.user_by_email(&email).await?, unknown) {
            (Some(_), _) => None,
            (None, Some(role)) => Some((role, password_of_nobody().await?)),
            (None, None) => return Ok(None),
        };
        let link = Link {
            subject: subject.clone(),
            email_lookup: lookup.to_vec(),
            email: self.keyring().accounts().seal(&lookup, email.as_bytes()),
            new,
            now: self.now(),
        };
        self.write(Lane::Intake, 2, After::Sync, move |conn| Box::pin(async move { keep(conn, link).await })).await?;
        self.linked(subject).await
    }

    async fn linked(&self, subject: Vec<u8>) -> Result<Option<Principal>, StoreError> {
        let row = query(
            "SELECT u.id, u.role, u.email_lookup, u.email FROM provider_users p JOIN users u ON u.id = p.user_id \
             WHERE p.lookup = $1",
        )
        .bind(subject)
        .fetch_optional(&mut self.reader().await?)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let name = self.open_address(row.get(2)?, row.get(3)?)?;
        Ok(Some(Principal { id: row.get(0)?, name, role: role(&row, 1)? }))
    }
}

async fn keep(conn: &mut Conn, link: Link) -> Result<(), StoreError> {
    if let Some((role, password_hash)) = link.new {
        query(
            "INSERT INTO users (id, email_lookup, email, password_hash, role, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (email_lookup) DO NOTHING",
        )
        .bind(timed_id(link.now))
        .bind(link.email_lookup.clone())
        .bind(link.email)
        .bind(password_hash)
        .bind(word(&role))
        .bind(link.now)
        .execute(conn)
        .await?;
    }
    let row =
        query("SELECT id FROM users WHERE email_lookup = $1").bind(link.email_lookup).fetch_optional(conn).await?;
    // Removed meanwhile: then there is nobody to link.
    let Some(row) = row else { return Ok(()) };
    query("INSERT INTO provider_users (lookup, user_id) VALUES ($1, $2) ON CONFLICT (lookup) DO NOTHING")
        .bind(link.subject)
        .bind(row.get::<Uuid>(0)?)
        .execute(conn)
        .await?;
    Ok(())
}

async fn password_of_nobody() -> Result<String, StoreError> {
    let mut secret = [0; 32];
    random::fill(&mut secret);
    hashing(move || hash_password(&hex(&secret))).await
}
