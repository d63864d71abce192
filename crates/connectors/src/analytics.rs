//! What web analytics say, whichever of them: pages, searches, favourites, viewings, traits.
//!
//! Owns: which names of events mean what. Invariant: a name that is not listed here or in the configuration is counted,
//! never guessed. Deliberately absent: the vendors' envelopes and proofs.

use std::collections::BTreeMap;

use leadscore_domain::{
    EventBody, Timestamp,
    event::{
        CrmUpdated, Deal, LeadRef, ListingSaved, Page, PageView, PropertySearch, PropertyType, Showing, ShowingAction,
    },
    limits,
};
use serde_json::Value;

use crate::{
    json,
    make::{self, Maker},
    seam::Reading,
    text::clip,
};

/// One thing that happened, in no vendor's terms.
pub(crate) struct Happening<'a> {
    pub(crate) id: &'a str,
    pub(crate) lead: LeadRef,
    pub(crate) at: Option<Timestamp>,
    pub(crate) properties: &'a Value,
}

/// Other names of events, in lower case, to those of [`track`].
pub(crate) type Names = BTreeMap<String, String>;

/// A page that was seen.
pub(crate) fn page(maker: Maker<'_>, reading: &mut Reading, seen: Happening<'_>) {
    let properties = seen.properties;
    let path = json::first(properties, &["/path", "/url", "/$pathname", "/$current_url"]).unwrap_or_default();
    let listing_key = listing(properties);
    let page = if listing_key.is_some() { Page::Listing } else { kind_of(path) };
    let body = EventBody::PageView(PageView { page, duration_ms: None, listing_key });
    reading.push(maker.event(seen.id, seen.lead, seen.at, body));
}

/// Traits of a person.
pub(crate) fn identify(maker: Maker<'_>, reading: &mut Reading, seen: Happening<'_>) {
    const HANDLES: [&str; 4] = ["email", "phone", "id", "address"];
    let traits = seen.properties.as_object().into_iter().flatten();
    let plain = traits.filter(|(name, value)| {
        !HANDLES.contains(&name.as_str()) && !name.starts_with('$') && !value.is_object() && !value.is_array()
    });
    let attributes = make::attributes(reading, plain);
    reading.push(maker.event(seen.id, seen.lead, seen.at, EventBody::CrmUpdated(CrmUpdated { attributes })));
}

/// An event by its name.
pub(crate) fn track(maker: Maker<'_>, reading: &mut Reading, names: &Names, name: &str, seen: Happening<'_>) {
    let key = name.trim().to_lowercase().replace([' ', '-'], "_");
    let key = names.get(&name.to_lowercase()).unwrap_or(&key);
    let properties = seen.properties;
    let price = json::number(properties, "/price").and_then(price);
    let showing =
        |action| EventBody::Showing(Showing { action, listing_key: listing(properties), price, scheduled_for: None });
    let body = match key.as_str() {
        "listing_viewed" | "property_viewed" | "product_viewed" => {
            EventBody::PageView(PageView { page: Page::Listing, duration_ms: None, listing_key: listing(properties) })
        }
        "listing_saved" | "property_saved" | "product_added_to_wishlist" => {
            let Some(listing_key) = listing(properties) else {
                reading.dropped.invalid += 1;
                return;
            };
            let area = json::first(properties, &["/area", "/city"]).map(|a| clip(a, limits::CATEGORY_MAX_BYTES));
            let property_type = word(properties, "/property_type");
            EventBody::ListingSaved(ListingSaved { listing_key, price, area, property_type })
        }
        "property_search" | "property_searched" | "products_searched" | "search_performed" => search(properties),
        "showing_requested" | "tour_requested" => showing(ShowingAction::Requested),
        "showing_scheduled" | "tour_scheduled" => showing(ShowingAction::Scheduled),
        "showing_cancelled" | "tour_cancelled" => showing(ShowingAction::Cancelled),
        "unsubscribed" | "email_unsubscribed" => {
            maker.stop_email(reading, seen.id, &seen.lead, seen.at, "unsubscribed on the web site");
            return;
        }
        _ => {
            reading.count_unknown(name);
            return;
        }
    };
    reading.push(maker.event(seen.id, seen.lead, seen.at, body));
}

fn listing(properties: &Value) -> Option<String> {
    ["/listing_key", "/listing_id", "/property_id", "/product_id"].iter().find_map(|at| json::id(properties, at))
}

fn price(price: f64) -> Option<i64> {
    (0.0..=limits::PRICE_MAX as f64).contains(&price).then_some(price.round() as i64)
}

fn word<T: serde::de::DeserializeOwned>(properties: &Value, pointer: &str) -> Option<T> {
    serde_json::from_value(json::text(properties, pointer)?.to_lowercase().into()).ok()
}

fn search(properties: &Value) -> EventBody {
    let areas = json::list(properties, "/areas").iter().filter_map(Value::as_str);
    let areas = areas.chain(json::first(properties, &["/area", "/city"]));
    let bedrooms = json::first(properties, &["/bedrooms_min", "/bedrooms"]).and_then(|n| n.parse().ok());
    let number = |pointer| json::number(properties, pointer);
    EventBody::PropertySearch(PropertySearch {
        deal: word(properties, "/deal").unwrap_or(Deal::Buy),
        price_min: number("/price_min").or_else(|| number("/min_price")).and_then(price),
        price_max: number("/price_max").or_else(|| number("/max_price")).and_then(price),
        areas: areas.map(|area| clip(area, limits::CATEGORY_MAX_BYTES)).take(limits::AREAS_MAX).collect(),
        property_types: word::<PropertyType>(properties, "/property_type").into_iter().collect(),
        bedrooms_min: bedrooms.or_else(|| {
            let count = json::whole(number("/bedrooms_min").or_else(|| number("/bedrooms"))?)?;
            u8::try_from(count).ok()
        }),
    })
}

/// What a page is about, by the words of its path.
fn kind_of(path: &str) -> Page {
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    let path = path.split(['?', '#']).next().unwrap_or_default().to_lowercase();
    let has = |words: &[&str]| path.split(['/', '-', '_']).any(|part| words.contains(&part));
    if path.trim_matches('/').is_empty() {
        Page::Home
    } else if has(&["mortgage", "financing", "calculator"]) {
        Page::Financing
    } else if has(&["valuation", "worth"]) {
        Page::Valuation
    } else if has(&["contact", "agent", "agents"]) {
        Page::Contact
    } else if has(&["guide", "guides", "schools", "neighborhoods"]) {
        Page::Guide
    } else if has(&["search", "results"]) {
        Page::Results
    } else if has(&["listing", "listings", "property", "properties", "homes"]) {
        Page::Listing
    } else {
        Page::Other
    }
}
