//! What the senders and readers saw.

use std::collections::BTreeMap;

use leadscore_domain::Timestamp;
use serde_json::Value;

use crate::load::Planned;

/// Everything that was seen from outside.
#[derive(Clone, Default)]
pub struct Recording {
    /// By event id, 32 hexadecimal digits.
    pub events: BTreeMap<String, Sent>,
    /// What readers were shown; those of one reader in order.
    pub observations: Vec<Observation>,
    /// Answers that no client should get.
    pub wrong: Vec<String>,
    /// Requests that were answered 429 or 503.
    pub put_off: u64,
    /// Requests whose connection broke.
    pub unanswered: u64,
}

/// An event that was sent, and what was said of it, over all attempts.
#[derive(Clone)]
pub struct Sent {
    pub planned: Planned,
    pub accepted: u64,
    pub duplicates: u64,
    pub dead: u64,
    /// Attempts that ended without an answer that says what became of it.
    pub unsure: u64,
}

/// A score as a reader was shown it.
#[derive(Clone, Debug)]
pub struct Observation {
    /// A reader that asks one thing after the other.
    pub reader: usize,
    pub lead: String,
    pub score: i64,
    pub calculated_us: i64,
}

impl Sent {
    pub fn acknowledged(&self) -> u64 {
        self.accepted + self.duplicates + self.dead
    }
}

impl Recording {
    /// Notes that events are about to be sent.
    pub fn sending(&mut self, events: &[Planned]) {
        for planned in events {
            let fresh = || Sent { planned: planned.clone(), accepted: 0, duplicates: 0, dead: 0, unsure: 0 };
            self.events.entry(planned.id()).or_insert_with(fresh).unsure += 1;
        }
    }

    /// Notes the receipt for these.
    pub fn received(&mut self, reader: usize, events: &[Planned], receipt: &Value) {
        for planned in events {
            self.events.get_mut(&planned.id()).unwrap().unsure -= 1;
        }
        for result in receipt["results"].as_array().unwrap() {
            let Some(id) = result["event_id"].as_str() else {
                self.wrong.push(format!("a valid event was refused: {result}"));
                continue;
            };
            let sent = self.events.get_mut(&plain(id)).unwrap();
            match result["status"].as_str().unwrap() {
                "accepted" => sent.accepted += 1,
                "duplicate" => sent.duplicates += 1,
                "dead_lettered" => sent.dead += 1,
                other => self.wrong.push(format!("a valid event is {other}: {result}")),
            }
            if result["score"].is_object() {
                self.shown(reader, &result["score"]);
            }
        }
    }

    /// Notes a score as the API shows it.
    pub fn shown(&mut self, reader: usize, score: &Value) {
        let calculated: Timestamp = score["last_updated"].as_str().unwrap().parse().unwrap();
        self.observations.push(Observation {
            reader,
            lead: plain(score["lead_id"].as_str().unwrap()),
            score: score["score"].as_i64().unwrap(),
            calculated_us: calculated.as_micros(),
        });
    }
}

/// An id without hyphens, as databases of both kinds are asked for it.
pub fn plain(id: &str) -> String {
    id.replace('-', "")
}
