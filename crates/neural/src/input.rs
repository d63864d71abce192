//! From places on tables to dense rows for the first layer, and from its weights back to tables.
//!
//! Owns: the basis in which the first layer is learned. A number's knots are learned as cumulative differences, which
//! weight decay then holds smooth; everything is centred on the fitted rows, so that an average row is 0 and what is
//! unknown says nothing. Invariant: [`Basis::tables`] gives for every place the same vector as the dense row times
//! the weights, but for rounding.

use crate::{Examples, HIDDEN, Place, Slots};

/// Fitted examples of a slot below which nothing was learned of it.
const MIN_EXAMPLES: usize = 5;
/// Largest rank of the vectors of one column's categories.
const MAX_RANK: usize = 8;

/// The dense columns of one column of the examples: `start..start + width` of the numbers or of the codes.
#[derive(Debug, Clone, Copy)]
struct Span {
    slots: Slots,
    start: usize,
    /// First row of the column in the tables.
    first_slot: usize,
    /// First dimension of the column's categories in the low-rank factor, and their number.
    rank: (usize, usize),
}

/// How places become dense rows.
#[derive(Debug, Clone)]
pub(crate) struct Basis {
    spans: Vec<Span>,
    /// Mean of each dense column of the numbers over the fitted rows.
    number_means: Vec<f32>,
    /// Share of each category in the fitted rows.
    code_means: Vec<f32>,
    /// Fitted rows at each slot of the tables.
    uses: Vec<usize>,
    /// Sum of the ranks.
    rank: usize,
}

impl Basis {
    pub(crate) fn new(examples: &Examples<'_>, fitted: &[usize]) -> Self {
        let (mut numbers, mut codes, mut slots, mut rank) = (0, 0, 0, 0);
        let mut spans = Vec::with_capacity(examples.columns.len());
        for &column in examples.columns {
            let mut span = Span { slots: column, start: numbers, first_slot: slots, rank: (rank, 0) };
            match column {
                // Differences between knots, and whether the value is missing.
                Slots::Ordered { knots } => numbers += knots,
                Slots::Categories { count } => {
                    span.start = codes;
                    span.rank.1 = count.isqrt().clamp(1, MAX_RANK);
                    codes += count;
                    rank += span.rank.1;
                }
            }
            slots += column.count();
            spans.push(span);
        }
        // A tensor has no empty side.
        let mut basis = Self {
            spans,
            number_means: vec![0.0; numbers.max(1)],
            code_means: vec![0.0; codes.max(1)],
            uses: vec![0; slots],
            rank: rank.max(1),
        };
        basis.measure(examples, fitted);
        basis
    }

    /// Dense columns of the numbers.
    pub(crate) fn numbers(&self) -> usize {
        self.number_means.len()
    }

    /// Dense columns of the categories.
    pub(crate) fn codes(&self) -> usize {
        self.code_means.len()
    }

    /// Dimensions of the low-rank factor of the categories.
    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    /// Which dimensions of the low-rank factor belong to each category, 1 or 0: codes × rank.
    pub(crate) fn mask(&self) -> Vec<f32> {
        let mut mask = vec![0.0; self.codes() * self.rank];
        for span in &self.spans {
            if let Slots::Categories { count } = span.slots {
                for code in span.start..span.start + count {
                    mask[code * self.rank + span.rank.0..][..span.rank.1].fill(1.0);
                }
            }
        }
        mask
    }

    /// Appends the dense rows of `rows`: numbers, and categories as indicators.
    pub(crate) fn dense(&self, examples: &Examples<'_>, rows: &[usize]) -> (Vec<f32>, Vec<f32>) {
        let mut numbers = Vec::with_capacity(rows.len() * self.numbers());
        let mut codes = Vec::with_capacity(rows.len() * self.codes());
        let width = self.spans.len();
        for &row in rows {
            let (first_number, first_code) = (numbers.len(), codes.len());
            numbers.extend(self.number_means.iter().map(|mean| -mean));
            codes.extend(self.code_means.iter().map(|mean| -mean));
            for (span, place) in self.spans.iter().zip(&examples.places[row * width..(row + 1) * width]) {
                let known = self.known(span, place.slot);
                match span.slots {
                    Slots::Ordered { knots } => {
                        ordered(&mut numbers[first_number + span.start..][..knots], *place, known);
                    }
                    Slots::Categories { count } => {
                        let dense = &mut codes[first_code + span.start..][..count];
                        if known {
                            dense[usize::from(place.slot)] += 1.0;
                        } else {
                            dense.fill(0.0);
                        }
                    }
                }
            }
        }
        (numbers, codes)
    }

    /// The vector of every slot, from the weights of the dense columns of numbers and of categories.
    pub(crate) fn tables(&self, numbers: &[f32], codes: &[f32]) -> Vec<[f32; HIDDEN]> {
        let mut tables = Vec::with_capacity(self.uses.len());
        for span in &self.spans {
            match span.slots {
                Slots::Ordered { knots } => self.knots(span, knots, numbers, &mut tables),
                Slots::Categories { count } => self.categories(span, count, codes, &mut tables),
            }
        }
        for span in &self.spans {
            for slot in 0..span.slots.count() {
                if !self.known(span, slot as u8) {
                    tables[span.first_slot + slot] = [0.0; HIDDEN];
                }
            }
        }
        tables
    }

    /// Whether enough examples used a slot to learn from; what lies between knots is learned from all of them.
    fn known(&self, span: &Span, slot: u8) -> bool {
        let is_knot = match span.slots {
            Slots::Ordered { knots } => usize::from(slot) < knots,
            Slots::Categories { .. } => false,
        };
        is_knot || self.uses[span.first_slot + usize::from(slot)] >= MIN_EXAMPLES
    }

    fn knots(&self, span: &Span, knots: usize, weights: &[f32], tables: &mut Vec<[f32; HIDDEN]>) {
        let means = &self.number_means[span.start..span.start + knots];
        let row = |i: usize| &weights[(span.start + i) * HIDDEN..][..HIDDEN];
        let mut at = [0.0_f64; HIDDEN];
        for (i, &mean) in means.iter().enumerate() {
            add(&mut at, row(i), -mean);
        }
        tables.push(at.map(|value| value as f32));
        for i in 0..knots - 1 {
            add(&mut at, row(i), 1.0);
            tables.push(at.map(|value| value as f32));
        }
        let mut missing = [0.0; HIDDEN];
        add(&mut missing, row(knots - 1), 1.0 - means[knots - 1]);
        tables.push(missing.map(|value| value as f32));
    }

    fn categories(&self, span: &Span, count: usize, weights: &[f32], tables: &mut Vec<[f32; HIDDEN]>) {
        let row = |code: usize| &weights[(span.start + code) * HIDDEN..][..HIDDEN];
        let mut mean = [0.0_f64; HIDDEN];
        for code in 0..count {
            add(&mut mean, row(code), -self.code_means[span.start + code]);
        }
        for code in 0..count {
            let mut at = mean;
            add(&mut at, row(code), 1.0);
            tables.push(at.map(|value| value as f32));
        }
    }

    /// Means and uses over the fitted rows.
    fn measure(&mut self, examples: &Examples<'_>, fitted: &[usize]) {
        let width = self.spans.len();
        let mut numbers = vec![0.0_f64; self.numbers()];
        let mut present = vec![0_usize; width];
        for &row in fitted {
            for (j, (span, place)) in self.spans.iter().zip(&examples.places[row * width..]).enumerate() {
                let slot = usize::from(place.slot);
                self.uses[span.first_slot + slot] += 1;
                if let Slots::Ordered { knots } = span.slots
                    && slot < knots
                {
                    present[j] += 1;
                    numbers[span.start..span.start + slot].iter_mut().for_each(|sum| *sum += 1.0);
                    numbers[span.start + slot] += f64::from(place.fraction);
                }
            }
        }
        for (span, &present) in self.spans.iter().zip(&present) {
            match span.slots {
                Slots::Ordered { knots } => {
                    let range = span.start..span.start + knots - 1;
                    for (mean, sum) in self.number_means[range.clone()].iter_mut().zip(&numbers[range]) {
                        *mean = (sum / present.max(1) as f64) as f32;
                    }
                    self.number_means[span.start + knots - 1] = 1.0 - present as f32 / fitted.len() as f32;
                }
                Slots::Categories { count } => {
                    for code in 0..count {
                        let uses = self.uses[span.first_slot + code];
                        self.code_means[span.start + code] = uses as f32 / fitted.len() as f32;
                    }
                }
            }
        }
    }
}

/// Puts a number's place onto its centred dense columns, which hold the negative means.
fn ordered(dense: &mut [f32], place: Place, known: bool) {
    let slot = usize::from(place.slot);
    let missing = dense.len() - 1;
    if slot > missing {
        // As if it were average, and marked where that means something.
        dense[..missing].fill(0.0);
        dense[missing] = if known { dense[missing] + 1.0 } else { 0.0 };
    } else {
        dense[..slot].iter_mut().for_each(|value| *value += 1.0);
        if slot < missing {
            dense[slot] += place.fraction;
        }
    }
}

fn add(to: &mut [f64; HIDDEN], row: &[f32], factor: f32) {
    for (to, &value) in to.iter_mut().zip(row) {
        *to += f64::from(value) * f64::from(factor);
    }
}
