//! The mailer's view: what is sent, opened, clicked, forwarded, answered, and who wants no more.

use leadscore_domain::{
    EventBody, Timestamp,
    event::{Email, EmailAction},
    time::DAY_US,
};

use crate::{
    chain::Phase,
    draw::minutes_us,
    visible::{
        Segment,
        recorder::{Recorder, Source},
    },
};

/// Days after the creation of the first letters; then one every ten weeks or so.
const LETTERS: [f64; 3] = [0.1, 4.0, 14.0];
/// Days between the later letters.
const LATER: f64 = 75.0;

/// What the mailer knows of one lead.
pub(crate) struct Subscription {
    active: bool,
    /// Opens are reported by a proxy for every letter, whether anybody reads it.
    by_proxy: bool,
    sent: u32,
}

impl Subscription {
    pub(crate) fn new(recorder: &mut Recorder<'_>) -> Self {
        let draw = &mut recorder.draw;
        let (wanted, by_proxy) = (draw.chance(0.85), draw.chance(0.2));
        Self { active: wanted && recorder.handles.has_email(), by_proxy, sent: 0 }
    }

    /// Letters that are due in the segment.
    pub(crate) fn segment(&mut self, recorder: &mut Recorder<'_>, segment: &Segment<'_>) {
        while self.active {
            let after = LETTERS.get(self.sent as usize).copied().unwrap_or_else(|| {
                LETTERS[LETTERS.len() - 1] + LATER * f64::from(self.sent + 1 - LETTERS.len() as u32)
            });
            let due = recorder.person.created_at.plus_micros((after * DAY_US as f64) as i64);
            if due >= segment.to {
                return;
            }
            self.sent += 1;
            // The lead may come back to life in between: a letter belongs to the segment of its day.
            if due >= segment.from {
                self.letter(recorder, segment, due);
            }
        }
    }

    fn letter(&mut self, recorder: &mut Recorder<'_>, segment: &Segment<'_>, at: Timestamp) {
        let id = format!("letter-{}-{}", recorder.person.number, self.sent);
        let send = |recorder: &mut Recorder<'_>, at: Timestamp, action: EmailAction| {
            let body = EventBody::Email(Email { action, message_id: Some(id.clone()) });
            recorder.send(Source::Mailer, at, body);
        };
        send(recorder, at, EmailAction::Sent);
        if recorder.draw.chance(0.012) {
            send(recorder, at.plus_micros(minutes_us(1.0)), EmailAction::Bounced);
            self.active = false;
            return;
        }
        let (reads, clicks, leaves) = match segment.state.phase {
            Phase::Idle => (0.10, 0.10, 0.010),
            Phase::Looking => (0.26, 0.18, 0.008),
            Phase::Active => (0.45, 0.30, 0.006),
            Phase::Deciding => (0.55, 0.35, 0.006),
            Phase::Gone => (0.05, 0.06, 0.030),
        };
        // What the lead does with a letter it does by the next step, in the state that this segment has.
        let after = |recorder: &mut Recorder<'_>| {
            let minutes = recorder.draw.exponential(180.0);
            at.plus_micros(minutes_us(minutes)).min(segment.to)
        };
        let read = recorder.draw.chance(reads * recorder.person.mail);
        if read || (self.by_proxy && recorder.draw.chance(0.85)) {
            let opened = after(recorder);
            send(recorder, opened, EmailAction::Opened);
        }
        if read && recorder.draw.chance(clicks) {
            let clicked = after(recorder);
            send(recorder, clicked, EmailAction::Clicked);
        }
        if read && recorder.draw.chance(0.025) {
            let (forwarded, action) =
                (after(recorder), *recorder.draw.pick(&[EmailAction::Forwarded, EmailAction::Replied]));
            send(recorder, forwarded, action);
        }
        if recorder.draw.chance(leaves) {
            let left = after(recorder);
            send(recorder, left, EmailAction::Unsubscribed);
            self.active = false;
        }
    }
}
