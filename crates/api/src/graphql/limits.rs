//! What a query may ask for at most, counted before anything is executed.
//!
//! Invariants: a text is not parsed that could nest deeper than the parser's stack, a document not walked further than
//! its bounds go, fragments spread out; and what is accepted takes at most [`STATEMENTS_MAX`] statements. That bound
//! holds because everything but the searches at the top is loaded once for all leads of a query (`waves.rs`): each
//! search costs its own statements, each kind of load one, however often it is asked for. Deliberately absent: the
//! costs of fields, which stand at the fields ([`COMPLEXITY_MAX`] is the library's to check).

use std::collections::HashSet;

use async_graphql::{
    Positioned,
    parser::types::{ExecutableDocument, Field, OperationType, Selection, SelectionSet},
};

use crate::problem::{Code, Problem};

/// Longest body.
pub const BODY_MAX_BYTES: usize = 10_000;
/// Most queries of one request.
pub const BATCH_MAX: usize = 5;
/// Most levels of fields.
const DEPTH_MAX: usize = 8;
/// The same of questions about the schema, which tools ask in a depth of their own.
const INTROSPECTION_DEPTH_MAX: usize = 16;
/// Most fields with another name than their own.
const ALIASES_MAX: usize = 15;
/// Most fields at the top.
const ROOTS_MAX: usize = 15;
/// Most directives.
const DIRECTIVES_MAX: usize = 15;
/// Most fragments in one another, which is how deep documents are walked beside their fields.
const FRAGMENTS_MAX: usize = 32;
/// Most selections, fragments spread out.
const SELECTIONS_MAX: usize = 1_000;
/// Most that a query may cost: each field 1, each list as many times as it may have entries.
pub const COMPLEXITY_MAX: usize = 500;
/// Most statements of the database that a query may take.
pub const STATEMENTS_MAX: usize = 10;
/// Most brackets in one another in a text.
const BRACKETS_MAX: usize = 64;

/// Something that is loaded for all leads of a query at once, in one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Load {
    Heads,
    Handles,
    Scores,
    Overrides,
    States,
    ScoreHistories,
    Histories,
    Users,
    Teams,
}

/// The statements of a field at the top that are its own.
fn statements(root: &str) -> usize {
    match root {
        "leads" | "market" => 1,
        // The leads, and what their histories say.
        "queue" => 2,
        _ => 0,
    }
}

/// What a field makes a query load. Names that have several meanings count as the dearest.
fn loads(field: &str) -> &'static [Load] {
    match field {
        "lead" => &[Load::Heads],
        "identities" => &[Load::Handles],
        "score" => &[Load::Scores],
        "override" => &[Load::Overrides],
        "scoreProblem" => &[Load::Scores, Load::States],
        "scores" => &[Load::Scores, Load::ScoreHistories],
        "profile" | "explanation" => &[Load::States],
        "events" | "outcomes" | "consents" => &[Load::Histories],
        "agent" => &[Load::Users],
        "team" => &[Load::Teams],
        _ => &[],
    }
}

/// Checks that a text does not nest deeper than it may be read.
///
/// # Errors
/// [`Code::QueryTooComplex`].
pub fn check_text(query: &str) -> Result<(), Problem> {
    let mut open = 0_usize;
    for byte in query.bytes() {
        match byte {
            b'{' | b'[' | b'(' => open += 1,
            b'}' | b']' | b')' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > BRACKETS_MAX {
            return Err(too_much("levels of brackets", BRACKETS_MAX));
        }
    }
    Ok(())
}

/// Checks what a document asks for. `introspection`: whether it may ask about the schema.
///
/// # Errors
/// [`Code::QueryTooComplex`]; [`Code::Forbidden`].
pub fn check(document: &ExecutableDocument, introspection: bool) -> Result<(), Problem> {
    let mut count = Count { document, introspection, ..Count::of(document) };
    for (_, operation) in document.operations.iter() {
        let is_query = operation.node.ty == OperationType::Query;
        count.directives += operation.node.directives.len();
        let place = Place { depth: 0, fragments: 0, is_query, about_schema: false };
        count.set(&operation.node.selection_set.node, place)?;
    }
    let statements = count.statements + count.loads.len();
    if statements > STATEMENTS_MAX {
        return Err(too_much(format!("statements of the database; it takes {statements}"), STATEMENTS_MAX));
    }
    Ok(())
}

struct Count<'d> {
    document: &'d ExecutableDocument,
    introspection: bool,
    selections: usize,
    aliases: usize,
    directives: usize,
    roots: usize,
    statements: usize,
    loads: HashSet<Load>,
}

/// Where a selection stands.
#[derive(Clone, Copy)]
struct Place {
    /// Fields above it.
    depth: usize,
    /// Fragments around it.
    fragments: usize,
    is_query: bool,
    /// Within a question about the schema.
    about_schema: bool,
}

impl Place {
    /// Within one more fragment.
    fn within(self) -> Result<Self, Problem> {
        at_most("fragments in one another", self.fragments + 1, FRAGMENTS_MAX)?;
        Ok(Self { fragments: self.fragments + 1, ..self })
    }
}

impl<'d> Count<'d> {
    fn of(document: &'d ExecutableDocument) -> Self {
        let loads = HashSet::new();
        let (selections, aliases, directives, roots, statements) = (0, 0, 0, 0, 0);
        Self { document, introspection: false, selections, aliases, directives, roots, statements, loads }
    }

    fn set(&mut self, set: &'d SelectionSet, place: Place) -> Result<(), Problem> {
        for Positioned { node, .. } in &set.items {
            // What a fragment holds counts wherever it is spread: also one that holds itself comes to an end here.
            self.selections += 1;
            at_most("selections", self.selections, SELECTIONS_MAX)?;
            self.directives += node.directives().len();
            at_most("directives", self.directives, DIRECTIVES_MAX)?;
            match node {
                Selection::Field(field) => self.field(&field.node, place)?,
                Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node, place.within()?)?,
                Selection::FragmentSpread(spread) => {
                    // An unknown name is refused when the document is compared with the schema.
                    if let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) {
                        self.set(&fragment.node.selection_set.node, place.within()?)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'d Field, place: Place) -> Result<(), Problem> {
        let Place { depth, is_query, about_schema, .. } = place;
        let name = field.name.node.as_str();
        self.aliases += usize::from(field.alias.is_some());
        at_most("aliases", self.aliases, ALIASES_MAX)?;
        let about_schema = about_schema || (depth == 0 && matches!(name, "__schema" | "__type"));
        if about_schema && !self.introspection {
            return Err(Problem::new(Code::Forbidden, "Only people who have logged in may ask about the schema.")
                .remedy("see docs/schema.graphql"));
        }
        let depth = depth + 1;
        at_most("levels of fields", depth, if about_schema { INTROSPECTION_DEPTH_MAX } else { DEPTH_MAX })?;
        if depth == 1 {
            self.roots += 1;
            at_most("fields at the top", self.roots, ROOTS_MAX)?;
            self.statements += if is_query { statements(name) } else { 0 };
        }
        // A leaf of the same name shows what was loaded.
        if is_query && !field.selection_set.node.items.is_empty() {
            self.loads.extend(loads(name));
        }
        self.set(&field.selection_set.node, Place { depth, about_schema, ..place })
    }
}

fn at_most(what: &'static str, count: usize, most: usize) -> Result<(), Problem> {
    if count <= most { Ok(()) } else { Err(too_much(what, most)) }
}

fn too_much(what: impl std::fmt::Display, most: usize) -> Problem {
    Problem::new(Code::QueryTooComplex, format!("A query may have at most {most} {what}."))
}
