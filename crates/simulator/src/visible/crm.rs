//! The CRM's view: what a lead came with, what agents enter (late, with mistakes, or never), and how it ended.

use leadscore_domain::{
    AttributeValue, Attributes, Consent, ConsentState, EventBody, LegalBasis, Purpose, Timestamp,
    event::{
        AgentAction, AgentActionKind, CrmUpdated, LeadCreated, Outcome, OutcomeResult, ShowingAction, Stage,
        StageChanged,
    },
    time::{DAY_US, HOUR_US},
};

use crate::{
    chain::{Contact, Phase},
    draw::{days_us, minutes_us, sigmoid},
    person::{CHANNELS, Intent},
    visible::{
        Segment,
        calls::Conversations,
        recorder::{Recorder, Source},
    },
};

/// Share of leads that went elsewhere whose end is ever entered.
const ENDS_ENTERED: f64 = 0.4;
/// Calls without an answer after which an agent may give up.
const GIVES_UP_AFTER: u32 = 5;

/// The lead's place in the brokerage's pipeline, as its agent keeps it.
pub(crate) struct Pipeline {
    stage: Stage,
    /// A viewing that will be over by then.
    viewing: Option<Timestamp>,
    /// When the agent will find out that the lead went elsewhere.
    finds_out: Option<Timestamp>,
    was_gone: bool,
    withdraws: Option<(Timestamp, Purpose)>,
    joined: bool,
    outcome: Option<(Timestamp, OutcomeResult)>,
}

impl Pipeline {
    pub(crate) fn new(recorder: &mut Recorder<'_>) -> Self {
        let at = recorder.later(recorder.person.created_at, 50.0);
        let purpose = if recorder.draw.chance(0.4) { Purpose::Profiling } else { Purpose::CallByPerson };
        Self {
            stage: Stage::New,
            viewing: None,
            finds_out: None,
            was_gone: false,
            withdraws: recorder.draw.chance(0.06).then_some((at, purpose)),
            joined: false,
            outcome: None,
        }
    }

    /// The last outcome entered.
    pub(crate) fn outcome(&self) -> Option<(Timestamp, OutcomeResult)> {
        self.outcome
    }

    /// The lead comes into being.
    pub(crate) fn created(&self, recorder: &mut Recorder<'_>, phase: Phase) {
        let at = recorder.person.created_at;
        let created = LeadCreated {
            name: Some(recorder.handles.name.clone()),
            channel: recorder.draw.chance(0.96).then(|| CHANNELS[recorder.person.channel].0.to_owned()),
            time_zone: recorder.draw.chance(0.9).then(|| recorder.person.zone.to_owned()),
            attributes: attributes(recorder, phase),
            consents: consents(recorder),
        };
        let lead = recorder.handles.at_creation();
        // Forms and portals are read at once; a late creation would leave its other events without a lead.
        let received_at = at.plus_micros(minutes_us(recorder.draw.exponential(0.5).min(10.0)));
        recorder.send_at(Source::Crm, lead, at, received_at, EventBody::LeadCreated(created));
        if recorder.draw.chance(0.4) {
            let assigned = at.plus_micros(minutes_us(recorder.draw.exponential(10.0) + 0.2));
            let action = AgentActionKind::Assigned;
            let agent_id = Some(recorder.agent.id.clone());
            recorder.send(Source::Crm, assigned, EventBody::AgentAction(AgentAction { action, agent_id }));
        }
    }

    /// A viewing's result, at `at`.
    pub(crate) fn viewing(
        &mut self,
        recorder: &mut Recorder<'_>,
        at: Timestamp,
        action: ShowingAction,
        body: EventBody,
    ) {
        recorder.send(Source::Showings, at, body);
        if action == ShowingAction::Held {
            self.viewing = Some(at);
        }
    }

    /// What the agent enters during the segment.
    pub(crate) fn segment(&mut self, recorder: &mut Recorder<'_>, segment: &Segment<'_>, calls: &Conversations) {
        self.withdraw(recorder, segment);
        self.join(recorder, segment);
        if matches!(self.stage, Stage::Lost | Stage::Won) {
            return;
        }
        self.ends(recorder, segment, calls);
        if self.stage == Stage::Lost {
            return;
        }
        if let Some((stage, per_day)) = self.next_stage(segment)
            && recorder.count(segment, per_day) > 0
        {
            let at = recorder.moment(segment);
            self.enter(recorder, at, stage);
        }
        let talked = matches!(segment.contact, Contact::Good | Contact::Inbound);
        if talked && recorder.draw.chance(0.3) {
            let at = segment.from.plus_micros(minutes_us(20.0 + recorder.draw.exponential(200.0))).min(segment.to);
            let attributes = told(recorder, segment);
            recorder.send(Source::Crm, at, EventBody::CrmUpdated(CrmUpdated { attributes }));
        }
    }

    /// Where the agent would move the lead, and how soon the agent gets to it.
    fn next_stage(&mut self, segment: &Segment<'_>) -> Option<(Stage, f64)> {
        let talked = matches!(segment.contact, Contact::Good | Contact::Bad | Contact::Inbound);
        let viewed = self.viewing.is_some_and(|at| at < segment.from);
        let (phase, trust) = (segment.state.phase, segment.state.trust);
        let early = matches!(self.stage, Stage::New | Stage::Contacted);
        if viewed && !matches!(self.stage, Stage::Showing | Stage::Negotiating) {
            self.viewing = None;
            return Some((Stage::Showing, 0.8));
        }
        match (self.stage, phase) {
            (Stage::New, _) if segment.contact == Contact::Unanswered => Some((Stage::Contacted, 0.9)),
            (Stage::New | Stage::Contacted, _) if talked => Some((Stage::Engaged, 1.2)),
            (_, Phase::Idle) if !early && self.stage != Stage::Nurturing => Some((Stage::Nurturing, 0.02)),
            (Stage::Engaged | Stage::Nurturing, Phase::Active | Phase::Deciding) if trust > 0 => {
                Some((Stage::Qualified, 0.06))
            }
            // Some are taken for better than they are.
            (Stage::Engaged, Phase::Looking | Phase::Gone) => Some((Stage::Qualified, 0.012)),
            (Stage::Qualified | Stage::Showing, Phase::Deciding) if trust > 0 => Some((Stage::Negotiating, 0.06)),
            (Stage::Qualified | Stage::Showing, Phase::Active) => Some((Stage::Negotiating, 0.005)),
            (Stage::Negotiating, Phase::Looking | Phase::Gone) => Some((Stage::Nurturing, 0.03)),
            (_, Phase::Idle | Phase::Looking | Phase::Active | Phase::Deciding | Phase::Gone) => None,
        }
    }

    fn enter(&mut self, recorder: &mut Recorder<'_>, at: Timestamp, stage: Stage) {
        self.stage = stage;
        recorder.send(Source::Crm, at, EventBody::StageChanged(StageChanged { stage }));
    }

    /// The ends that are not deals.
    fn ends(&mut self, recorder: &mut Recorder<'_>, segment: &Segment<'_>, calls: &Conversations) {
        let gone = segment.state.phase == Phase::Gone;
        if gone && !self.was_gone {
            let at = recorder.later(segment.from, 18.0);
            self.finds_out = recorder.draw.chance(ENDS_ENTERED).then_some(at);
        }
        self.was_gone = gone;
        let found_out = self.finds_out.filter(|at| gone && (segment.from..segment.to).contains(at));
        if let Some(at) = found_out {
            const REASONS: [&str; 5] =
                ["other_agent", "bought_elsewhere", "plans_changed", "financing", "unresponsive"];
            let reason = *recorder.draw.pick(&REASONS);
            self.lost(recorder, at, OutcomeResult::Lost, reason);
        } else if calls.answered == 0 && calls.attempts >= GIVES_UP_AFTER && recorder.count(segment, 0.02) > 0 {
            let at = recorder.moment(segment);
            self.lost(recorder, at, OutcomeResult::NoAnswer, "never_reached");
        }
    }

    fn lost(&mut self, recorder: &mut Recorder<'_>, at: Timestamp, result: OutcomeResult, reason: &str) {
        let reason = recorder.draw.chance(0.7).then(|| reason.to_owned());
        let received_at = recorder.send(Source::Crm, at, EventBody::Outcome(Outcome { result, reason, value: None }));
        self.outcome = Some((received_at, result));
        self.enter(recorder, at, Stage::Lost);
    }

    /// The deal. Its entry arrives within hours or days; the stage follows it.
    pub(crate) fn won(&mut self, recorder: &mut Recorder<'_>, at: Timestamp) {
        let share = if recorder.person.intent == Intent::Renter { 0.8 } else { 0.026 };
        let value = recorder.draw.log_normal(recorder.person.budget * share, 0.15) as i64;
        let received_at = at.plus_micros(days_us(recorder.draw.exponential(0.25).min(3.0)));
        let outcome = Outcome { result: OutcomeResult::Won, reason: None, value: Some(value) };
        recorder.send_last(at, received_at, EventBody::Outcome(outcome));
        self.outcome = Some((received_at, OutcomeResult::Won));
        let entered = received_at.plus_micros(minutes_us(recorder.draw.exponential(30.0) + 1.0));
        recorder.send_last(entered, entered, EventBody::StageChanged(StageChanged { stage: Stage::Won }));
    }

    fn withdraw(&mut self, recorder: &mut Recorder<'_>, segment: &Segment<'_>) {
        let Some((at, purpose)) = self.withdraws.filter(|(at, _)| *at < segment.to) else {
            return;
        };
        self.withdraws = None;
        let consent = Consent {
            purpose,
            state: ConsentState::Withdrawn,
            basis: LegalBasis::Consent,
            evidence: "preference centre, form 7".to_owned(),
        };
        recorder.send(Source::Crm, at, EventBody::Consent(consent));
    }

    /// The CRM learns under which handles the website and the mailer know the lead.
    fn join(&mut self, recorder: &mut Recorder<'_>, segment: &Segment<'_>) {
        let at = recorder.handles.joins_at;
        if self.joined || at >= segment.to {
            return;
        }
        self.joined = true;
        if !recorder.apart {
            return;
        }
        recorder.apart = false;
        let attributes = Attributes::from([(
            "account_confirmed".parse().expect("a short name"),
            Some(AttributeValue::Boolean(true)),
        )]);
        let lead = recorder.handles.joining();
        recorder.send_as(Source::Crm, lead, at, at, EventBody::CrmUpdated(CrmUpdated { attributes }));
    }
}

fn consents(recorder: &mut Recorder<'_>) -> Vec<Consent> {
    const SHARES: [(Purpose, f64, f64); 5] = [
        (Purpose::Profiling, 0.95, 0.98),
        (Purpose::CallByPerson, 0.85, 0.93),
        (Purpose::CallByAi, 0.6, 0.8),
        (Purpose::Email, 0.9, 0.95),
        (Purpose::Recording, 0.7, 0.85),
    ];
    let mut consents = Vec::with_capacity(SHARES.len());
    for (purpose, asked, granted) in SHARES {
        if recorder.draw.chance(asked) {
            let granted = recorder.draw.chance(granted);
            consents.push(Consent {
                purpose,
                state: if granted { ConsentState::Granted } else { ConsentState::Withdrawn },
                basis: LegalBasis::Consent,
                evidence: format!("{} form, version 3", CHANNELS[recorder.person.channel].0),
            });
        }
    }
    consents
}

const TIMEFRAMES: [&str; 4] = ["0-3 months", "3-6 months", "6-12 months", "just looking"];

/// When the lead says that it wants to move: the truth as far as it knows it.
fn timeframe(recorder: &mut Recorder<'_>, age_days: f64, blur: f64) -> &'static str {
    if recorder.draw.chance(0.12) {
        return TIMEFRAMES[recorder.draw.index(TIMEFRAMES.len())];
    }
    let (urgency, seriousness) = (recorder.person.urgency, recorder.person.seriousness);
    if recorder.draw.chance(0.75 * (0.6 - seriousness).max(0.0)) {
        return TIMEFRAMES[3];
    }
    let days = (urgency.peak_day() - age_days).abs().max(10.0) * recorder.draw.log_normal(1.0, blur);
    TIMEFRAMES[match days {
        days if days < 60.0 => 0,
        days if days < 130.0 => 1,
        days if days < 300.0 => 2,
        _ => 3,
    }]
}

/// What the lead asked for when it came.
fn request(recorder: &mut Recorder<'_>, phase: Phase) -> &'static str {
    const REQUESTS: [&str; 4] = ["viewing", "call back", "question", "more listings"];
    let weights = match phase {
        Phase::Idle | Phase::Gone => [0.06, 0.14, 0.4, 0.4],
        Phase::Looking => [0.15, 0.2, 0.35, 0.3],
        Phase::Active => [0.4, 0.3, 0.2, 0.1],
        Phase::Deciding => [0.5, 0.35, 0.1, 0.05],
    };
    REQUESTS[recorder.draw.weighted(&weights)]
}

fn category(text: &str) -> Option<AttributeValue> {
    Some(AttributeValue::Category(text.to_owned()))
}

/// What the lead came with. Some of it tells something, some nothing; each may be missing.
fn attributes(recorder: &mut Recorder<'_>, phase: Phase) -> Attributes {
    const CAMPAIGNS: [&str; 9] = [
        "spring-open",
        "new-build",
        "retarget-a",
        "retarget-b",
        "brand",
        "valuation",
        "lookalike-2",
        "partner",
        "none",
    ];
    const WISHES: [&str; 4] = ["buy", "sell", "invest", "rent"];
    let person = recorder.person;
    let online = !matches!(CHANNELS[person.channel].0, "referral" | "open_house" | "sign_call");
    let mut found: Vec<(&str, Option<AttributeValue>)> = Vec::with_capacity(10);
    if recorder.draw.chance(0.6) {
        let budget = recorder.draw.log_normal(person.budget, 0.25);
        let round = if person.intent == Intent::Renter { 50.0 } else { 5_000.0 };
        found.push(("budget", Some(AttributeValue::Number((budget / round).round() * round))));
    }
    if recorder.draw.chance(0.75) {
        found.push(("timeframe", category(timeframe(recorder, 0.0, 0.7))));
    }
    if recorder.draw.chance(0.8) {
        found.push(("request", category(request(recorder, phase))));
    }
    if recorder.draw.chance(0.55) {
        let approved =
            sigmoid(-2.2 + 2.6 * person.seriousness + if person.intent == Intent::Investor { 0.5 } else { 0.0 });
        found.push(("preapproved", Some(AttributeValue::Boolean(recorder.draw.chance(approved)))));
    }
    if recorder.draw.chance(0.85) {
        let wish = match person.intent {
            Intent::Buyer => 0,
            Intent::Seller => 1,
            Intent::Investor => 2,
            Intent::Renter => 3,
            Intent::Browser => recorder.draw.index(2) * 3,
        };
        let wish = if recorder.draw.chance(0.1) { recorder.draw.index(4) } else { wish };
        found.push(("interest", category(WISHES[wish])));
    }
    if online {
        found.push(("campaign", category(CAMPAIGNS[recorder.draw.index(CAMPAIGNS.len())])));
        let seconds = recorder.draw.log_normal(55.0, 0.6).round();
        found.push(("form_seconds", Some(AttributeValue::Number(seconds))));
    }
    if recorder.draw.chance(0.5) {
        let grade = 50.0 + 18.0 * recorder.draw.normal() + 12.0 * (person.seriousness - 0.4);
        found.push(("vendor_score", Some(AttributeValue::Number(grade.clamp(0.0, 100.0).round()))));
    }
    found.push(("newsletter", Some(AttributeValue::Boolean(recorder.draw.chance(0.3)))));
    if recorder.draw.chance(0.18) {
        let days = (person.urgency.peak_day() * recorder.draw.log_normal(1.2, 0.5)).clamp(3.0, 700.0);
        let time = Timestamp::from_micros(person.created_at.as_micros().div_euclid(DAY_US) * DAY_US + 12 * HOUR_US)
            .unwrap_or(person.created_at)
            .plus_micros(days.round() as i64 * DAY_US);
        found.push(("move_by", Some(AttributeValue::Time { time })));
    }
    named(found)
}

/// What an agent learnt in a conversation.
fn told(recorder: &mut Recorder<'_>, segment: &Segment<'_>) -> Attributes {
    let mut found: Vec<(&str, Option<AttributeValue>)> = Vec::with_capacity(3);
    let timeframe = timeframe(recorder, segment.step.age_days, 0.5);
    found.push(("timeframe", category(timeframe)));
    if recorder.draw.chance(0.5) {
        let budget = recorder.draw.log_normal(recorder.person.budget, 0.12);
        found.push(("budget", Some(AttributeValue::Number(budget.round()))));
    }
    if recorder.draw.chance(0.3) {
        let warm = match segment.state.phase {
            Phase::Idle | Phase::Gone => -1.0,
            Phase::Looking => 0.0,
            Phase::Active => 0.6,
            Phase::Deciding => 1.0,
        };
        let approved = sigmoid(-1.8 + 2.2 * recorder.person.seriousness + warm);
        found.push(("preapproved", Some(AttributeValue::Boolean(recorder.draw.chance(approved)))));
    }
    named(found)
}

fn named(found: Vec<(&str, Option<AttributeValue>)>) -> Attributes {
    found.into_iter().map(|(name, value)| (name.parse().expect("a short name"), value)).collect()
}
