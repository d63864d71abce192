//! The checker: what was promised against what is there. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use crate::{
    end_state::{EndState, Scored},
    recording::Recording,
};

/// Version of the rules by which leads are scored before there is a model: the only one in these runs.
const MODEL: &str = "scorecard-1";

/// A guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Answers are those that a client is promised.
    Answer,
    /// What was acknowledged is there.
    Lost,
    /// It is there once, under one fate.
    OneEffect,
    /// Accepted = applied + duplicates + dead letters.
    Balance,
    /// States and scores are those of a replay that nothing disturbed.
    Replay,
    /// What a reader was shown was committed.
    Uncommitted,
    /// No reader was shown an older version after a newer one.
    Backwards,
    /// The latest score of a lead is its newest one.
    Latest,
    /// A score names the model that made it.
    Model,
    /// Positions are those of what was read.
    Position,
    /// Nothing waits to be sent.
    Outbox,
    /// The topic of scores says last of a lead what holds.
    Told,
    /// People who turned out to be one are one lead with one history.
    Merged,
    /// Who withdrew their consent has no score, and everybody else has one.
    Withheld,
}

/// A guarantee that was not kept.
#[derive(Debug)]
pub struct Violation {
    pub rule: Rule,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// What an undisturbed run shows.
#[derive(Debug, Default)]
pub struct Totals {
    pub events: u64,
    pub acknowledged: u64,
    pub applied: u64,
    pub duplicates: u64,
    pub dead: u64,
}

/// Compares; the violations, and the sums.
pub fn check(recording: &Recording, end: &EndState) -> (Vec<Violation>, Totals) {
    let mut checker = Checker { recording, end, found: Vec::new() };
    for what in &recording.wrong {
        checker.violated(Rule::Answer, what.clone());
    }
    let totals = checker.events();
    checker.replay();
    checker.observations();
    checker.scores();
    checker.positions();
    if end.outbox > 0 {
        checker.violated(Rule::Outbox, format!("{} rows wait", end.outbox));
    }
    if end.kafka {
        checker.told();
    }
    checker.leads();
    (checker.found, totals)
}

struct Checker<'a> {
    recording: &'a Recording,
    end: &'a EndState,
    found: Vec<Violation>,
}

impl Checker<'_> {
    fn violated(&mut self, rule: Rule, what: String) {
        self.found.push(Violation { rule, what });
    }

    /// Every event that was acknowledged has one fate.
    fn events(&mut self) -> Totals {
        let (recording, end) = (self.recording, self.end);
        let mut applied: HashMap<&str, u64> = HashMap::new();
        for event in end.interactions.iter().filter(|event| event.kind != "lead_merged") {
            *applied.entry(&event.id).or_default() += 1;
        }
        let mut dead: HashMap<&str, u64> = HashMap::new();
        for id in &end.dead {
            *dead.entry(id).or_default() += 1;
        }
        let mut totals = Totals { events: recording.events.len() as u64, ..Totals::default() };
        for (id, sent) in &recording.events {
            let applied = applied.remove(id.as_str()).unwrap_or(0);
            let dead = dead.remove(id.as_str()).unwrap_or(0);
            let acknowledged = sent.acknowledged();
            if acknowledged > 0 && applied + dead == 0 {
                self.violated(Rule::Lost, format!("{id} was acknowledged {acknowledged} times, and is nowhere"));
            }
            if applied + dead > 1 {
                self.violated(Rule::OneEffect, format!("{id}: {applied} rows, {dead} dead letters"));
            }
            if sent.planned.late != (dead > 0) && applied + dead > 0 {
                self.violated(Rule::OneEffect, format!("{id}: late {}, dead {dead}", sent.planned.late));
            }
            // In Kafka it is found later that an event was there before.
            let firsts = sent.accepted + if sent.unsure > 0 { 1 } else { 0 };
            let balanced = if end.kafka { firsts >= applied } else { sent.accepted <= applied && firsts >= applied };
            if !balanced || (sent.dead > 0) != (dead > 0 && acknowledged > 0) {
                let what = format!("{id}: accepted {}, dead {}, applied {applied}, {dead}", sent.accepted, sent.dead);
                self.violated(Rule::Balance, what);
            }
            totals.acknowledged += acknowledged;
            totals.applied += applied;
            totals.dead += dead;
            totals.duplicates += acknowledged.saturating_sub(applied + dead);
        }
        for id in applied.keys().chain(dead.keys()) {
            self.violated(Rule::OneEffect, format!("{id} was never sent"));
        }
        totals
    }

    fn replay(&mut self) {
        let replay = &self.end.replay;
        if replay["differing"] != 0 || replay["stopped"] != false || replay["unchecked"] != 0 {
            self.violated(Rule::Replay, replay.to_string());
        }
    }

    /// What readers were shown was committed, and never got older.
    fn observations(&mut self) {
        let mut committed: HashMap<(&str, i64, i64), i64> = HashMap::new();
        for Scored { lead, score, calculated_us, position, .. } in &self.end.history {
            let known = committed.entry((lead, *calculated_us, *score)).or_default();
            *known = (*known).max(*position);
        }
        let mut shown: HashMap<(usize, &str), (i64, i64)> = HashMap::new();
        for seen in &self.recording.observations {
            let Some(position) = committed.get(&(seen.lead.as_str(), seen.calculated_us, seen.score)) else {
                self.violated(Rule::Uncommitted, format!("{seen:?}"));
                continue;
            };
            let version = (*position, seen.calculated_us);
            let before = shown.insert((seen.reader, &seen.lead), version);
            if let Some(before) = before.filter(|before| *before > version) {
                self.violated(Rule::Backwards, format!("{seen:?}: {version:?} after {before:?}"));
            }
        }
    }

    fn scores(&mut self) {
        let mut newest: HashMap<&str, (i64, i64)> = HashMap::new();
        for scored in &self.end.history {
            let newest = newest.entry(&scored.lead).or_default();
            *newest = (*newest).max((scored.position, scored.calculated_us));
            if scored.model != MODEL {
                self.violated(Rule::Model, format!("score {} names {}", scored.id, scored.model));
            }
        }
        let history: HashMap<&str, &Scored> =
            self.end.history.iter().map(|scored| (scored.id.as_str(), scored)).collect();
        for (lead, score) in &self.end.latest {
            let version = history.get(score.as_str()).map(|scored| (scored.position, scored.calculated_us));
            if version != newest.get(lead.as_str()).copied() {
                self.violated(Rule::Latest, format!("lead {lead} shows {version:?}"));
            }
        }
    }

    /// The last word on each lead is its latest score, or that it has none, unless it is listed as still to be said.
    fn told(&mut self) {
        let end = self.end;
        let calculated: HashMap<&str, i64> =
            end.history.iter().map(|scored| (scored.id.as_str(), scored.calculated_us)).collect();
        for lead in end.leads.keys().filter(|lead| !end.untold.contains(*lead)) {
            let latest = end.latest.get(lead).and_then(|score| calculated.get(score.as_str())).copied();
            let told = end.told.get(lead).copied().flatten();
            if told != latest {
                self.violated(Rule::Told, format!("lead {lead}: {told:?} was said last, {latest:?} holds"));
            }
        }
    }

    /// Scorers stand at the end of the log, and nothing that is there claims to be from behind.
    fn positions(&mut self) {
        let end = self.end;
        for (partition, head) in &end.heads {
            let position = end.positions.get(partition).copied().unwrap_or(0);
            if position != *head {
                self.violated(
                    Rule::Position,
                    format!("partition {partition} ends at {head}, its scorer at {position}"),
                );
            }
        }
        let mut taken: BTreeSet<(i64, i64)> = BTreeSet::new();
        let mut rows: BTreeMap<i64, i64> = BTreeMap::new();
        let mut home: HashMap<&str, i64> = HashMap::new();
        for event in &end.interactions {
            let head = end.heads.get(&event.partition).copied().unwrap_or(0);
            if event.position < 1 || event.position > head || !taken.insert((event.partition, event.position)) {
                let what = format!("{} stands at {}/{} of {head}", event.id, event.partition, event.position);
                self.violated(Rule::Position, what);
            }
            *rows.entry(event.partition).or_default() += 1;
            home.insert(&event.lead, event.partition);
        }
        for (partition, rows) in rows.into_iter().filter(|_| !end.kafka) {
            let head = end.heads.get(&partition).copied().unwrap_or(0);
            if rows != head {
                self.violated(Rule::Position, format!("partition {partition} has {rows} events up to {head}"));
            }
        }
        let claims = end.states.iter().map(|(lead, position)| (lead, *position));
        for (lead, position) in claims.chain(end.history.iter().map(|scored| (&scored.lead, scored.position))) {
            let Some(head) = home.get(lead.as_str()).and_then(|partition| end.heads.get(partition)) else { continue };
            if position > *head {
                self.violated(Rule::Position, format!("lead {lead} claims {position} of {head}"));
            }
        }
    }

    /// Who is one, and who may have a score.
    fn leads(&mut self) {
        let end = self.end;
        let mut people = People::default();
        let mut statements: HashMap<u64, (i64, bool)> = HashMap::new();
        for sent in self.recording.events.values().filter(|sent| sent.acknowledged() > 0 && !sent.planned.late) {
            sent.planned.people.iter().for_each(|person| people.join(sent.planned.people[0], *person));
        }
        let mut leads: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
        for event in &end.interactions {
            let Some(sent) = self.recording.events.get(&event.id) else { continue };
            let who = people.one(sent.planned.people[0]);
            leads.entry(who).or_default().insert(resolve(end, &event.lead));
            if let Some(said) = sent.planned.statement {
                let latest = statements.entry(who).or_insert(said);
                *latest = (*latest).max(said);
            }
        }
        for (who, leads) in &leads {
            let [lead] = leads.iter().copied().collect::<Vec<_>>()[..] else {
                self.violated(Rule::Merged, format!("person {who} is {} leads", leads.len()));
                continue;
            };
            let withdrawn = statements.get(who).is_some_and(|(_, granted)| !granted);
            if withdrawn == end.latest.contains_key(lead) {
                self.violated(Rule::Withheld, format!("lead {lead}: withdrawn {withdrawn}"));
            }
        }
        self.absorbed();
    }

    /// Nothing is left of an absorbed lead but its events, and the one that took it knows.
    fn absorbed(&mut self) {
        let end = self.end;
        let mut told: HashMap<&str, usize> = HashMap::new();
        for event in end.interactions.iter().filter(|event| event.kind == "lead_merged") {
            *told.entry(resolve(end, &event.lead)).or_default() += 1;
        }
        let mut absorbed: HashMap<&str, usize> = HashMap::new();
        for (lead, into) in end.leads.iter().filter_map(|(lead, into)| Some((lead, into.as_ref()?))) {
            *absorbed.entry(into).or_default() += 1;
            let left = end.states.contains_key(lead) || end.latest.contains_key(lead) || end.named.contains(lead);
            if left || end.leads.get(into) != Some(&None) {
                self.violated(Rule::Merged, format!("lead {lead} was absorbed by {into}, and is still there"));
            }
        }
        if told != absorbed {
            self.violated(Rule::Merged, format!("{told:?} merges in the log, {absorbed:?} leads absorbed"));
        }
    }
}

/// The lead that a lead belongs to now.
fn resolve<'e>(end: &'e EndState, lead: &'e str) -> &'e str {
    end.leads.get(lead).and_then(Option::as_deref).unwrap_or(lead)
}

/// People, of whom some turn out to be one.
#[derive(Default)]
struct People(HashMap<u64, u64>);

impl People {
    fn one(&self, mut person: u64) -> u64 {
        while let Some(other) = self.0.get(&person) {
            person = *other;
        }
        person
    }

    fn join(&mut self, a: u64, b: u64) {
        let (a, b) = (self.one(a), self.one(b));
        if a != b {
            self.0.insert(a.max(b), a.min(b));
        }
    }
}
