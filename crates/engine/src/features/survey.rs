//! Which columns examples give, told one example at a time.
//!
//! Owns: the choice of features and attributes, the attributes' types and their dictionaries. Invariants: the same
//! examples in the same order give the same view; memory is bounded, however many examples there are. Deliberately
//! absent: attributes whose name stands for a protected characteristic or its proxy; they are not even counted.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use leadscore_domain::{AttributeValue, protected};

use super::{
    catalogue::FEATURES,
    view::{AttributeColumn, Encoding, FeatureView, MAX_ATTRIBUTE_COLUMNS},
};
use crate::examples::Snapshot;

/// Most categories of a column besides "other".
const CATEGORIES_MAX: usize = 255;
/// A category is of at least this many leads: one lead's own value says nothing of others.
const CATEGORY_LEADS_MIN: u32 = 2;
/// Most attribute names that are looked at.
const NAMES_MAX: usize = 8_192;
/// Most different categories that are counted, over all attributes.
const COUNTED_MAX: usize = 1_000_000;

/// What the examples so far show of every column.
#[derive(Debug, Default)]
pub struct Survey {
    examples: usize,
    /// The fixed features of the first example, and whether any later one differs.
    first: Vec<f32>,
    varies: Vec<bool>,
    /// `None` for attributes that must not be looked at.
    found: HashMap<String, Option<Findings>>,
    counted: usize,
}

impl Survey {
    /// Looks at an example. The examples of a lead follow each other.
    pub fn add(&mut self, snapshot: &Snapshot) {
        self.examples += 1;
        if self.first.is_empty() {
            self.first.clone_from(&snapshot.features);
            self.varies = vec![false; snapshot.features.len()];
        }
        for ((varies, first), value) in self.varies.iter_mut().zip(&self.first).zip(&snapshot.features) {
            // A missing value differs from any other.
            *varies |= !(value == first || (value.is_nan() && first.is_nan()));
        }
        for (name, value) in &snapshot.attributes {
            if !self.found.contains_key(name) {
                if self.found.len() == NAMES_MAX {
                    continue;
                }
                let findings = protected::classify(name).is_none().then(Findings::default);
                self.found.insert(name.clone(), findings);
            }
            if let Some(Some(findings)) = self.found.get_mut(name) {
                findings.add(snapshot.lead, value, &mut self.counted);
            }
        }
    }

    /// The columns of a model: features that differ between any two examples, and attributes that do. With fewer than
    /// two examples all features are kept.
    #[must_use]
    pub fn view(&self) -> FeatureView {
        let kept = |place: &usize| self.examples < 2 || self.varies[*place];
        FeatureView::with_columns((0..FEATURES.len()).filter(kept).collect(), self.attributes())
    }

    /// The columns of a table of examples: every feature, and attributes as in [`Self::view`].
    #[must_use]
    pub fn whole(&self) -> FeatureView {
        FeatureView::with_columns((0..FEATURES.len()).collect(), self.attributes())
    }

    /// In the order of the alphabet.
    fn attributes(&self) -> Vec<AttributeColumn> {
        let of_interest = self.found.iter().filter_map(|(name, findings)| {
            let findings = findings.as_ref().filter(|found| found.differs || found.present() < self.examples)?;
            let column = AttributeColumn { name: name.clone(), encoding: findings.encoding()? };
            Some((findings.present(), column))
        });
        let mut usable: Vec<(usize, AttributeColumn)> = of_interest.collect();
        usable.sort_by(|(a, left), (b, right)| (Reverse(a), &left.name).cmp(&(Reverse(b), &right.name)));
        usable.truncate(MAX_ATTRIBUTE_COLUMNS);
        let mut attributes: Vec<AttributeColumn> = usable.into_iter().map(|(_, column)| column).collect();
        attributes.sort_by(|a, b| a.name.cmp(&b.name));
        attributes
    }
}

/// What the examples show of one attribute.
#[derive(Debug, Default)]
struct Findings {
    numbers: usize,
    booleans: usize,
    times: usize,
    texts: usize,
    /// Leads of each category, and the lead that was counted last: a lead's examples follow each other.
    categories: HashMap<String, (u32, u64)>,
    first: Option<AttributeValue>,
    differs: bool,
}

impl Findings {
    /// `counted` is the number of categories counted so far, of all attributes.
    fn add(&mut self, lead: u64, value: &AttributeValue, counted: &mut usize) {
        match value {
            AttributeValue::Number(_) => self.numbers += 1,
            AttributeValue::Boolean(_) => self.booleans += 1,
            AttributeValue::Time { .. } => {
                self.times += 1;
                // The distance to the instant differs even where the time does not.
                self.differs = true;
            }
            AttributeValue::Category(text) => {
                self.texts += 1;
                if let Some((leads, last)) = self.categories.get_mut(text) {
                    if *last != lead {
                        *leads += 1;
                        *last = lead;
                    }
                } else if *counted < COUNTED_MAX {
                    *counted += 1;
                    self.categories.insert(text.clone(), (1, lead));
                }
            }
        }
        match &self.first {
            Some(first) => self.differs |= first != value,
            None => self.first = Some(value.clone()),
        }
    }

    fn present(&self) -> usize {
        self.numbers + self.booleans + self.times + self.texts
    }

    /// By the most frequent type; `None` where no category is of two leads.
    fn encoding(&self) -> Option<Encoding> {
        let most = self.texts.max(self.times).max(self.numbers + self.booleans);
        if self.numbers + self.booleans == most {
            return Some(Encoding::Number);
        }
        if self.times == most {
            return Some(Encoding::Days);
        }
        let mut categories: Vec<(Reverse<u32>, &str)> = self
            .categories
            .iter()
            .filter(|(_, (leads, _))| *leads >= CATEGORY_LEADS_MIN)
            .map(|(text, (leads, _))| (Reverse(*leads), text.as_str()))
            .collect();
        categories.sort_unstable();
        categories.truncate(CATEGORIES_MAX);
        let codes: BTreeMap<String, u32> =
            (1..).zip(categories).map(|(code, (_, text))| (text.to_owned(), code)).collect();
        (!codes.is_empty()).then_some(Encoding::Category(codes))
    }
}
