//! The people who log in, as an administrator sees them, and their teams.
//!
//! Names and addresses are sealed under the accounts' key. Invariants: there is always an administrator left; who goes
//! leaves their leads to their team. Deliberately absent: passwords and tokens (`accounts.rs`).

use leadscore_domain::{Invalid, Timestamp};
use uuid::Uuid;

use crate::{
    Role, Store, StoreError,
    accounts::{normalise, role},
    assignment,
    db::{After, Conn, Lane, Row, query, select_in},
    federation,
    keyring::timed_id,
    passwords,
    scores::word,
};

/// Longest name of a person or a team.
const NAME_MAX_BYTES: usize = 128;
/// What binds a sealed name to its user.
const NAME: &[u8] = b"name";

/// Somebody who can log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub id: Uuid,
    /// Address, with which they log in.
    pub email: String,
    /// Name, where it is known.
    pub name: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Their team.
    pub team_id: Option<Uuid>,
    /// Since when.
    pub created_at: Timestamp,
}

/// Somebody who shall be able to log in.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Address.
    pub email: String,
    /// First password, at least 8 characters and at most 256 bytes.
    pub password: String,
    /// Name of at most 128 bytes.
    pub name: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Their team.
    pub team_id: Option<Uuid>,
}

/// What changes of a user; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Another password, which ends the sessions.
    pub password: Option<String>,
    /// Another name, or none any more.
    pub name: Option<Option<String>>,
    /// Another role.
    pub role: Option<Role>,
    /// Another team, or none any more.
    pub team_id: Option<Option<Uuid>>,
}

/// Why a user or team was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwritten {
    /// It does not exist.
    Unknown,
    /// The address or name is taken.
    Taken,
    /// The team does not exist.
    UnknownTeam,
    /// Nobody would be left who may do everything.
    LastAdmin,
}

/// People who work together under a manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Id.
    pub id: Uuid,
    /// Name; no two teams have the same.
    pub name: String,
    /// Since when.
    pub created_at: Timestamp,
}

impl Store {
    /// Makes a user.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for an address that is none, a password that may not be chosen, or a
    /// name over 128 bytes; where the database fails.
    pub async fn add_user(&self, new: NewUser) -> Result<Result<User, Unwritten>, StoreError> {
        let NewUser { email, password, name, role, team_id } = new;
        let email = normalise(&email)?;
        let name = name.map(|name| check_name(&name)).transpose()?;
        let known = std::iter::once(&email).chain(&name).cloned().collect();
        let hash = passwords::hashed(password, known).await?;
        let lookup = self.keyring().account_lookup(&email);
        let sealed = self.keyring().accounts().seal(&lookup, email.as_bytes());
        let created_at = self.now();
        let user = User { id: timed_id(created_at), email, name, role, team_id, created_at };
        let sealed_name = user.name.as_deref().map(|name| self.seal_user_name(user.id, name));
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                if !team_exists(conn, user.team_id).await? {
                    return Ok(Err(Unwritten::UnknownTeam));
                }
                federation::forgive(conn, &lookup).await?;
                let written = query(
                    "INSERT INTO users (id, email_lookup, email, password_hash, role, created_at, name, team_id) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (email_lookup) DO NOTHING",
                )
                .bind(user.id)
                .bind(lookup.as_slice())
                .bind(sealed)
                .bind(hash)
                .bind(word(&user.role))
                .bind(user.created_at)
                .bind(sealed_name)
                .bind(user.team_id)
                .execute(conn)
                .await?;
                Ok(if written > 0 { Ok(user) } else { Err(Unwritten::Taken) })
            })
        })
        .await
    }

    /// All users, or those of a team, the earliest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn users(&self, team: Option<Uuid>) -> Result<Vec<User>, StoreError> {
        let rows = query(
            "SELECT id, email_lookup, email, name, role, team_id, created_at FROM users \
             WHERE $1 IS NULL OR team_id = $1 ORDER BY created_at, id",
        )
        .bind(team)
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter().map(|row| self.read_user(row)).collect()
    }

    /// A user by id.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn user(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        let sql = "SELECT id, email_lookup, email, name, role, team_id, created_at FROM users WHERE id = $1";
        let row = query(sql).bind(id).fetch_optional(&mut self.reader().await?).await?;
        row.map(|row| self.read_user(&row)).transpose()
    }

    /// Those of `ids` that are users, in no particular order.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn users_by_id(&self, ids: &[Uuid]) -> Result<Vec<User>, StoreError> {
        let sql = "SELECT id, email_lookup, email, name, role, team_id, created_at FROM users WHERE id";
        let rows = select_in(&mut self.reader().await?, sql, ids, "").await?;
        rows.iter().map(|row| self.read_user(row)).collect()
    }

    /// Changes a user. Another password ends their sessions.
    ///
    /// # Errors
    /// As [`Self::add_user`].
    pub async fn change_user(&self, id: Uuid, change: UserChange) -> Result<Result<(), Unwritten>, StoreError> {
        let UserChange { password, name, role, team_id } = change;
        let name = name.map(|name| name.map(|name| check_name(&name)).transpose()).transpose()?;
        let name = name.map(|name| name.map(|name| self.seal_user_name(id, &name)));
        let hash = match password {
            Some(password) => {
                let user = self.user(id).await?;
                let known = user.into_iter().flat_map(|user| [Some(user.email), user.name]).flatten().collect();
                Some(passwords::hashed(password, known).await?)
            }
            None => None,
        };
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                if !team_exists(conn, team_id.flatten()).await? {
                    return Ok(Err(Unwritten::UnknownTeam));
                }
                let Some(held) = lock(conn, id).await? else { return Ok(Err(Unwritten::Unknown)) };
                if role.is_some_and(|role| role < Role::Admin) && held == Role::Admin && is_last_admin(conn, id).await?
                {
                    return Ok(Err(Unwritten::LastAdmin));
                }
                if let Some(role) = role {
                    query("UPDATE users SET role = $1 WHERE id = $2").bind(word(&role)).bind(id).execute(conn).await?;
                }
                if let Some(name) = name {
                    query("UPDATE users SET name = $1 WHERE id = $2").bind(name).bind(id).execute(conn).await?;
                }
                if let Some(team) = team_id {
                    query("UPDATE users SET team_id = $1 WHERE id = $2").bind(team).bind(id).execute(conn).await?;
                }
                if let Some(hash) = hash {
                    let sql = "UPDATE users SET password_hash = $1 WHERE id = $2";
                    query(sql).bind(hash).bind(id).execute(conn).await?;
                    query("DELETE FROM sessions WHERE user_id = $1").bind(id).execute(conn).await?;
                }
                Ok(Ok(()))
            })
        })
        .await
    }

    /// Removes a user and their sessions; their leads go to their team. No identity provider brings them back.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn remove_user(&self, id: Uuid) -> Result<Result<(), Unwritten>, StoreError> {
        let now = self.now();
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                match lock(conn, id).await? {
                    None => return Ok(Err(Unwritten::Unknown)),
                    Some(Role::Admin) if is_last_admin(conn, id).await? => return Ok(Err(Unwritten::LastAdmin)),
                    Some(Role::Agent | Role::Manager | Role::Admin) => {}
                }
                assignment::hand_over(conn, id).await?;
                federation::remember_removed(conn, id, now).await?;
                query("DELETE FROM users WHERE id = $1").bind(id).execute(conn).await?;
                Ok(Ok(()))
            })
        })
        .await
    }

    /// Makes a team.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for an empty name or one over 128 bytes; where the database fails.
    pub async fn add_team(&self, name: &str) -> Result<Result<Team, Unwritten>, StoreError> {
        let created_at = self.now();
        let team = Team { id: timed_id(created_at), name: check_name(name)?, created_at };
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let sql = "INSERT INTO teams (id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
                let written = query(sql).bind(team.id).bind(team.name.as_str()).bind(created_at).execute(conn).await?;
                Ok(if written > 0 { Ok(team) } else { Err(Unwritten::Taken) })
            })
        })
        .await
    }

    /// All teams, by name.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn teams(&self) -> Result<Vec<Team>, StoreError> {
        let sql = "SELECT id, name, created_at FROM teams ORDER BY name";
        let rows = query(sql).fetch_all(&mut self.reader().await?).await?;
        rows.iter().map(read_team).collect()
    }

    /// Those of `ids` that are teams, in no particular order.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn teams_by_id(&self, ids: &[Uuid]) -> Result<Vec<Team>, StoreError> {
        let sql = "SELECT id, name, created_at FROM teams WHERE id";
        let rows = select_in(&mut self.reader().await?, sql, ids, "").await?;
        rows.iter().map(read_team).collect()
    }

    /// Gives a team another name.
    ///
    /// # Errors
    /// As [`Self::add_team`].
    pub async fn rename_team(&self, id: Uuid, name: &str) -> Result<Result<(), Unwritten>, StoreError> {
        let name = check_name(name)?;
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let taken = query("SELECT 1 FROM teams WHERE name = $1 AND id <> $2").bind(name.as_str()).bind(id);
                if taken.fetch_optional(conn).await?.is_some() {
                    return Ok(Err(Unwritten::Taken));
                }
                let sql = "UPDATE teams SET name = $1 WHERE id = $2";
                let written = query(sql).bind(name).bind(id).execute(conn).await?;
                Ok(if written > 0 { Ok(()) } else { Err(Unwritten::Unknown) })
            })
        })
        .await
    }

    /// Removes a team: its members have none any more, its leads that have no agent are nobody's.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn remove_team(&self, id: Uuid) -> Result<Result<(), Unwritten>, StoreError> {
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                query("UPDATE users SET team_id = NULL WHERE team_id = $1").bind(id).execute(conn).await?;
                query("UPDATE leads SET team_id = NULL WHERE team_id = $1").bind(id).execute(conn).await?;
                let written = query("DELETE FROM teams WHERE id = $1").bind(id).execute(conn).await?;
                Ok(if written > 0 { Ok(()) } else { Err(Unwritten::Unknown) })
            })
        })
        .await
    }

    fn seal_user_name(&self, id: Uuid, name: &str) -> Vec<u8> {
        self.keyring().accounts().seal(&name_of(id), name.as_bytes())
    }

    fn read_user(&self, row: &Row) -> Result<User, StoreError> {
        let id: Uuid = row.get(0)?;
        let name = match row.get::<Option<&[u8]>>(3)? {
            Some(sealed) => {
                let plain = self.keyring().accounts().open(&name_of(id), sealed);
                let name = plain.and_then(|bytes| String::from_utf8(bytes).ok());
                Some(name.ok_or_else(|| StoreError::Corrupt("a user's name".to_owned()))?)
            }
            None => None,
        };
        Ok(User {
            id,
            email: self.open_address(row.get(1)?, row.get(2)?)?,
            name,
            role: role(row, 4)?,
            team_id: row.get(5)?,
            created_at: row.get(6)?,
        })
    }
}

fn name_of(id: Uuid) -> Vec<u8> {
    [NAME, id.as_bytes()].concat()
}

fn check_name(name: &str) -> Result<String, Invalid> {
    let name = name.trim();
    if name.is_empty() || name.len() > NAME_MAX_BYTES {
        let remedy = format!("choose 1 to {NAME_MAX_BYTES} bytes");
        return Err(Invalid::new("name", "is empty or too long", remedy));
    }
    Ok(name.to_owned())
}

async fn team_exists(conn: &mut Conn, team: Option<Uuid>) -> Result<bool, StoreError> {
    let Some(team) = team else { return Ok(true) };
    let row = query("SELECT 1 FROM teams WHERE id = $1").bind(team).fetch_optional(conn).await?;
    Ok(row.is_some())
}

/// The role of a user, whose row, and those of all administrators, stay as they are until the transaction ends: of two
/// administrators who remove each other at the same time one is left.
async fn lock(conn: &mut Conn, id: Uuid) -> Result<Option<Role>, StoreError> {
    if conn.is_server() {
        query("SELECT id FROM users WHERE role = 'admin' ORDER BY id FOR UPDATE").fetch_all(conn).await?;
    }
    let row = query("SELECT role FROM users WHERE id = $1").bind(id).fetch_optional(conn).await?;
    row.map(|row| role(&row, 0)).transpose()
}

async fn is_last_admin(conn: &mut Conn, id: Uuid) -> Result<bool, StoreError> {
    let others = query("SELECT 1 FROM users WHERE role = 'admin' AND id <> $1").bind(id);
    Ok(others.fetch_optional(conn).await?.is_none())
}

fn read_team(row: &Row) -> Result<Team, StoreError> {
    Ok(Team { id: row.get(0)?, name: row.get(1)?, created_at: row.get(2)? })
}
