//! The report of a back test: one page that needs nothing else, and the same figures as JSON.
//!
//! Owns: what is shown and what is said about it. Invariant: everything that comes from data is escaped, nothing is
//! fetched. Deliberately absent: measuring.

use std::{collections::BTreeMap, fmt::Write as _};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{
    Backtest, BacktestRow, Metrics,
    caveats::caveats,
    curves::Ranking,
    plots::{self, Ink, Line},
    reliability::{BINS, Bins, ReliabilityBin},
};

const STYLE: &str = include_str!("report.css");
/// Simulated label sets behind the band of the reliability diagram.
const BAND_RUNS: usize = 400;
/// Seed of the band.
const BAND_SEED: u64 = 0xBA2D;

/// What a report is made of.
#[derive(Debug, Clone)]
pub struct Report {
    /// Heading.
    pub title: String,
    /// What the examples are, in a sentence.
    pub description: String,
    /// The findings.
    pub backtest: Backtest,
    /// Whether the data comes from the simulator.
    pub simulated: bool,
    /// What else a reader should know, such as attributes that may leak.
    pub notes: Vec<String>,
}

/// The report as one HTML page without references to anything outside.
#[must_use]
pub fn report_html(report: &Report) -> String {
    let mut html = String::with_capacity(256 * 1024);
    let title = escape(&report.title);
    html.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
    put(&mut html, format_args!("<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"));
    put(&mut html, format_args!("<h1>{title}</h1>\n<p class=\"quiet\">{}</p>\n", escape(&summary(report))));
    if report.simulated {
        html.push_str(
            "<p class=\"simulated\"><strong>Simulated data.</strong> These figures show that the parts work together \
             and how close the model comes to what can be known. They say nothing about a real brokerage.</p>\n",
        );
    }
    put_figures(&mut html, &report.backtest);
    put_models(&mut html, &report.backtest);
    put_plots(&mut html, report);
    put_parts(&mut html, &report.backtest);
    put_caveats(&mut html, report);
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

/// The same figures as JSON: `title`, `description`, `simulated`, `backtest` (see [`Backtest`]), `reliability`,
/// `caveats`.
#[must_use]
pub fn report_json(report: &Report) -> serde_json::Value {
    json!({
        "title": report.title,
        "description": report.description,
        "simulated": report.simulated,
        "backtest": report.backtest,
        "reliability": reliability(&report.backtest.rows),
        "caveats": all_caveats(report),
    })
}

fn all_caveats(report: &Report) -> Vec<String> {
    caveats(&report.backtest).into_iter().chain(report.notes.iter().cloned()).collect()
}

/// The bins of the reliability diagram, with the band that chance alone leaves.
pub(crate) fn reliability(rows: &[BacktestRow]) -> Vec<ReliabilityBin> {
    let probabilities: Vec<f64> = rows.iter().map(|row| row.probability).collect();
    let labels: Vec<bool> = rows.iter().map(|row| row.label).collect();
    let mut generator = ChaCha8Rng::seed_from_u64(BAND_SEED);
    Bins::new(&probabilities, BINS).reliability(&labels, &probabilities, BAND_RUNS, &mut generator)
}

fn put(html: &mut String, text: std::fmt::Arguments<'_>) {
    html.write_fmt(text).expect("writing to a string cannot fail");
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn summary(report: &Report) -> String {
    let backtest = &report.backtest;
    let (n, positives) = (backtest.model.n, backtest.model.positives);
    let leads: std::collections::BTreeSet<u64> = backtest.rows.iter().map(|row| row.lead).collect();
    let description = report.description.trim();
    let stop = if description.is_empty() || description.ends_with('.') { "" } else { "." };
    format!(
        "{description}{stop} Split {}; tested on {} examples of {} leads, of which {} ({}) converted.",
        backtest.split,
        grouped(n),
        grouped(leads.len()),
        grouped(positives),
        percent(positives as f64 / n as f64),
    )
}

/// A count with thin spaces between thousands.
/// Members that count, by weight.
fn weights(members: &BTreeMap<String, f64>) -> String {
    let mut counting: Vec<(&String, f64)> =
        members.iter().filter(|&(_, &weight)| weight > 0.0).map(|(name, &weight)| (name, weight)).collect();
    counting.sort_by(|(_, x), (_, y)| y.total_cmp(x));
    counting.iter().map(|(name, weight)| format!("{name} {weight:.2}")).collect::<Vec<_>>().join(", ")
}

fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", share * 100.0) } else { "–".to_owned() }
}

fn decimal(value: f64, places: usize) -> String {
    if value.is_finite() { format!("{value:.places$}") } else { "–".to_owned() }
}

fn put_figures(html: &mut String, backtest: &Backtest) {
    let model = &backtest.model;
    let gain = model.auc - backtest.logistic.auc;
    let figures = [
        ("AUC", decimal(model.auc, 3), format!("{} against logistic", signed(gain))),
        ("Average precision", decimal(model.average_precision, 3), "area under precision–recall".to_owned()),
        ("Lift at 10 %", decimal(model.lift_at_10, 2), "over calling at random".to_owned()),
        (
            "Log-loss",
            decimal(model.log_loss, 4),
            format!("{} for everybody alike", decimal(backtest.majority.log_loss, 4)),
        ),
        ("Calibration error", decimal(model.ece, 4), format!("{} by chance alone", decimal(model.ece_noise_floor, 4))),
    ];
    html.push_str("<dl class=\"figures\">\n");
    for (name, value, note) in figures {
        put(html, format_args!("<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>\n"));
    }
    html.push_str("</dl>\n");
}

fn signed(value: f64) -> String {
    if value.is_finite() { format!("{value:+.3}").replace('-', "−") } else { "–".to_owned() }
}

fn put_models(html: &mut String, backtest: &Backtest) {
    html.push_str("<h2>Beside the baselines</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>Model</th>");
    for name in [
        "AUC",
        "Avg. prec.",
        "Log-loss",
        "Brier",
        "ECE",
        "ECE floor",
        "Lift 10 %",
        "Accuracy",
        "Precision",
        "Recall",
        "F1",
        "FPR",
    ] {
        put(html, format_args!("<th>{name}</th>"));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    put_model(html, "Leadscore", &backtest.model);
    put_model(html, "Logistic regression", &backtest.logistic);
    put_model(html, "Same for everybody", &backtest.majority);
    if let Some(truth) = &backtest.truth {
        put_model(html, "True probability", truth);
    }
    html.push_str("</tbody></table></div>\n");
    let matched = &backtest.model.matched;
    put(
        html,
        format_args!(
            "<p class=\"quiet\">Accuracy to FPR at a probability of 0.5. At {}, where as many leads are taken as \
             convert, the model has accuracy {}, precision {}, recall {}, F1 {}, false positive rate {}.</p>\n",
            decimal(matched.threshold, 3),
            decimal(matched.accuracy, 3),
            decimal(matched.precision, 3),
            decimal(matched.recall, 3),
            decimal(matched.f1, 3),
            decimal(matched.false_positive_rate, 3),
        ),
    );
}

fn put_model(html: &mut String, name: &str, metrics: &Metrics) {
    put(html, format_args!("<tr><th scope=\"row\">{name}</th>"));
    for (value, places) in [
        (metrics.auc, 4),
        (metrics.average_precision, 4),
        (metrics.log_loss, 4),
        (metrics.brier, 4),
        (metrics.ece, 4),
        (metrics.ece_noise_floor, 4),
        (metrics.lift_at_10, 2),
        (metrics.accuracy, 3),
        (metrics.precision, 3),
        (metrics.recall, 3),
        (metrics.f1, 3),
        (metrics.false_positive_rate, 3),
    ] {
        put(html, format_args!("<td>{}</td>", decimal(value, places)));
    }
    html.push_str("</tr>\n");
}

fn put_plots(html: &mut String, report: &Report) {
    let backtest = &report.backtest;
    let rows = &backtest.rows;
    let labels: Vec<bool> = rows.iter().map(|row| row.label).collect();
    let line = |ink, probability: &dyn Fn(&BacktestRow) -> f64| {
        let probabilities: Vec<f64> = rows.iter().map(probability).collect();
        Line { ink, ranking: Ranking::new(&labels, &probabilities) }
    };
    let mut lines = vec![line(Ink::MODEL, &|row| row.probability), line(Ink::LOGISTIC, &|row| row.logistic)];
    html.push_str("<h2>Ranking and calibration</h2>\n<ul class=\"key\">\n");
    html.push_str("<li><i style=\"background:var(--model)\"></i>Leadscore</li>");
    html.push_str("<li><i style=\"background:var(--logistic)\"></i>logistic regression</li>");
    if backtest.truth.is_some() {
        lines.push(line(Ink::TRUTH, &|row| row.truth.unwrap_or(f64::NAN)));
        html.push_str("<li><i style=\"background:var(--truth)\"></i>true probability</li>");
    }
    html.push_str(
        "<li><i style=\"background:var(--axis);height:2px\"></i>no skill</li>\n</ul>\n<div class=\"plots\">\n",
    );
    let share = backtest.model.positives as f64 / backtest.model.n as f64;
    let bins = reliability(rows);
    for (name, caption, svg) in [
        ("ROC", "How many conversions are found for how many false alarms.", plots::roc(&lines)),
        ("Precision and recall", "How pure the list stays as it grows.", plots::precision_recall(&lines, share)),
        (
            "Reliability",
            "Fifteen groups of equally many leads. The band holds 90 % of what chance leaves a perfect model.",
            plots::reliability(&bins),
        ),
        ("Gains", "Conversions reached when leads are called in the order of the score.", plots::gains(&lines)),
        ("Lift", "Conversions among the leads called, as a multiple of calling at random.", plots::lift(&lines)),
        (
            "Distribution",
            "Probabilities of leads that converted (line) and of those that did not (grey).",
            plots::distributions(rows),
        ),
    ] {
        put(html, format_args!("<figure><h3>{name}</h3><figcaption>{caption}</figcaption>\n{svg}</figure>\n"));
    }
    html.push_str("</div>\n<h2>What moves the score</h2>\n<figure class=\"wide\"><figcaption>");
    html.push_str(
        "Mean absolute contribution of a column to the log-odds: Shapley values of the logistic member and the trees, \
         Aumann–Shapley values of the net.",
    );
    put(html, format_args!("</figcaption>\n{}</figure>\n", plots::importance(&backtest.importance)));
}

fn put_parts(html: &mut String, backtest: &Backtest) {
    html.push_str(
        "<h2>Parts of the split</h2>\n<div class=\"scroll\"><table class=\"even\">\n<thead><tr><th>Part</th>",
    );
    for name in ["Trained on", "converted", "Tested on", "converted", "Unfinished", "Columns", "Members", "AUC"] {
        put(html, format_args!("<th>{name}</th>"));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for (i, part) in backtest.parts.iter().enumerate() {
        put(
            html,
            format_args!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
                 <td>{}</td><td>{}</td></tr>\n",
                i + 1,
                grouped(part.train),
                percent(part.train_share),
                grouped(part.test),
                percent(part.test_share),
                grouped(part.unfinished),
                part.columns,
                escape(&weights(&part.members)),
                decimal(part.auc, 4),
            ),
        );
    }
    html.push_str("</tbody></table></div>\n");
}

fn put_caveats(html: &mut String, report: &Report) {
    html.push_str("<h2>How to read this</h2>\n<ul class=\"notes\">\n");
    for caveat in all_caveats(report) {
        put(html, format_args!("<li>{}</li>\n", escape(&caveat)));
    }
    html.push_str("</ul>\n");
}
