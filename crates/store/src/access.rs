//! Who asks, what they may do, and which leads they see.
//!
//! Invariant: people have a role and see leads by it; programs have scopes and see all leads. Deliberately absent: which
//! operation takes which role or scope (the API's table), passwords and tokens (`accounts.rs`).

use std::{collections::BTreeSet, fmt, str::FromStr};

use leadscore_domain::Invalid;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a person may do; a later role may do all that an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Works with leads of their own.
    Agent,
    /// Works with the leads of a team, hands them out, and starts, watches and stops jobs.
    Manager,
    /// Everything.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::Manager => "manager",
            Self::Admin => "admin",
        })
    }
}

/// One thing that a program may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Reads leads, without names and handles.
    #[serde(rename = "leads:read")]
    LeadsRead,
    /// Makes, changes, merges and assigns leads.
    #[serde(rename = "leads:write")]
    LeadsWrite,
    /// Is shown names and handles where it reads leads.
    #[serde(rename = "leads:personal")]
    LeadsPersonal,
    /// Sends events and outcomes.
    #[serde(rename = "events:write")]
    EventsWrite,
    /// Reads scores and explanations.
    #[serde(rename = "scores:read")]
    ScoresRead,
    /// Reads models, and how their predictions fared.
    #[serde(rename = "models:read")]
    ModelsRead,
    /// Reads market data.
    #[serde(rename = "market:read")]
    MarketRead,
    /// Keeps market data.
    #[serde(rename = "market:write")]
    MarketWrite,
    /// Starts, watches and stops jobs.
    #[serde(rename = "jobs:write")]
    JobsWrite,
    /// Everything.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 10] = [
        Self::LeadsRead,
        Self::LeadsWrite,
        Self::LeadsPersonal,
        Self::EventsWrite,
        Self::ScoresRead,
        Self::ModelsRead,
        Self::MarketRead,
        Self::MarketWrite,
        Self::JobsWrite,
        Self::Admin,
    ];

    /// The word used in JSON and SQL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeadsRead => "leads:read",
            Self::LeadsWrite => "leads:write",
            Self::LeadsPersonal => "leads:personal",
            Self::EventsWrite => "events:write",
            Self::ScoresRead => "scores:read",
            Self::ModelsRead => "models:read",
            Self::MarketRead => "market:read",
            Self::MarketWrite => "market:write",
            Self::JobsWrite => "jobs:write",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Scope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        known.ok_or_else(|| Invalid::new("scopes", "is not a scope", "see the API page for the scopes"))
    }
}

/// What a program may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Whether it may do what takes this scope.
    #[must_use]
    pub fn allow(&self, scope: Scope) -> bool {
        self.0.contains(&Scope::Admin) || self.0.contains(&scope)
    }

    /// Whether it may do nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl From<Scope> for Scopes {
    fn from(scope: Scope) -> Self {
        Self::from_iter([scope])
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, scope) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl FromStr for Scopes {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.split_ascii_whitespace().map(str::parse).collect()
    }
}

/// What somebody may do, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// A user who has logged in.
    Person {
        /// What they may do.
        role: Role,
        /// Their team.
        team_id: Option<Uuid>,
    },
    /// A program with an API key.
    Machine {
        /// What it may do.
        scopes: Scopes,
    },
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Id of the user or API key.
    pub id: Uuid,
    /// The user's e-mail address or the key's name.
    pub name: String,
    /// What they may do.
    pub authority: Authority,
}

impl Principal {
    /// Whether they may do what takes this role of a person, or this scope of a program; `None` for any.
    #[must_use]
    pub fn may(&self, least: Role, scope: Option<Scope>) -> bool {
        match &self.authority {
            Authority::Person { role, .. } => *role >= least,
            Authority::Machine { scopes } => scope.is_none_or(|scope| scopes.allow(scope)),
        }
    }

    /// Whether they are shown names and handles.
    #[must_use]
    pub fn sees_persons(&self) -> bool {
        self.may(Role::Agent, Some(Scope::LeadsPersonal))
    }

    /// Whether they are shown what a model is made of: columns, contributions, versions. Who works with leads is shown
    /// reasons in words.
    #[must_use]
    pub fn sees_internals(&self) -> bool {
        match &self.authority {
            Authority::Person { role, .. } => *role > Role::Agent,
            Authority::Machine { .. } => true,
        }
    }

    /// Which leads they see.
    #[must_use]
    pub const fn sight(&self) -> Sight {
        match self.authority {
            Authority::Person { role: Role::Admin, .. } | Authority::Machine { .. } => Sight::All,
            Authority::Person { role: Role::Manager, team_id: Some(team) } => Sight::Team { team, user: self.id },
            Authority::Person { role: Role::Manager, team_id: None } | Authority::Person { role: Role::Agent, .. } => {
                Sight::Own { user: self.id }
            }
        }
    }
}

/// Which leads somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// All.
    All,
    /// Those of a team and of its members, and those of a user.
    Team {
        /// The team.
        team: Uuid,
        /// The user.
        user: Uuid,
    },
    /// Those of a user.
    Own {
        /// The user.
        user: Uuid,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written_and_admin_is_all_of_them() {
        let all: Scopes = Scope::ALL.into_iter().collect();
        assert_eq!(all.to_string().parse::<Scopes>(), Ok(all.clone()));
        assert_eq!("".parse::<Scopes>(), Ok(Scopes::default()));
        assert!("leads:read owner".parse::<Scopes>().is_err());
        let (admin, reader): (Scopes, Scopes) = ("admin".parse().unwrap(), "leads:read".parse().unwrap());
        for scope in Scope::ALL {
            assert!(admin.allow(scope));
            assert_eq!(reader.allow(scope), scope == Scope::LeadsRead);
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
    }

    #[test]
    fn a_manager_without_a_team_sees_their_own_leads_only() {
        let (user, team) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let person =
            |role, team_id| Principal { id: user, name: String::new(), authority: Authority::Person { role, team_id } };
        assert_eq!(person(Role::Agent, Some(team)).sight(), Sight::Own { user });
        assert_eq!(person(Role::Manager, None).sight(), Sight::Own { user });
        assert_eq!(person(Role::Manager, Some(team)).sight(), Sight::Team { team, user });
        assert_eq!(person(Role::Admin, None).sight(), Sight::All);
    }
}
