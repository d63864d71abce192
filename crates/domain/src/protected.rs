//! Protected characteristics and their proxies, recognised by the name of a column or attribute.
//!
//! The list follows the Fair Housing Act (race, color, religion, sex, familial status, national origin,
//! disability), the Equal Credit Opportunity Act (age, marital status, public assistance) and the proxies that
//! stand for them (name, language, ZIP, school, birth date, children).

use serde::{Deserialize, Serialize};

/// Which characteristic a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protected {
    /// Age or date of birth.
    Age,
    /// Sex, gender or title.
    Sex,
    /// Marital or familial status, children.
    Family,
    /// Race, color, ethnicity, national origin, citizenship, language.
    Origin,
    /// Religion or belief.
    Religion,
    /// Disability or health.
    Disability,
    /// Public assistance.
    Assistance,
    /// A person's name.
    Name,
    /// Where the person lives: ZIP, neighbourhood, street, school district.
    Residence,
}

/// Words (or pairs of words) of a name and what they stand for.
const WORDS: &[(&[&str], Protected)] = &[
    (
        &["age", "ages", "aged", "birth", "birthdate", "birthday", "birthyear", "dob", "senior", "elderly"],
        Protected::Age,
    ),
    (&["sex", "gender", "salutation", "pronoun", "pronouns", "pregnant", "pregnancy"], Protected::Sex),
    (
        &[
            "marital",
            "married",
            "marriage",
            "spouse",
            "children",
            "child",
            "kids",
            "dependents",
            "dependants",
            "familial",
            "family",
            "household",
        ],
        Protected::Family,
    ),
    (
        &[
            "race",
            "racial",
            "ethnicity",
            "ethnic",
            "nationality",
            "citizenship",
            "immigration",
            "birthplace",
            "language",
            "languages",
            "accent",
            "color",
            "colour",
            "ancestry",
            "native",
        ],
        Protected::Origin,
    ),
    (&["religion", "religious", "faith", "church", "creed"], Protected::Religion),
    (&["disability", "disabled", "handicap", "handicapped", "health", "medical", "wheelchair"], Protected::Disability),
    (&["welfare", "medicaid", "snap", "voucher"], Protected::Assistance),
    (&["firstname", "lastname", "surname", "fullname", "forename"], Protected::Name),
    (
        &[
            "zip",
            "zipcode",
            "postcode",
            "postalcode",
            "neighborhood",
            "neighbourhood",
            "street",
            "school",
            "tract",
            "latitude",
            "longitude",
        ],
        Protected::Residence,
    ),
];

/// Pairs of neighbouring words and what they stand for.
const PAIRS: &[(&str, &str, Protected)] = &[
    ("first", "name", Protected::Name),
    ("last", "name", Protected::Name),
    ("full", "name", Protected::Name),
    ("contact", "name", Protected::Name),
    ("lead", "name", Protected::Name),
    ("customer", "name", Protected::Name),
    ("maiden", "name", Protected::Name),
    ("zip", "code", Protected::Residence),
    ("postal", "code", Protected::Residence),
    ("post", "code", Protected::Residence),
    ("national", "origin", Protected::Origin),
    ("country", "birth", Protected::Origin),
    ("section", "8", Protected::Assistance),
    ("public", "assistance", Protected::Assistance),
    ("food", "stamps", Protected::Assistance),
];

/// Which protected characteristic `name` stands for, if any. Words are split at case changes, digits and punctuation.
#[must_use]
pub fn classify(name: &str) -> Option<Protected> {
    let words = words(name);
    if words.len() == 1 && words[0] == "name" {
        return Some(Protected::Name);
    }
    let of_pair = words.windows(2).find_map(|pair| {
        PAIRS.iter().find(|(a, b, _)| pair[0] == *a && pair[1] == *b).map(|(_, _, protected)| *protected)
    });
    of_pair.or_else(|| {
        words.iter().find_map(|word| {
            WORDS.iter().find(|(list, _)| list.contains(&word.as_str())).map(|(_, protected)| *protected)
        })
    })
}

fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut previous = ' ';
    for c in name.chars() {
        let case_change = previous.is_lowercase() && c.is_uppercase();
        let kind_change = previous.is_alphabetic() != c.is_alphabetic();
        if !word.is_empty() && (case_change || kind_change || !c.is_alphanumeric()) {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        previous = c;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_protected_characteristics_are_found_in_any_spelling() {
        for (name, protected) in [
            ("age", Protected::Age),
            ("Age_Group", Protected::Age),
            ("dateOfBirth", Protected::Age),
            ("marital", Protected::Family),
            ("Number of Children", Protected::Family),
            ("First Name", Protected::Name),
            ("name", Protected::Name),
            ("ZIP", Protected::Residence),
            ("PostalCode", Protected::Residence),
            ("native_language", Protected::Origin),
            ("SeniorCommunityYN", Protected::Age),
            ("ElementarySchool", Protected::Residence),
        ] {
            assert_eq!(classify(name), Some(protected), "{name}");
        }
    }

    #[test]
    fn innocent_names_pass() {
        for name in [
            "page",
            "campaign",
            "usage_minutes",
            "Lead Source",
            "budget",
            "stage",
            "percentage",
            "file name",
            "trace",
            "message",
        ] {
            assert_eq!(classify(name), None, "{name}");
        }
    }
}
