//! A card for a reader.
//!
//! Owns: its words and tables. Invariant: what comes from data cannot break out of its cell. Deliberately absent:
//! figures that the JSON form does not have.

use std::fmt::Write as _;

use leadscore_domain::time::DAY_US;

use super::{Card, SLICE_MIN, Tested};
use crate::evaluate::Metrics;

/// Columns of a table of figures.
const FIGURES: &str = "n | converted | AUC | average precision | log-loss | Brier | calibration error | by chance";
const FIGURE_RULE: &str = "---:|---:|---:|---:|---:|---:|---:|---:";

/// The card in Markdown.
pub(super) fn markdown(card: &Card) -> String {
    let mut text = String::from("# Model card\n");
    if card.simulated {
        text.push_str(
            "\n**Simulated leads.** The figures show that the parts work together; they say nothing of a real brokerage.\n",
        );
    }
    put(&mut text, format_args!("\n## Use\n\n{}\n\n", card.intended_use));
    for limit in &card.limits {
        put(&mut text, format_args!("- {limit}\n"));
    }
    data(&mut text, card);
    members(&mut text, card);
    figures(&mut text, card);
    if let Some(tested) = &card.backtest {
        slices(&mut text, tested);
        calibration(&mut text, tested);
    }
    put(&mut text, format_args!("\n## Interval\n\n{}\n", card.interval));
    fairness(&mut text, card);
    features(&mut text, card);
    files(&mut text, card);
    text
}

fn put(text: &mut String, formatted: std::fmt::Arguments<'_>) {
    text.write_fmt(formatted).expect("writing to a string cannot fail");
}

/// Text as a cell of a table.
fn cell(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('<', "&lt;")
}

fn number(value: f64, places: usize) -> String {
    if value.is_finite() { format!("{value:.places$}") } else { "–".to_owned() }
}

fn share(value: f64) -> String {
    format!("{} %", number(value * 100.0, 1))
}

fn data(text: &mut String, card: &Card) {
    let data = &card.data;
    let days = data.horizon_us / DAY_US;
    put(text, format_args!("\n## Data\n\n| | |\n|---|---|\n"));
    let trained = card.created_at.map_or_else(|| "–".to_owned(), |at| at.to_string());
    let rows = [
        ("trained", trained),
        ("examples", format!("{} (a lead at an instant), of {} leads", data.examples, data.leads)),
        ("not over", format!("{}: known in part, counted by how likely they still convert", data.unfinished)),
        ("converted", format!("{} examples, {} leads", data.positives, data.won_leads)),
        ("period", format!("{} to {}", data.first_instant, data.last_instant)),
        ("horizon", format!("{days} days")),
    ];
    for (name, value) in rows {
        put(text, format_args!("| {name} | {value} |\n"));
    }
}

fn members(text: &mut String, card: &Card) {
    text.push_str("\n## Members\n\nTheir log-odds are added by weight. Log-loss and AUC are each member's alone, on ");
    text.push_str(
        "examples held out from it.\n\n| member | weight | log-loss | AUC | size |\n|---|---:|---:|---:|---|\n",
    );
    for member in &card.members {
        // What a mean of logarithms left behind is not shown.
        let short = |value: f64| (value * 1e6).round() / 1e6;
        let size: Vec<String> =
            member.parameters.iter().map(|(name, &value)| format!("{name} {}", short(value))).collect();
        let figure = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| number(value, 4));
        let (weight, loss, auc) = (number(member.weight, 3), figure(member.log_loss), figure(member.auc));
        put(text, format_args!("| {} | {weight} | {loss} | {auc} | {} |\n", member.name, cell(&size.join(", "))));
    }
}

fn figures(text: &mut String, card: &Card) {
    text.push_str("\n## Figures\n\n");
    match &card.backtest {
        Some(tested) => put(
            text,
            format_args!(
                "A model trained on earlier leads, tested on later ones (split {}), beside logistic regression and the \
                 same probability for everybody; and this model's own figures on examples held out in its training.\n\n",
                tested.split
            ),
        ),
        None => text.push_str("There were too few outcomes to train on earlier leads and test on later ones.\n\n"),
    }
    put(text, format_args!("| | {FIGURES} |\n|---|{FIGURE_RULE}|\n"));
    if let Some(tested) = &card.backtest {
        line(text, "back test", &tested.model);
        line(text, "logistic regression", &tested.logistic);
        line(text, "the same for everybody", &tested.majority);
    }
    line(text, "held out in training", &card.held_out);
    for caveat in card.backtest.iter().flat_map(|tested| &tested.caveats) {
        put(text, format_args!("\n> {}\n", cell(caveat)));
    }
}

fn line(text: &mut String, name: &str, metrics: &Metrics) {
    let figures = [
        number(metrics.auc, 4),
        number(metrics.average_precision, 4),
        number(metrics.log_loss, 4),
        number(metrics.brier, 4),
        number(metrics.ece, 4),
        number(metrics.ece_noise_floor, 4),
    ];
    put(text, format_args!("| {} | {} | {} | {} |\n", cell(name), metrics.n, metrics.positives, figures.join(" | ")));
}

fn slices(text: &mut String, tested: &Tested) {
    put(text, format_args!("\n## Slices\n\nParts of the back test with {SLICE_MIN} examples or more.\n\n"));
    text.push_str("| by | part | n | converted | said | happened | AUC | log-loss | calibration error | by chance |\n");
    text.push_str("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    for slice in &tested.slices {
        let metrics = &slice.metrics;
        let figures = [
            share(slice.probability),
            share(slice.share),
            number(metrics.auc, 4),
            number(metrics.log_loss, 4),
            number(metrics.ece, 4),
            number(metrics.ece_noise_floor, 4),
        ];
        let (value, figures) = (cell(&slice.value), figures.join(" | "));
        put(text, format_args!("| {} | {value} | {} | {} | {figures} |\n", slice.by, metrics.n, metrics.positives));
    }
    if tested.slices.is_empty() {
        text.push_str("\nNo part is large enough.\n");
    }
}

fn calibration(text: &mut String, tested: &Tested) {
    text.push_str(
        "\n## Calibration\n\nEqually many examples in each line; the band is what chance leaves a perfectly ",
    );
    text.push_str("calibrated model.\n\n| said | happened | band | n |\n|---:|---:|---|---:|\n");
    for bin in &tested.reliability {
        let (said, happened) = (share(bin.probability), share(bin.share));
        put(text, format_args!("| {said} | {happened} | {} to {} | {} |\n", share(bin.lower), share(bin.upper), bin.n));
    }
}

fn fairness(text: &mut String, card: &Card) {
    let listed = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => names.iter().map(|name| cell(name)).collect::<Vec<_>>().join("; "),
    };
    put(text, format_args!("\n## Fairness\n\n{}\n\n", card.fairness.note));
    put(text, format_args!("- refused columns: {}\n", listed(&card.fairness.refused)));
    put(text, format_args!("- admitted by hand: {}\n", listed(&card.fairness.admitted)));
}

fn features(text: &mut String, card: &Card) {
    text.push_str(
        "\n## Features\n\nImportance is the mean size of what a column adds to the log-odds in the back test. ",
    );
    text.push_str("A direction is kept by every member: up never lowers the score, down never raises it.\n\n");
    text.push_str("| column | group | importance | direction | formula |\n|---|---|---:|---|---|\n");
    for feature in &card.features {
        let importance = feature.importance.map_or_else(|| "–".to_owned(), |value| number(value, 4));
        let (name, direction) = (cell(&feature.name), feature.direction.unwrap_or(""));
        let (group, formula) = (feature.group.as_str(), cell(feature.formula));
        put(text, format_args!("| {name} | {group} | {importance} | {direction} | {formula} |\n"));
    }
}

fn files(text: &mut String, card: &Card) {
    text.push_str("\n## Files\n\n| file | bytes | SHA-256 |\n|---|---:|---|\n");
    for (name, entry) in &card.files {
        put(text, format_args!("| {name} | {} | `{}` |\n", entry.size_bytes, entry.sha256));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_break_out_of_a_cell() {
        assert_eq!(cell("a|b\n<script>"), "a\\|b &lt;script>");
    }
}
