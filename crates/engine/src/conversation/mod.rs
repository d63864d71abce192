//! What a conversation says: sentiment turn by turn, shares of speech, pauses, questions, topics.
//!
//! Owns: the words ([`words`], the valence list), their scan, the [`SentimentModel`] with its training and its
//! evaluation in folds, and the reading of whole calls and messages. Invariant: integers and exact roots, so the same
//! text gives the same numbers on every machine and in every order. Deliberately absent: the words of a lead; none is
//! kept.

mod evaluate;
mod lexicon;
mod reading;
mod sentiment;
mod tokens;
mod words;

pub use evaluate::{Evaluation, FoldError, Judged, evaluate, folds};
pub use reading::{CallReading, Side, read_call, read_message};
pub(crate) use reading::{NEGATIVE_MILLI, TurnReading, lasted_ms};
pub use sentiment::{FitError, Label, SentimentError, SentimentModel, SentimentOptions};
