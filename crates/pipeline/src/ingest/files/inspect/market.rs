//! Recognising market data: one row per area and month, or one row per area with a column per month.

use std::collections::BTreeMap;

use super::{
    Warning, WarningKind,
    profile::{Holds, Profile},
};
use crate::ingest::files::{
    mapping::{FilterRule, MarketLayout, MarketMapping, Measure, TimeColumn},
    time::{self, TimeFormat},
};

/// Names of measures in the files of portals and brokers, by measure; the first that is there is taken.
const MEASURES: [(&str, &[&str]); 8] = [
    ("median_price", &["median_sale_price", "median_listing_price", "median_list_price", "median_price"]),
    ("active_listings", &["active_listing_count", "active_listings", "inventory"]),
    ("new_listings", &["new_listing_count", "new_listings"]),
    ("homes_sold", &["homes_sold", "sales_count", "closed_sales"]),
    ("days_on_market", &["median_days_on_market", "median_dom", "days_on_market"]),
    ("months_of_supply", &["months_of_supply", "months_supply"]),
    ("price_reduced_share", &["price_reduced_share", "price_drops"]),
    ("sale_to_list", &["avg_sale_to_list", "median_sale_to_list", "sale_to_list"]),
];
/// Names of columns with areas, the finest first.
const AREAS: [&str; 12] = [
    "zip_name",
    "city_name",
    "county_name",
    "cbsa_title",
    "regionname",
    "region",
    "region_name",
    "area",
    "metro",
    "city",
    "county",
    "state",
];
/// What the name of a file with one measure may say, by measure.
const FILE_WORDS: [(&str, &[&str]); 7] = [
    ("median_price", &["zhvi", "price", "value"]),
    ("new_listings", &["new_listing"]),
    ("active_listings", &["invt", "inventory", "active"]),
    ("days_on_market", &["doz", "dom", "days"]),
    ("homes_sold", &["sales_count", "sold"]),
    ("months_of_supply", &["supply"]),
    ("sale_to_list", &["sale_to_list"]),
];
/// Columns with months that make a file a wide one.
const MONTHS_MIN: usize = 6;
/// Figures as first published are out after two weeks.
const PUBLISHED_AFTER_DAYS: u32 = 15;
/// Smoothed series are revised backwards: only a month later are they what they will be.
const SMOOTHED_AFTER_DAYS: u32 = 45;

/// A mapping of market data, if that is what the columns are. `asked` says that the user says so.
pub(super) fn find(
    names: &[String],
    profiles: &[Profile<'_>],
    file_name: &str,
    asked: bool,
) -> Option<(MarketMapping, Vec<Warning>)> {
    let area = AREAS.iter().find_map(|area| names.iter().find(|name| name.trim().eq_ignore_ascii_case(area)))?;
    let mut warnings = Vec::new();
    let dated = names.iter().filter(|name| name.starts_with(|c: char| c.is_ascii_digit()));
    let months: Vec<(&str, usize)> = dated.map(|name| (name.as_str(), 1)).collect();
    let wide = if months.len() >= MONTHS_MIN { time::detect(&months, true) } else { None };
    let (layout, lag) = match wide {
        Some(dates) => (wide_layout(dates.format, file_name, &mut warnings), SMOOTHED_AFTER_DAYS),
        None => (long_layout(profiles, asked)?, PUBLISHED_AFTER_DAYS),
    };
    let text = format!("figures are taken to be known {lag} days after the end of their month");
    warnings.push(Warning { column: None, kind: WarningKind::Confirm, text });
    let mut area_names = BTreeMap::new();
    if let Some(profile) = profiles.iter().find(|profile| profile.name == *area) {
        for value in profile.counts.keys() {
            if ["united states", "national", "usa"].contains(&value.to_lowercase().as_str()) {
                area_names.insert((*value).to_owned(), "US".to_owned());
            }
        }
    }
    let filters = filters(profiles);
    Some((MarketMapping { area: area.clone(), area_names, layout, published_after_days: lag, filters }, warnings))
}

fn wide_layout(format: TimeFormat, file_name: &str, warnings: &mut Vec<Warning>) -> MarketLayout {
    let name = file_name.to_lowercase();
    let by_name = FILE_WORDS.iter().find(|(_, words)| words.iter().any(|word| name.contains(word)));
    let field = by_name.map_or("median_price", |(field, _)| *field);
    let text = format!("the file does not say what it measures: taken for {field}");
    warnings.push(Warning { column: None, kind: WarningKind::Confirm, text });
    MarketLayout::Wide { field: field.to_owned(), scale: 1.0, format }
}

fn long_layout(profiles: &[Profile<'_>], asked: bool) -> Option<MarketLayout> {
    let named = |names: &[&str]| {
        names.iter().find_map(|name| profiles.iter().find(|profile| profile.name.trim().eq_ignore_ascii_case(name)))
    };
    let measures: Vec<Measure> = MEASURES
        .iter()
        .filter_map(|(field, names)| {
            let profile = named(names)?;
            Some(Measure { column: profile.name.clone(), field: (*field).to_owned(), scale: 1.0 })
        })
        .collect();
    if measures.is_empty() || (measures.len() < 2 && !asked) {
        return None;
    }
    let period =
        profiles.iter().find(|profile| matches!(profile.holds, Holds::Time(_)) && profile.words.speak_of_time())?;
    let Holds::Time(time) = &period.holds else { return None };
    let period = TimeColumn { column: period.name.clone(), format: time.format.clone(), time_zone: "UTC".to_owned() };
    Some(MarketLayout::Long { period, measures })
}

/// Files that repeat an area and month for kinds of homes or seasonal adjustment: the rows of all homes, unadjusted.
fn filters(profiles: &[Profile<'_>]) -> Vec<FilterRule> {
    let mut rules = Vec::new();
    for profile in profiles {
        let name = profile.name.trim().to_lowercase();
        let wanted = |value: &&&str| match name.as_str() {
            "property_type" => value.to_lowercase().starts_with("all"),
            "is_seasonally_adjusted" => ["f", "false", "0", "no"].contains(&value.to_lowercase().as_str()),
            _ => false,
        };
        let values: Vec<String> = profile.counts.keys().filter(wanted).map(|value| (*value).to_owned()).collect();
        if !values.is_empty() && profile.counts.len() > 1 {
            rules.push(FilterRule { column: profile.name.clone(), values });
        }
    }
    rules
}
