//! Groups of people, for the comparison of groups alone.
//!
//! Owns: reading the audit file, and finding its leads. Invariants: a file that others on the machine may read is
//! refused; what it says stays in this process's memory, and never becomes an event, a feature or a training example.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io,
    path::{Path, PathBuf},
};

use leadscore_domain::{IdentityKind, LeadId, RawIdentity, Region};
use leadscore_engine::evaluate::fairness::Grouping;
use leadscore_store::{Store, StoreError};

/// Largest file.
const FILE_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Most characteristics.
const CHARACTERISTICS_MAX: usize = 16;
/// Most groups by one characteristic, and their longest name.
const GROUPS_MAX: usize = 64;
const GROUP_MAX_BYTES: usize = 64;
/// What the first column may name leads by.
const HANDLES: [(&str, Option<IdentityKind>); 5] = [
    ("lead_id", None),
    ("crm", Some(IdentityKind::Crm)),
    ("email", Some(IdentityKind::Email)),
    ("phone", Some(IdentityKind::Phone)),
    ("web", Some(IdentityKind::Web)),
];

/// Which groups people are in, as a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    characteristics: Vec<String>,
    people: Vec<Person>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Person {
    handle: Handle,
    /// By characteristic; empty where it is not known.
    groups: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Handle {
    Lead(LeadId),
    Identity(leadscore_domain::Identity),
}

/// Why a file of groups cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct GroupsError {
    path: PathBuf,
    problem: GroupsProblem,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
enum GroupsProblem {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("is no table: {0}")]
    Csv(#[from] csv::Error),
    #[error("others may read it, and it says who belongs to which group; chmod 600 it")]
    Open,
    #[error("is larger than {FILE_MAX_BYTES} bytes")]
    Large,
    #[error("the first column is {0:?}; name leads there by lead_id, crm, email, phone or web")]
    FirstColumn(String),
    #[error("has {0} columns of groups; give 1 to {CHARACTERISTICS_MAX}")]
    Characteristics(usize),
    #[error("line {line}: {handle:?} is no {kind}")]
    Handle { line: u64, handle: String, kind: String },
    #[error("line {line}: a group's name is longer than {GROUP_MAX_BYTES} bytes")]
    LongGroup { line: u64 },
    #[error("{0} has more than {GROUPS_MAX} groups; give fewer, wider ones")]
    ManyGroups(String),
}

impl Groups {
    /// Reads a CSV file: the first column names a lead, each further one a characteristic with the lead's group.
    ///
    /// # Errors
    /// Where it cannot be read, others may read it, or it is no such table.
    pub fn read(path: &Path, region: Region) -> Result<Self, GroupsError> {
        Self::parse(path, region).map_err(|problem| GroupsError { path: path.to_owned(), problem })
    }

    fn parse(path: &Path, region: Region) -> Result<Self, GroupsProblem> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if open_to_others(&about) {
            return Err(GroupsProblem::Open);
        }
        if about.len() > FILE_MAX_BYTES {
            return Err(GroupsProblem::Large);
        }
        let mut table = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let header = table.headers()?.clone();
        let first = header.get(0).unwrap_or_default().to_ascii_lowercase();
        let Some((_, kind)) = HANDLES.iter().find(|(word, _)| *word == first) else {
            return Err(GroupsProblem::FirstColumn(first));
        };
        let characteristics: Vec<String> = header.iter().skip(1).map(str::to_owned).collect();
        if characteristics.is_empty() || characteristics.len() > CHARACTERISTICS_MAX {
            return Err(GroupsProblem::Characteristics(characteristics.len()));
        }
        let mut people = Vec::new();
        for record in table.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let written = record.get(0).unwrap_or_default();
            let handle = handle(*kind, written, region).ok_or_else(|| {
                let (handle, kind) = (written.to_owned(), first.clone());
                GroupsProblem::Handle { line, handle, kind }
            })?;
            let groups: Vec<String> = record.iter().skip(1).map(str::to_owned).collect();
            if groups.iter().any(|group| group.len() > GROUP_MAX_BYTES) {
                return Err(GroupsProblem::LongGroup { line });
            }
            people.push(Person { handle, groups });
        }
        for (place, characteristic) in characteristics.iter().enumerate() {
            let groups: BTreeSet<&str> = people.iter().map(|person| person.groups[place].as_str()).collect();
            if groups.len() > GROUPS_MAX {
                return Err(GroupsProblem::ManyGroups(characteristic.clone()));
            }
        }
        Ok(Self { characteristics, people })
    }

    /// The groups by characteristic, of those leads that have a token.
    ///
    /// # Errors
    /// Where the store fails.
    pub(super) async fn by_token(
        &self,
        store: &Store,
        tokens: &HashMap<LeadId, u64>,
    ) -> Result<Vec<Grouping>, StoreError> {
        let empty = |by: &String| Grouping { by: by.clone(), of: HashMap::new() };
        let mut groupings: Vec<Grouping> = self.characteristics.iter().map(empty).collect();
        for Person { handle, groups } in &self.people {
            let lead = match handle {
                Handle::Lead(lead) => Some(*lead),
                Handle::Identity(identity) => store.find(identity).await?,
            };
            let Some(token) = lead.and_then(|lead| tokens.get(&lead)) else { continue };
            for (grouping, group) in groupings.iter_mut().zip(groups).filter(|(_, group)| !group.is_empty()) {
                grouping.of.insert(*token, group.clone());
            }
        }
        Ok(groupings)
    }
}

fn handle(kind: Option<IdentityKind>, text: &str, region: Region) -> Option<Handle> {
    match kind {
        None => text.parse().ok().map(|id| Handle::Lead(LeadId(id))),
        Some(kind) => RawIdentity { kind, value: text.to_owned() }.normalise(region).ok().map(Handle::Identity),
    }
}

#[cfg(unix)]
fn open_to_others(about: &std::fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 != 0
}

/// Who may read it is not the mode's to say there.
#[cfg(not(unix))]
const fn open_to_others(_: &std::fs::Metadata) -> bool {
    false
}
