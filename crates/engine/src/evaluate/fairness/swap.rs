//! The swap test: the same lead as another person, whose score must be the same.
//!
//! What is exchanged is what tells who somebody is and is no feature: the name, in texts too; every attribute that
//! `domain::protected` knows, and a language and a postal code where there were none. Deliberately absent: where
//! somebody looks for a home, and the time zone, which are what the lead is about and when they can be called.

use leadscore_domain::{AttributeName, AttributeValue, Attributes, Event, EventBody, protected};
use serde::{Deserialize, Serialize};

/// A person as the swap test makes them.
struct Person {
    first: &'static str,
    last: &'static str,
    language: &'static str,
    postal_code: &'static str,
}

/// Whom leads become, in turn.
const PEOPLE: [Person; 4] = [
    Person { first: "Lakisha", last: "Washington", language: "en", postal_code: "60644" },
    Person { first: "José", last: "Hernández", language: "es", postal_code: "78207" },
    Person { first: "Emily", last: "Walsh", language: "en", postal_code: "02481" },
    Person { first: "Xiuying", last: "Zhang", language: "zh", postal_code: "94108" },
];
/// Shorter words of a name are too often words of something else.
const NAME_WORD_MIN_CHARS: usize = 3;

/// What became of scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct SwapTest {
    /// Leads whose examples were predicted once more as another person.
    pub leads: usize,
    /// Those of which a probability was another one.
    pub changed: usize,
    /// The largest change of a probability.
    pub largest_change: f64,
}

impl SwapTest {
    /// Counts a lead with the largest change of a probability of its examples.
    pub fn add(&mut self, change: f64) {
        self.leads += 1;
        self.changed += usize::from(change > 0.0);
        self.largest_change = self.largest_change.max(change);
    }

    /// The bar that was not reached.
    pub(super) fn failure(&self) -> Option<String> {
        let Self { leads, changed, largest_change } = self;
        if *leads == 0 {
            return Some("no lead was scored as another person".to_owned());
        }
        (*changed > 0).then(|| {
            format!(
                "with another name, language and postal code {changed} of {leads} leads have another probability (by up \
                 to {largest_change:.4})"
            )
        })
    }
}

/// The history of a lead as that of another person; which one, `number` says.
#[must_use]
pub fn swapped(events: &[Event], number: u64) -> Vec<Event> {
    let person = &PEOPLE[(number % PEOPLE.len() as u64) as usize];
    let names: Vec<&str> = events.iter().filter_map(name).flat_map(str::split_whitespace).collect();
    // As it is written, or shouted: a lower-case word may be another one ("hope").
    let names: Vec<String> = names
        .into_iter()
        .filter(|word| word.chars().count() >= NAME_WORD_MIN_CHARS)
        .flat_map(|word| [word.to_owned(), word.to_uppercase()])
        .collect();
    events.iter().map(|event| Event { body: person.says(event.body.clone(), &names), ..event.clone() }).collect()
}

fn name(event: &Event) -> Option<&str> {
    if let EventBody::LeadCreated(created) = &event.body { created.name.as_deref() } else { None }
}

impl Person {
    /// The event as this person's.
    fn says(&self, mut body: EventBody, names: &[String]) -> EventBody {
        match &mut body {
            EventBody::LeadCreated(created) => {
                created.name = Some(format!("{} {}", self.first, self.last));
                self.describe(&mut created.attributes);
                for (word, value) in [("language", self.language), ("zip_code", self.postal_code)] {
                    if let Ok(word) = word.parse::<AttributeName>() {
                        created.attributes.insert(word, Some(AttributeValue::Category(value.to_owned())));
                    }
                }
            }
            EventBody::CrmUpdated(updated) => self.describe(&mut updated.attributes),
            EventBody::VoiceCall(call) => {
                for turn in &mut call.turns {
                    turn.text = self.renamed(&turn.text, names);
                }
            }
            EventBody::CallTurn(call) => call.turn.text = self.renamed(&call.turn.text, names),
            EventBody::Message(message) => {
                message.text = message.text.as_deref().map(|text| self.renamed(text, names));
            }
            EventBody::StageChanged(_)
            | EventBody::WebSession(_)
            | EventBody::PageView(_)
            | EventBody::Email(_)
            | EventBody::PropertySearch(_)
            | EventBody::ListingSaved(_)
            | EventBody::Showing(_)
            | EventBody::AgentAction(_)
            | EventBody::Consent(_)
            | EventBody::ProcessingLimit(_)
            | EventBody::Outcome(_)
            | EventBody::LeadMerged(_) => {}
        }
        body
    }

    /// Protected attributes, as this person has them: a word stays a word, a number a number.
    fn describe(&self, attributes: &mut Attributes) {
        for (name, value) in attributes.iter_mut().filter(|(name, _)| protected::classify(name.as_str()).is_some()) {
            match value {
                Some(AttributeValue::Boolean(yes)) => *yes = !*yes,
                Some(AttributeValue::Number(number)) => *number += 1.0,
                Some(AttributeValue::Category(word)) => *word = format!("{} {}", name.as_str(), self.last),
                Some(AttributeValue::Time { .. }) | None => {}
            }
        }
    }

    /// A text in which this person has the name of the one before.
    fn renamed(&self, text: &str, names: &[String]) -> String {
        text.split_inclusive(|c: char| !c.is_alphanumeric())
            .map(|piece| {
                let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
                match names.iter().any(|name| word == name) {
                    true => format!("{}{}", self.first, &piece[word.len()..]),
                    false => piece.to_owned(),
                }
            })
            .collect()
    }
}
