//! Twilio: status of calls, live transcription, text messages, the voice webhook.
//!
//! Owns: `X-Twilio-Signature` and Twilio's forms. Invariant: only what the signature covers is read. A signature holds no
//! time, so there is no replay window: the events' ids make a repeated delivery harmless. Deliberately absent: Twilio's
//! API, the WebSocket of ConversationRelay (its messages are read in `relay`).

use std::collections::BTreeSet;

use leadscore_domain::{
    EventBody, IdentityKind, Timestamp,
    event::{Direction, LeadRef, Medium, Message, Speaker, VoiceCall},
    limits,
};
use ring::hmac;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use url::{Url, form_urlencoded};

use crate::{
    json,
    make::{self, Maker, Said},
    proof::{Secrets, expect, from_base64, header},
    seam::{Answer, CallContext, ContextRequest, LiveSignal, Malformed, Moment, Reading, Refusal, Request},
    text,
    xml::escape,
};

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twilio {
    /// Auth tokens of the account.
    pub secrets: Secrets,
    /// The `wss://` address that ConversationRelay connects incoming calls to.
    #[serde(default)]
    pub relay_url: Option<String>,
    /// Where incoming calls go without it, in E.164.
    #[serde(default)]
    pub fallback_number: Option<String>,
    /// Whether the agent's side is an artificial voice.
    #[serde(default)]
    pub ai_voice: bool,
}

impl Twilio {
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        const NAME: &str = "x-twilio-signature";
        let tag = from_base64(NAME, header(request.headers, NAME)?)?;
        let covered = covered_form(request)?;
        let fits = spellings(request.url).iter().fold(false, |found, url| {
            found | self.secrets.signed(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, format!("{url}{covered}").as_bytes(), &tag)
        });
        expect(fits)
    }

    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let form = Form::of(request)?;
        let maker = Maker { source, received_at: request.received_at };
        let mut reading = Reading::default();
        if let Some(event) = form.get("TranscriptionEvent") {
            read_transcription(maker, &mut reading, &form, event, self.ai_voice)?;
        } else if form.get("CallSid").is_some() {
            self.read_call(maker, &mut reading, &form)?;
        } else if form.get("MessageSid").is_some() && form.get("MessageStatus").is_none() {
            read_message(maker, &mut reading, &form)?;
        } else {
            let kind = form.get("MessageStatus").map_or("form", |_| "MessageStatus");
            reading.count_unknown(kind);
        }
        Ok(reading)
    }

    fn read_call(&self, maker: Maker<'_>, reading: &mut Reading, form: &Form) -> Result<(), Malformed> {
        let sid = form.need("CallSid")?;
        let status = form.get("CallStatus").ok_or(Malformed::Field("CallStatus"))?;
        let at = form.time();
        let answered = match status {
            "completed" => true,
            "busy" | "no-answer" | "failed" | "canceled" => false,
            // The voice webhook asks; a callback of the call's progress only tells.
            "ringing" | "in-progress"
                if form.get("CallbackSource").is_none() && form.get("SequenceNumber").is_none() =>
            {
                reading.asks = Some(form.asked());
                return Ok(());
            }
            "queued" | "initiated" | "ringing" | "in-progress" | "answered" => {
                let at = at.unwrap_or(maker.received_at);
                reading.live.push(LiveSignal::Status { call_id: sid.to_owned(), status: status.to_owned(), at });
                return Ok(());
            }
            other => {
                reading.count_unknown(other);
                return Ok(());
            }
        };
        let seconds: f64 = form.get("CallDuration").and_then(|s| s.parse().ok()).unwrap_or_default();
        let machine = form.get("AnsweredBy").is_some_and(|by| by.starts_with("machine") || by == "fax");
        let body = VoiceCall {
            direction: form.direction(),
            answered: answered && !machine,
            duration_ms: make::call_ms(seconds * 1_000.0),
            ai_voice: self.ai_voice,
            turns: Vec::new(),
            sentiment: None,
            call_id: Some(sid.to_owned()),
        };
        reading.push(maker.event(&format!("{sid}:{status}"), form.lead(), at, EventBody::VoiceCall(body)));
        Ok(())
    }

    pub(crate) fn answer(&self, reading: &Reading, context: Option<&CallContext>) -> Answer {
        if reading.asks.is_none() {
            return Answer::empty();
        }
        let neutral = CallContext::neutral();
        let parameters: String = context
            .unwrap_or(&neutral)
            .variables()
            .into_iter()
            .map(|(name, value)| format!("<Parameter name=\"{name}\" value=\"{}\"/>", escape(value)))
            .collect();
        let verb = match (&self.relay_url, &self.fallback_number) {
            (Some(url), _) => format!(
                "<Connect><ConversationRelay url=\"{}\">{parameters}</ConversationRelay></Connect>",
                escape(url)
            ),
            (None, Some(number)) => format!("<Dial>{}</Dial>", escape(number)),
            (None, None) => String::new(),
        };
        Answer::xml(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{verb}</Response>"))
    }
}

fn is_form(request: &Request<'_>) -> bool {
    let kind = request.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"))
}

/// What stands behind the address in the signed text. With `bodySHA256` it is nothing, and the body must fit that hash.
fn covered_form(request: &Request<'_>) -> Result<String, Refusal> {
    let mut hashes = request.url.query_pairs().filter(|(key, _)| key == "bodySHA256");
    if let Some((_, hash)) = hashes.next() {
        if hashes.next().is_some() {
            return Err(Refusal::Doubled("bodySHA256".into()));
        }
        let found = make::fingerprint(request.body);
        expect(found.as_bytes().ct_eq(hash.to_ascii_lowercase().as_bytes()).into())?;
        return Ok(String::new());
    }
    if request.body.is_empty() {
        return Ok(String::new());
    }
    if !is_form(request) {
        return Err(Refusal::Missing("bodySHA256".into()));
    }
    let pairs: BTreeSet<_> = form_urlencoded::parse(request.body).collect();
    Ok(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect())
}

/// The address as given, with its port and without: Twilio signs either.
fn spellings(url: &Url) -> Vec<String> {
    let mut spellings = vec![url.as_str().to_owned()];
    let mut bare = url.clone();
    if url.port().is_some() && bare.set_port(None).is_ok() {
        spellings.push(bare.into());
    } else if let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) {
        let after = &url[url::Position::AfterPort..];
        spellings.push(format!("{}://{host}:{port}{after}", url.scheme()));
    }
    spellings
}

/// A form's fields; of a doubled one the first.
struct Form(Vec<(String, String)>);

impl Form {
    fn of(request: &Request<'_>) -> Result<Self, Malformed> {
        let body =
            if request.body.is_empty() { request.url.query().unwrap_or_default().as_bytes() } else { request.body };
        if !request.body.is_empty() && !is_form(request) {
            return Err(Malformed::Syntax("a form"));
        }
        Ok(Self(form_urlencoded::parse(body).into_owned().collect()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    fn need(&self, name: &'static str) -> Result<&str, Malformed> {
        self.get(name).ok_or(Malformed::Field(name))
    }

    fn direction(&self) -> Direction {
        match self.get("Direction") {
            Some(direction) if direction.starts_with("outbound") => Direction::Outbound,
            Some(_) | None => Direction::Inbound,
        }
    }

    fn lead(&self) -> LeadRef {
        let number = make::remote(self.direction(), self.get("From"), self.get("To"));
        make::lead([(IdentityKind::Phone, number)])
    }

    /// Twilio's callbacks bear the time of RFC 2822, its transcription that of RFC 3339.
    fn time(&self) -> Option<Timestamp> {
        let text = self.get("Timestamp")?;
        let mail = || jiff::fmt::rfc2822::parse(text).ok().and_then(|at| Timestamp::from_jiff(at.timestamp()).ok());
        text.parse().ok().or_else(mail)
    }

    fn asked(&self) -> ContextRequest {
        let direction = self.direction();
        let (from, to) = (self.get("From"), self.get("To"));
        ContextRequest {
            number: make::remote(direction, from, to).map(str::to_owned),
            called_number: make::ours(direction, from, to).map(str::to_owned),
            direction,
            provider_call_id: self.get("CallSid").map(str::to_owned),
            lead_id: None,
            moment: Moment::CallStart,
        }
    }
}

/// `inbound_track` is what Twilio hears from the person, whichever way the call goes.
fn read_transcription(
    maker: Maker<'_>,
    reading: &mut Reading,
    form: &Form,
    event: &str,
    ai_voice: bool,
) -> Result<(), Malformed> {
    if event != "transcription-content" {
        match event {
            "transcription-started" | "transcription-stopped" => reading.dropped.ignored += 1,
            other => reading.count_unknown(other),
        }
        return Ok(());
    }
    let call_id = form.need("CallSid")?.to_owned();
    let data = json::parse(form.need("TranscriptionData")?.as_bytes())?;
    let Some(said) = json::text(&data, "/transcript").filter(|_| form.get("Final") != Some("false")) else {
        reading.dropped.ignored += 1;
        return Ok(());
    };
    let speaker = match form.get("Track") {
        Some("outbound_track") => Speaker::Agent,
        Some(_) | None => Speaker::Lead,
    };
    let at = form.time().unwrap_or(maker.received_at);
    let turn = Said {
        call_id: &call_id,
        id: form.get("SequenceId").map_or_else(|| make::fingerprint(format!("{at}{said}").as_bytes()), str::to_owned),
        // As a rule the callback names the call alone.
        lead: form.lead(),
        direction: form.direction(),
        ai_voice,
        speaker,
        text: said,
        start_ms: 0.0,
        at,
    };
    maker.turn(reading, turn);
    Ok(())
}

fn read_message(maker: Maker<'_>, reading: &mut Reading, form: &Form) -> Result<(), Malformed> {
    let sid = form.need("MessageSid")?;
    let from = form.need("From")?;
    let (medium, number) = match from.split_once(':') {
        Some((_, number)) => (Medium::Messenger, number),
        None => (Medium::Sms, from),
    };
    let lead = make::lead([(IdentityKind::Phone, Some(number))]);
    let said = form.get("Body");
    let at = form.time();
    if form.get("OptOutType") == Some("STOP") || said.is_some_and(text::is_opt_out) {
        maker.stop_calls(reading, sid, &lead, at, &format!("written in message {sid}"));
    }
    let text = said.map(|said| text::cut(said, limits::TEXT_MAX_BYTES).to_owned());
    let body = Message { direction: Direction::Inbound, medium, text, sentiment: None };
    reading.push(maker.event(sid, lead, at, EventBody::Message(body)));
    Ok(())
}
