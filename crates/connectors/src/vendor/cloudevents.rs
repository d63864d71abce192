//! CloudEvents 1.0 over HTTP: structured, in batches, and binary.
//!
//! Owns: the attributes, the handshake, and types of the form `leadscore.<kind>`. Invariant: `source` and `id` together
//! are the event's identity, as the standard has it. Deliberately absent: other types, which are counted.

use http::{HeaderMap, Method};
use leadscore_domain::{
    EventKind,
    event::{BodySeed, LeadRef},
    time::SECOND_US,
};
use serde::{Deserialize, de::DeserializeSeed as _};
use serde_json::{Value, json as object};

use crate::{
    json,
    make::{Maker, check_count},
    proof::{Proof, header},
    seam::{Answer, Malformed, Reading, Refusal, Request},
};

/// The attributes that are read.
const ATTRIBUTES: [&str; 5] = ["id", "source", "specversion", "type", "time"];
const ORIGIN: &str = "webhook-request-origin";

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudEvents {
    /// The proof, as a rule a bearer token.
    pub proof: Proof,
    /// Origins that may ask whether they may send.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
}

impl CloudEvents {
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        if request.method != Method::OPTIONS {
            return self.proof.verify(request);
        }
        // The handshake comes before any token: it changes nothing, and only known origins are answered.
        let origin = header(request.headers, ORIGIN)?;
        if self.allowed_origins.iter().any(|known| known == origin) { Ok(()) } else { Err(Refusal::Wrong) }
    }

    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let mut reading = Reading::default();
        if request.method == Method::OPTIONS {
            reading.handshake = header(request.headers, ORIGIN).ok().map(str::to_owned);
            return Ok(reading);
        }
        let maker = Maker { source, received_at: request.received_at };
        let kind = request.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_ascii_lowercase();
        let body = json::parse(request.body)?;
        if kind.starts_with("application/cloudevents-batch") {
            let batch = body.as_array().ok_or(Malformed::Syntax("a JSON list"))?;
            check_count(batch.len())?;
            batch.iter().try_for_each(|event| read_one(maker, &mut reading, event))?;
        } else if kind.starts_with("application/cloudevents") {
            read_one(maker, &mut reading, &body)?;
        } else {
            read_one(maker, &mut reading, &binary(request.headers, body)?)?;
        }
        Ok(reading)
    }

    pub(crate) fn answer(reading: &Reading) -> Answer {
        let Some(origin) = &reading.handshake else { return Answer::empty() };
        let headers = vec![("WebHook-Allowed-Origin", origin.clone()), ("WebHook-Allowed-Rate", "*".to_owned())];
        Answer { status: 200, headers, ..Answer::empty() }
    }
}

/// A binary event in the structured form.
fn binary(headers: &HeaderMap, data: Value) -> Result<Value, Malformed> {
    let mut event = object!({ "data": data });
    for name in ATTRIBUTES {
        match header(headers, &format!("ce-{name}")) {
            Ok(value) => event[name] = value.into(),
            Err(Refusal::Missing(_)) => {}
            Err(_) => return Err(Malformed::Field("ce-*")),
        }
    }
    Ok(event)
}

/// `data` is `{"lead": {…}, "data": {…}}`: whom it is about and what the kind asks for.
fn read_one(maker: Maker<'_>, reading: &mut Reading, event: &Value) -> Result<(), Malformed> {
    let need = |name: &'static str, pointer: &str| json::text(event, pointer).ok_or(Malformed::Field(name));
    if need("specversion", "/specversion")? != "1.0" {
        return Err(Malformed::Field("specversion"));
    }
    let (id, origin, kind) = (need("id", "/id")?, need("source", "/source")?, need("type", "/type")?);
    let own = kind.rsplit_once("leadscore.").and_then(|(_, kind)| kind.parse::<EventKind>().ok());
    let Some(own) = own else {
        reading.count_unknown(kind);
        return Ok(());
    };
    let part = |pointer| event.pointer(pointer).cloned().unwrap_or(Value::Null);
    let lead = serde_json::from_value::<LeadRef>(part("/data/lead"));
    match (lead, BodySeed(own).deserialize(part("/data/data"))) {
        (Ok(lead), Ok(body)) => {
            let at = json::time(event, "/time", SECOND_US);
            reading.push(maker.event(&format!("{origin} {id}"), lead, at, body));
        }
        (_, _) => reading.dropped.invalid += 1,
    }
    Ok(())
}
