//! From attributions to a handful of reasons.
//!
//! Owns: which columns are merged, which are spoken of, and the order. Invariant: a reason's contribution is the sum of
//! the contributions of every column of its topic; reasons and the rest add up to the sum of all. Deliberately absent:
//! words, see `words`; attributes whose name or value stands for a protected characteristic, or that were admitted in
//! spite of one: they stay in the rest.

use leadscore_domain::{
    AttributeValue, Group, Influence, Reason, Reasons, Timestamp,
    explanation::{REASONS_MAX, TEXT_MAX_CHARS},
    protected,
};

use super::{
    render::{CURRENCY_SIGN, Context, TOPICS, from_now, number, shorten},
    words::{self, Wording},
};
use crate::features::{CHANNEL, FEATURES, Feature, FeatureView, LeadState, Meaning};

/// What adds less than this either way, in log-odds, is no reason.
const LEAST: f64 = 0.02;
/// Most characters of an attribute's name in a text.
const NAME_CHARS: usize = 40;

/// Speaks for one model: knows its columns and what they are called.
#[derive(Debug, Clone)]
pub struct Narrator {
    columns: Vec<Column>,
    /// Number of topics: the fixed ones, then one for each attribute.
    topics: usize,
    currency: String,
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    group: Group,
    topic: usize,
    words: Words,
}

#[derive(Debug, Clone)]
enum Words {
    Feature(&'static Wording),
    Attribute { name: String, label: String, meaning: Meaning },
    Silent,
}

/// What a topic adds.
#[derive(Clone, Copy, Default)]
struct Sum {
    contribution: f64,
    /// Sizes of what each group's columns add.
    by_group: [f64; Group::ALL.len()],
}

impl Narrator {
    /// For the columns of `view`. `protected_overrides` are the notes of the model's manifest about columns that were
    /// admitted though their name stands for a protected characteristic: these are never spoken of.
    #[must_use]
    pub fn new(view: &FeatureView, protected_overrides: &[String]) -> Self {
        let mut topics = TOPICS;
        let columns = view
            .columns()
            .iter()
            .enumerate()
            .map(|(place, column)| {
                let (words, topic) = match view.meaning(place) {
                    Some((name, meaning)) => (attribute(name, meaning, protected_overrides), None),
                    None => feature(&column.name),
                };
                let topic = topic.unwrap_or_else(|| {
                    topics += 1;
                    topics - 1
                });
                Column { name: column.name.clone(), group: column.group, topic, words }
            })
            .collect();
        Self { columns, topics, currency: CURRENCY_SIGN.to_owned() }
    }

    /// The same with another sign before amounts of money.
    #[must_use]
    pub fn with_currency(mut self, sign: &str) -> Self {
        sign.clone_into(&mut self.currency);
        self
    }

    /// What stands before amounts of money.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// The strongest reasons either way. `contributions` (log-odds) and `row` have one entry for each column of the
    /// view; a contribution that is not finite counts as 0. `state` and `at` are what the row was made from.
    ///
    /// # Panics
    /// Where `contributions` or `row` is shorter than the view is wide.
    #[must_use]
    pub fn reasons(&self, contributions: &[f64], row: &[f32], state: &LeadState, at: Timestamp) -> Reasons {
        let contributions = &contributions[..self.columns.len()];
        let share = |place: usize| if contributions[place].is_finite() { contributions[place] } else { 0.0 };
        let mut sums = vec![Sum::default(); self.topics];
        for (place, column) in self.columns.iter().enumerate() {
            let sum = &mut sums[column.topic];
            sum.contribution += share(place);
            sum.by_group[column.group as usize] += share(place).abs();
        }
        let mut order: Vec<usize> = (0..self.topics).filter(|topic| sums[*topic].contribution.abs() >= LEAST).collect();
        order.sort_by(|a, b| sums[*b].contribution.abs().total_cmp(&sums[*a].contribution.abs()).then(a.cmp(b)));
        let context = Context { state, at, currency: &self.currency };
        let mut reasons = Reasons::default();
        for topic in order {
            let sum = &sums[topic];
            let list = if sum.contribution > 0.0 { &mut reasons.up } else { &mut reasons.down };
            if list.len() < REASONS_MAX
                && let Some(reason) = self.reason(topic, sum, &share, row, &context)
            {
                list.push(reason);
            }
        }
        let spoken: f64 = reasons.up.iter().chain(&reasons.down).map(|reason| reason.contribution).sum();
        reasons.rest = sums.iter().map(|sum| sum.contribution).sum::<f64>() - spoken;
        reasons
    }

    /// The reason of a topic: in the words of its strongest column of the same sign that has any.
    fn reason(
        &self,
        topic: usize,
        sum: &Sum,
        share: &impl Fn(usize) -> f64,
        row: &[f32],
        context: &Context<'_>,
    ) -> Option<Reason> {
        let mut places: Vec<usize> = (0..self.columns.len())
            .filter(|place| self.columns[*place].topic == topic && share(*place) != 0.0)
            .collect();
        places.sort_by(|a, b| share(*b).abs().total_cmp(&share(*a).abs()).then(a.cmp(b)));
        let text = places
            .iter()
            .filter(|place| (share(**place) > 0.0) == (sum.contribution > 0.0))
            .find_map(|place| self.text(*place, row[*place], context))?;
        let strongest = |best: Group, group: Group| {
            if sum.by_group[group as usize] > sum.by_group[best as usize] { group } else { best }
        };
        Some(Reason {
            columns: places.iter().map(|place| self.columns[*place].name.clone()).collect(),
            group: Group::ALL.into_iter().reduce(strongest)?,
            contribution: sum.contribution,
            influence: if sum.contribution > 0.0 { Influence::Raises } else { Influence::Lowers },
            text,
        })
    }

    fn text(&self, place: usize, value: f32, context: &Context<'_>) -> Option<String> {
        match &self.columns[place].words {
            Words::Feature(wording) => context.say(wording, value),
            Words::Attribute { name, label, meaning } => spell(name, label, meaning, value, context.state),
            Words::Silent => None,
        }
    }
}

/// The words and the topic of a fixed feature.
fn feature(name: &str) -> (Words, Option<usize>) {
    let found = FEATURES.iter().position(|spec| spec.name == name);
    let wording: Option<&Wording> = found.and_then(|place| words::wording(Feature::ALL[place]));
    wording.map_or((Words::Silent, None), |wording| (Words::Feature(wording), Some(wording.topic as usize)))
}

/// The words of an attribute, if it may be spoken of.
fn attribute(name: &str, meaning: Meaning, protected_overrides: &[String]) -> Words {
    let admitted = format!(") is used as {name}: ");
    if protected::classify(name).is_some() || protected_overrides.iter().any(|note| note.contains(&admitted)) {
        return Words::Silent;
    }
    let label = if name == CHANNEL { "Source".to_owned() } else { label(name) };
    Words::Attribute { name: name.to_owned(), label, meaning }
}

/// An attribute's name as a person would write it.
fn label(name: &str) -> String {
    let words: String = name.split(['_', ' ']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let mut letters = words.chars();
    let capital: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    shorten(&capital, NAME_CHARS)
}

/// "Timeframe is 0-3 months". Nothing of a missing value, nor of one that stands for a protected characteristic.
fn spell(name: &str, label: &str, meaning: &Meaning, value: f32, state: &LeadState) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    let text = match meaning {
        Meaning::Number => match state.attribute(name) {
            Some(AttributeValue::Boolean(yes)) => format!("{label} is {}", if *yes { "yes" } else { "no" }),
            Some(AttributeValue::Number(_) | AttributeValue::Category(_) | AttributeValue::Time { .. }) | None => {
                format!("{label} is {}", number(f64::from(value), 1)?)
            }
        },
        Meaning::Days => format!("{label} is {}", from_now(f64::from(value))?),
        Meaning::Categories(categories) => match categories.get(&(value as u32)) {
            Some(category) if protected::classify(category).is_some() => return None,
            Some(category) => format!("{label} is {category}"),
            None => format!("{label} is a rare value"),
        },
    };
    Some(shorten(&text, TEXT_MAX_CHARS))
}
