//! The catalogue as a document.

use std::fmt::Write;

use super::{
    catalogue::{FEATURES, Group},
    monotone::{Direction, monotone},
};

const HEAD: &str = "\
# Features

Generated from the catalogue in `crates/engine/src/features/catalogue.rs`; after a change of it run
`UPDATE_DOCS=1 cargo test -p leadscore-engine --test features`.

A feature is a function of a lead's state at an instant; the state is a fold over the lead's events. A value that is
not known is missing (NaN), never zero: a count of what never happened is 0, but a mean, share, rate or time since it
is missing. Windows end at the instant: `1 d` counts whole hours and longer windows whole days in UTC, the present one
included; `life` is everything; `24 contacts` and the like are the latest so many; `as published` is the market as it
was published by the instant, in the first area of the lead's latest search that the market knows, else the area it
named most often, else `US`. Events from the outcome itself (won, lost, and stages of those names) enter no feature.

Besides these, a lead's channel and custom attributes become columns named `attributes.…`, all in the group
`market_fit`: numbers as they are, yes and no as 1 and 0, times as days from the instant, categories as codes of the 255
most frequent values that two leads or more share (0 is any other). Columns that never vary in the examples are left
out of a model.

Where the meaning is certain, a feature has a direction: a higher value, all else unchanged, never lowers (up) or never
raises (down) a lead's score. The order is that of known values; a missing one stands outside it.

A person's name, age, sex, family, origin, language, religion, disability, assistance, ZIP, street, school or
neighbourhood is no feature, and an attribute so named never becomes a column. Areas count by the supply and demand of
homes there, and by how many the lead names, never by who lives in them.
";

/// The catalogue in Markdown, by group: what `docs/FEATURES.md` holds.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(HEAD);
    for group in Group::ALL {
        let of_group = || FEATURES.iter().filter(|spec| spec.group == group);
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## {} ({})\n\n", group.as_str(), of_group().count());
        text.push_str("| name | unit | formula | window | direction |\n|---|---|---|---|---|\n");
        for spec in of_group() {
            let direction = monotone(spec.name).map_or("", Direction::as_str);
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} | {direction} |",
                spec.name, spec.unit, spec.formula, spec.window
            );
        }
    }
    text
}
