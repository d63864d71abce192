//! Drafting a mapping from a file.
//!
//! Owns: what a sample of the rows says about every column, and the warnings that a person should read.
//! Invariant: a draft is sound ([`Mapping::check`]) unless a warning says what is to be filled in; the same file gives
//! the same draft.
//! Deliberately absent: certainty. A draft is a proposal.

mod draft;
mod leaks;
mod market;
mod outcome;
mod profile;
mod sample;
mod sniff;
mod words;

use std::{collections::BTreeMap, path::Path};

use draft::Draft;
use profile::{Holds, Profile};
use sample::Sample;

use super::{
    ImportError, Kind, Mapping,
    cells::Cells,
    mapping::{Encoding, FileFormat, Format},
    values::MissingTokens,
};

/// Rows by which the form of a file is told.
const FORM_ROWS: usize = 2_000;

/// How a file is looked at.
#[derive(Debug, Clone)]
pub struct InspectOptions {
    /// What the rows are; absent: guessed.
    pub kind: Option<Kind>,
    /// Column with the outcome; absent: guessed.
    pub outcome: Option<String>,
    /// Rows that are looked at, from the start and spread evenly over the file; at least 100.
    pub sample_rows: usize,
}

impl Default for InspectOptions {
    fn default() -> Self {
        Self { kind: None, outcome: None, sample_rows: 30_000 }
    }
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The draft: to be read and confirmed.
    pub mapping: Mapping,
    /// What a person should look at.
    pub warnings: Vec<Warning>,
    /// Rows of the file, without bad ones.
    pub rows: u64,
    /// Rows that cannot be read and will be rejected.
    pub bad_rows: u64,
    notes: BTreeMap<String, String>,
}

impl Inspection {
    /// The draft as TOML, with a comment on every line.
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.mapping.to_toml_with(&self.notes)
    }
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The column, where it is about one.
    pub column: Option<String>,
    /// What kind.
    pub kind: WarningKind,
    /// What was seen, in one line.
    pub text: String,
}

/// What kind of warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WarningKind {
    /// Nearly determines the outcome, exists only for winners or losers, or is filled in after contact.
    Leak,
    /// Might be a leak: kept in the draft.
    PossibleLeak,
    /// Names a record.
    Id,
    /// A protected characteristic or a proxy of one.
    Protected,
    /// Dates that can be read in two ways.
    AmbiguousDate,
    /// A number that may stand for "unknown".
    Sentinel,
    /// Rows or bytes that cannot be read.
    Unreadable,
    /// A choice of the draft that a person must confirm.
    Confirm,
}

/// Drafts a mapping.
///
/// # Errors
/// Where the file cannot be read, holds no rows, or has no column as named in `options`. See [`ImportError`].
pub fn inspect(path: &Path, options: &InspectOptions) -> Result<Inspection, ImportError> {
    let (mut format, sample) = read(path, options.sample_rows)?;
    if sample.rows.is_empty() {
        let hint = if sample.bad > 0 { " that can be read" } else { "" };
        return Err(ImportError::Empty { path: path.to_owned(), hint });
    }
    format.missing = profile::missing_tokens(sample.rows.iter().flat_map(Cells::iter).flatten());
    format.decimal = decimal_of(&sample.rows, &format);
    let missing = MissingTokens::new([&format.missing[..]]);
    let profiles: Vec<Profile<'_>> = (0..sample.names.len())
        .map(|place| {
            let cells = sample.rows.iter().map(|row| row.get(place));
            Profile::new(&sample.names[place], cells, &missing, format.decimal)
        })
        .collect();
    let mut warnings = unreadable(&sample);
    let draft = draft(path, format, &sample, &profiles, options)?;
    warnings.extend(draft.warnings);
    Ok(Inspection { mapping: draft.mapping, warnings, rows: sample.total, bad_rows: sample.bad, notes: draft.notes })
}

/// The form of a file, by its beginning.
pub(super) fn format_of(path: &Path) -> Result<Format, ImportError> {
    read(path, FORM_ROWS).map(|(format, _)| format)
}

/// The form and a sample. Where more rows are broken UTF-8 than are good, the file is read as Windows-1252.
fn read(path: &Path, sample_rows: usize) -> Result<(Format, Sample), ImportError> {
    let format = sniff::format_of(path)?;
    let sample = sample::draw(path, &format, sample_rows)?;
    if format.form == FileFormat::Delimited && sample.misencoded > sample.accented {
        let other = Format { encoding: Encoding::Windows1252, ..format };
        let sample = sample::draw(path, &other, sample_rows)?;
        return Ok((other, sample));
    }
    Ok((format, sample))
}

fn unreadable(sample: &Sample) -> Vec<Warning> {
    let warning = |text| Warning { column: None, kind: WarningKind::Unreadable, text };
    let mut warnings = Vec::new();
    if let Some((line, problem)) = &sample.first_bad {
        warnings.push(warning(format!("{} rows will be rejected; the first, line {line}, {problem}", sample.bad)));
    }
    if let Some(problem) = &sample.broken {
        warnings.push(warning(format!("the file breaks off after row {} ({problem})", sample.total + sample.bad)));
    }
    warnings
}

/// A comma where more numbers are written with it than with a point.
fn decimal_of(rows: &[Cells], format: &Format) -> char {
    let written_with = |sign: char| {
        let is = |text: &str| {
            text.split_once(sign).is_some_and(|(whole, fraction)| {
                let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
                digits(whole.trim_start_matches('-')) && digits(fraction) && fraction.len() != 3
            })
        };
        rows.iter().flat_map(Cells::iter).flatten().filter(|text| is(text.trim())).count()
    };
    if format.delimiter != ',' && written_with(',') > written_with('.') { ',' } else { '.' }
}

fn draft<'a>(
    path: &Path,
    format: Format,
    sample: &Sample,
    profiles: &'a [Profile<'a>],
    options: &InspectOptions,
) -> Result<Draft<'a>, ImportError> {
    let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let source = source_name(&file_name);
    if matches!(options.kind, None | Some(Kind::Market)) {
        let asked = options.kind == Some(Kind::Market);
        if let Some((market, warnings)) = market::find(&sample.names, profiles, &file_name, asked) {
            let mut draft = Draft::new(Kind::Market, &source, format, profiles);
            draft.mapping.market = Some(market);
            draft.warnings = warnings;
            return Ok(draft);
        }
        if asked {
            let remedy = "name the columns with area, month and figures as docs/IMPORT.md shows";
            return Err(ImportError::mapping("market", "no columns of areas, months and measures were found", remedy));
        }
    }
    let named = match &options.outcome {
        None => None,
        Some(name) => Some(sample.names.iter().position(|n| n == name).ok_or_else(|| ImportError::ColumnsMissing {
            path: path.to_owned(),
            missing: vec![name.clone()],
            found: sample.names.iter().take(6).cloned().collect::<Vec<_>>().join(", "),
            hint: String::new(),
        })?),
    };
    let outcome = outcome::find(profiles, named);
    if let (Some(name), None) = (&options.outcome, &outcome) {
        return Err(ImportError::mapping(
            "outcome",
            format_args!("{name} has not two values of which one is won"),
            "name another",
        ));
    }
    let kind = options.kind.unwrap_or_else(|| kind_of(profiles, outcome.is_some()));
    let draft = Draft::new(kind, &source, format, profiles);
    Ok(match kind {
        Kind::Leads | Kind::Market => draft.leads(outcome),
        Kind::Events => draft.events(),
        Kind::Outcomes => draft.outcomes(outcome),
    })
}

/// Events say what happened; outcomes say when it ended, and not when it began; all else are leads.
fn kind_of(profiles: &[Profile<'_>], outcome: bool) -> Kind {
    let any_time = |wanted: &dyn Fn(&Profile<'_>) -> bool| {
        profiles.iter().any(|profile| matches!(profile.holds, Holds::Time(_)) && wanted(profile))
    };
    let event = |profile: &Profile<'_>| {
        profile.words.are(&["event", "event type", "type", "activity", "activity type"])
            && matches!(profile.holds, Holds::Category)
    };
    if any_time(&|_| true) && !outcome && profiles.iter().any(event) {
        return Kind::Events;
    }
    if any_time(&|p| p.words.speak_of_end()) && !any_time(&|p| !p.words.speak_of_end()) && !outcome {
        return Kind::Outcomes;
    }
    Kind::Leads
}

/// A name of the source from the file's: small letters and digits.
fn source_name(file_name: &str) -> String {
    let stem = file_name.split('.').find(|part| !part.is_empty()).unwrap_or("file");
    let name: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).take(64).collect();
    if name.trim_matches('_').is_empty() { "file".to_owned() } else { name }
}
