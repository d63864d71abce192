//! The connectors at their seam: proofs against vectors of another implementation, readings of recorded shapes.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which Clippy does not know as tests")]

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use leadscore_connectors::{
    Answer, CallContext, Connector, LiveSignal, Malformed, Moment, Reading, Refusal, Request,
    vendor::relay::RelayMessage,
};
use leadscore_domain::{EventBody, EventId, Region, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

const NOW_S: i64 = 1_772_364_600;
const MUTATIONS: u32 = 10_000;

#[derive(Clone, Deserialize)]
struct Vector {
    name: String,
    config: Value,
    method: String,
    url: String,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
    received_at_s: i64,
    window_s: Option<i64>,
    mutate: Vec<String>,
    secret: String,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).unwrap()
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

impl Vector {
    fn connector(&self) -> Connector {
        serde_json::from_value(self.config.clone()).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    fn verify_with(&self, connector: &Connector, extra: Option<(&str, &str)>, at_s: i64) -> Result<(), Refusal> {
        let Ok(url) = Url::parse(&self.url) else { return Err(Refusal::Wrong) };
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain(extra) {
            let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else { return Err(Refusal::Wrong) };
            headers.append(name.parse::<HeaderName>().unwrap(), value);
        }
        let method: Method = self.method.parse().unwrap();
        let body = self.body.as_bytes();
        connector.verify(&Request { method: &method, url: &url, headers: &headers, body, received_at: at(at_s) })
    }

    fn verify(&self, connector: &Connector) -> Result<(), Refusal> {
        self.verify_with(connector, None, self.received_at_s)
    }

    fn part(&mut self, target: &str) -> &mut String {
        match target {
            "body" => &mut self.body,
            "url" => &mut self.url,
            header => self.headers.get_mut(header).unwrap(),
        }
    }
}

/// xorshift64*: enough for mutations, the same on every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(mixed).unwrap() % bound
    }
}

/// Another character somewhere, one less, or one more; never only another case, which hexadecimal digits may have.
fn mutated(text: &str, seeded: &mut Seeded) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let place = seeded.below(bytes.len());
    let other = b"abcdefghijklmnopqrstuvwxyz0123456789-_.=+/,:"[seeded.below(44)];
    match seeded.below(8) {
        0 => {
            bytes.remove(place);
        }
        1 => bytes.insert(place, other),
        _ => bytes[place] = other,
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether two forms have the same signed text: Twilio signs names and values without what stands between them.
fn says_the_same(a: &str, b: &str) -> bool {
    let pairs = |text: &str| {
        let mut pairs: Vec<(String, String)> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        pairs.sort();
        pairs.into_iter().map(|(k, v)| k + &v).collect::<String>()
    };
    pairs(a) == pairs(b)
}

#[test]
fn the_vectors_of_python_are_accepted() {
    for vector in vectors() {
        assert_eq!(vector.verify(&vector.connector()), Ok(()), "{}", vector.name);
    }
}

#[test]
fn no_mutation_is_accepted() {
    for vector in vectors() {
        let connector = vector.connector();
        let mut seeded = Seeded(0x9e37_79b9_7f4a_7c15);
        for target in &vector.mutate {
            for _ in 0..MUTATIONS {
                let mut changed = vector.clone();
                if let Some(inner) = target.strip_prefix("text:") {
                    let other = mutated(inner, &mut seeded);
                    if other.contains('"') == inner.contains('"') && !other.eq_ignore_ascii_case(inner) {
                        changed.body = vector.body.replace(inner, &other);
                    }
                } else {
                    let part = changed.part(target);
                    *part = mutated(part, &mut seeded);
                }
                let before = vector.clone().part(if target.starts_with("text:") { "body" } else { target }).clone();
                let after = changed.part(if target.starts_with("text:") { "body" } else { target }).clone();
                let covered_query = vector.name == "salesforce" && after.contains(&format!("key={}", vector.secret));
                let same_url = target == "url" && Url::parse(&after).ok() == Url::parse(&before).ok();
                let twilio_form = vector.name.starts_with("twilio") && target == "body";
                let same = before.eq_ignore_ascii_case(&after) || twilio_form && says_the_same(&before, &after);
                if same || covered_query || same_url {
                    continue;
                }
                assert!(changed.verify(&connector).is_err(), "{} {target}: {after}", vector.name);
            }
        }
    }
}

#[test]
fn the_window_has_its_edges() {
    for vector in vectors() {
        let Some(window_s) = vector.window_s else { continue };
        let connector = vector.connector();
        for (shift_s, expected) in [
            (window_s, Ok(())),
            (-window_s, Ok(())),
            (window_s + 1, Err(Refusal::Stale)),
            (-window_s - 1, Err(Refusal::Stale)),
        ] {
            assert_eq!(vector.verify_with(&connector, None, NOW_S + shift_s), expected, "{} {shift_s}", vector.name);
        }
    }
    let livekit = vectors().into_iter().find(|v| v.name == "livekit").unwrap();
    assert_eq!(livekit.verify_with(&livekit.connector(), None, NOW_S + 301), Err(Refusal::Stale));
}

#[test]
fn a_secret_that_was_rotated_out_counts_no_more() {
    for vector in vectors() {
        let mut changed = vector.clone();
        let other = if vector.secret.starts_with("whsec_") { "whsec_AAAA" } else { "some-other-secret" };
        let config = serde_json::to_string(&vector.config).unwrap().replace(&vector.secret, other);
        changed.config = serde_json::from_str(&config).unwrap();
        assert_eq!(changed.verify(&changed.connector()), Err(Refusal::Wrong), "{}", vector.name);
    }
}

#[test]
fn headers_that_are_missing_or_doubled_are_refused() {
    for vector in vectors() {
        let connector = vector.connector();
        for name in vector.mutate.iter().filter(|name| vector.headers.contains_key(*name)) {
            let mut without = vector.clone();
            let value = without.headers.remove(name).unwrap();
            assert!(matches!(without.verify(&connector), Err(Refusal::Missing(_))), "{} {name}", vector.name);
            let doubled = vector.verify_with(&connector, Some((name, &value)), NOW_S);
            assert!(matches!(doubled, Err(Refusal::Doubled(_))), "{} {name}", vector.name);
        }
    }
}

fn connector(name: &str) -> Connector {
    vectors().into_iter().find(|vector| vector.name == name).unwrap().connector()
}

fn read_as(connector: &Connector, kind: &str, body: &[u8]) -> Result<Reading, Malformed> {
    let url = Url::parse("https://hooks.example.com/in").unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", kind.parse().unwrap());
    if !body.starts_with(b"{\n  \"caller_id\"") {
        headers.insert("elevenlabs-signature", HeaderValue::from_static("t=1,v0=00"));
    }
    let request = Request { method: &Method::POST, url: &url, headers: &headers, body, received_at: at(NOW_S) };
    let reading = connector.read(&request)?;
    assert_eq!(connector.read(&request)?, reading, "the same delivery gives the same reading");
    Ok(reading)
}

/// The bytes of a fixture. Its folder is asked for when the test runs: a binary may be built in one checkout and run
/// in another that shares the target folder.
fn fixture_of(name: &str) -> Vec<u8> {
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    std::fs::read(format!("{package}/tests/fixtures/{name}")).unwrap()
}

/// Reads a fixture; every event must pass the domain's checks, under an id of its own.
fn read(name: &str, fixture: &str) -> Reading {
    let body = fixture_of(fixture);
    let kind = match fixture.rsplit_once('.').unwrap().1 {
        "form" => "application/x-www-form-urlencoded",
        "xml" => "text/xml",
        _ if name == "cloudevents" => "application/cloudevents+json",
        _ => "application/json",
    };
    let reading = read_as(&connector(name), kind, &body).unwrap();
    let ids: std::collections::BTreeSet<EventId> =
        reading.events.iter().map(|e| EventId::derive(&e.source, &e.source_event_id)).collect();
    assert_eq!(ids.len(), reading.events.len(), "{fixture}");
    for event in &reading.events {
        assert_eq!(event.source, name);
        event.clone().validate(at(NOW_S), Region::default()).unwrap_or_else(|e| panic!("{fixture}: {e}"));
    }
    reading
}

fn kinds(reading: &Reading) -> Vec<&'static str> {
    reading.events.iter().map(|event| event.body.kind().as_str()).collect()
}

#[test]
fn each_fixture_becomes_its_events() {
    let table: [(&str, &str, &[&str]); 25] = [
        ("vapi-bearer", "vapi/end-of-call-report.json", &["voice_call"]),
        ("vapi-bearer", "vapi/transcript-final.json", &["consent", "consent", "call_turn"]),
        ("vapi-bearer", "vapi/transcript-partial.json", &[]),
        ("vapi-bearer", "vapi/status-update.json", &[]),
        ("retell", "retell/transcript_updated.json", &["call_turn", "call_turn"]),
        ("retell", "retell/call_ended.json", &["consent", "consent", "voice_call"]),
        ("retell", "retell/call_analyzed.json", &["crm_updated"]),
        ("twilio", "twilio/completed.form", &["voice_call"]),
        ("twilio", "twilio/transcription.form", &[]),
        ("twilio", "twilio/sms_stop.form", &["consent", "consent", "message"]),
        ("elevenlabs", "elevenlabs/post_call_transcription.json", &["voice_call"]),
        ("livekit", "livekit/participant_left.json", &["voice_call"]),
        (
            "hubspot",
            "hubspot/changes.json",
            &["lead_created", "crm_updated", "stage_changed", "consent", "crm_updated"],
        ),
        ("follow_up_boss", "follow_up_boss/people_updated.json", &[]),
        ("salesforce", "salesforce/lead.xml", &["stage_changed", "crm_updated"]),
        ("segment", "segment/page.json", &["page_view"]),
        ("segment", "segment/search.json", &["property_search"]),
        ("segment", "segment/identify.json", &["crm_updated"]),
        ("rudderstack", "rudderstack/batch.json", &["listing_saved"]),
        ("posthog", "posthog/pageview.json", &["page_view"]),
        ("sendgrid", "sendgrid/events.json", &["email", "email", "consent", "email"]),
        ("postmark", "postmark/open.json", &["email"]),
        ("postmark", "postmark/subscription_change.json", &["consent", "email"]),
        ("standard", "standard/events.json", &["email"]),
        ("cloudevents", "cloudevents/structured.json", &["email"]),
    ];
    for (name, fixture, expected) in table {
        assert_eq!(kinds(&read(name, fixture)), expected, "{fixture}");
    }
    let mailgun = read("mailgun", "mailgun/opened.json");
    assert_eq!(kinds(&mailgun), ["consent", "email"]);
    assert!(mailgun.replay_key.is_some());
}

#[test]
fn what_is_unknown_or_protected_is_counted() {
    assert_eq!(read("sendgrid", "sendgrid/events.json").unknown[0].name, "novel");
    assert_eq!(read("sendgrid", "sendgrid/events.json").dropped.ignored, 1);
    assert_eq!(read("standard", "standard/events.json").unknown[0].name, "telegram");
    assert_eq!(read("hubspot", "hubspot/changes.json").dropped.protected, 1);
    assert_eq!(read("hubspot", "hubspot/changes.json").unknown[0].name, "deal.creation");
    assert_eq!(read("retell", "retell/call_analyzed.json").dropped.protected, 1);
    assert_eq!(read("salesforce", "salesforce/lead.xml").dropped.protected, 1);
    assert_eq!(read("segment", "segment/identify.json").dropped.protected, 1);
}

#[test]
fn a_call_keeps_its_turns_and_length() {
    let reading = read("vapi-bearer", "vapi/end-of-call-report.json");
    let EventBody::VoiceCall(call) = &reading.events[0].body else { panic!("a call") };
    assert_eq!((call.turns.len(), call.duration_ms, call.answered, call.ai_voice), (2, 120_000, true, true));
    assert_eq!((call.turns[1].start_ms, call.turns[1].duration_ms), (4_500, Some(2_600)));
    assert_eq!(call.call_id.as_deref(), Some("call-7"), "it takes the place of its turns");
    let turns = read("retell", "retell/transcript_updated.json").events;
    let EventBody::CallTurn(last) = &turns[1].body else { panic!("a turn") };
    assert_eq!(
        (last.call_id.as_str(), last.turn.start_ms, turns[1].occurred_at),
        ("retell-7", 3_200, at(1_772_364_503).plus_micros(200_000))
    );
    let live = &read("twilio", "twilio/transcription.form").live[0];
    assert!(matches!(live, LiveSignal::Turn { opt_out: true, .. }), "{live:?}");
}

#[test]
fn questions_are_answered_in_the_vendors_terms_and_neutrally_for_strangers() {
    let context = CallContext {
        lead_tier: "A".into(),
        lead_score: "93".into(),
        route: "+15125550199".into(),
        ..CallContext::default()
    };
    let answer = |name: &str, fixture: &str| -> [Answer; 2] {
        let (connector, reading) = (connector(name), read(name, fixture));
        assert!(reading.asks.is_some(), "{fixture}");
        [connector.answer(&reading, Some(&context)), connector.answer(&reading, None)]
    };
    let body = |answer: &Answer| serde_json::from_str::<Value>(&answer.body).unwrap();
    let [known, stranger] = answer("retell", "retell/call_inbound.json");
    assert_eq!(body(&known)["call_inbound"]["dynamic_variables"]["lead_score"], "93");
    assert_eq!(body(&stranger)["call_inbound"]["dynamic_variables"]["lead_tier"], "unknown");
    let [known, _] = answer("elevenlabs", "elevenlabs/initiation.json");
    assert_eq!(body(&known)["dynamic_variables"]["lead_tier"], "A");
    let [known, stranger] = answer("vapi-bearer", "vapi/tool-calls.json");
    assert_eq!((known.status, stranger.status), (200, 200));
    assert_eq!(body(&known)["results"][1]["toolCallId"], "t2");
    assert!(!known.body.contains("93"), "the score is never spoken: {}", known.body);
    let [known, _] = answer("vapi-bearer", "vapi/transfer-destination-request.json");
    assert_eq!(body(&known)["destination"]["number"], "+15125550199");
    let [known, _] = answer("vapi-bearer", "vapi/assistant-request.json");
    assert!(!known.body.contains("93"), "{}", known.body);
    let [known, _] = answer("twilio", "twilio/voice.form");
    assert!(known.body.ends_with("<Response></Response>"), "{}", known.body);
    assert_eq!(read("retell", "retell/function.json").asks.unwrap().moment, Moment::Tool);
    let ack = connector("salesforce").answer(&Reading::default(), None);
    assert!(ack.body.contains("<Ack>true</Ack>"));
}

#[test]
fn thin_events_name_an_address_of_the_vendor_alone() {
    let reading = read("follow_up_boss", "follow_up_boss/people_updated.json");
    assert_eq!(reading.refetch, ["https://api.followupboss.com/v1/people?id=7&fields=allFields"]);
    let fub = connector("follow_up_boss");
    for uri in [
        "https://api.followupboss.com.evil.example/v1",
        "http://api.followupboss.com/v1",
        "https://a@api.followupboss.com/",
    ] {
        let body = json!({"event": "peopleUpdated", "uri": uri}).to_string();
        assert_eq!(read_as(&fub, "application/json", body.as_bytes()), Err(Malformed::Field("uri")), "{uri}");
    }
    let people = fixture_of("follow_up_boss/fetched.json");
    let reading = fub.read_fetched(&people, at(NOW_S)).unwrap().unwrap();
    assert_eq!((kinds(&reading), reading.dropped.protected), (vec!["stage_changed", "crm_updated"], 1));
    assert_eq!(reading.events[1].lead.identities.len(), 3);
}

#[test]
fn a_mapping_makes_events() {
    let settings = r#"
        source = "portal"
        vendor = "mapped"
        id = "/delivery"
        time = "/at"
        proof = { scheme = "bearer", secrets = ["a"] }
        [[rules]]
        when = { "/kind" = "form" }
        event = "lead_created"
        lead = [{ kind = "email", path = "/person/mail" }, { kind = "phone", path = "/person/tel" }]
        fields.channel = { path = "/origin", lower = true, values = { portal = "portal" }, constant = "other" }
        attributes = { budget = "/budget", age = "/age" }
    "#;
    let connector: Connector = toml::from_str(settings).unwrap();
    let body = include_bytes!("fixtures/mapped/form.json");
    let reading = read_as(&connector, "application/json", body).unwrap();
    assert_eq!((kinds(&reading), reading.dropped.protected), (vec!["lead_created"], 1));
    let EventBody::LeadCreated(lead) = &reading.events[0].body else { panic!("a lead") };
    assert_eq!((lead.channel.as_deref(), lead.attributes.len()), (Some("portal"), 1));
    let other = read_as(&connector, "application/json", br#"{"delivery":"2","kind":"x"}"#).unwrap();
    assert_eq!((other.events.len(), other.unknown.len()), (0, 1));
}

#[test]
fn broken_deep_and_huge_bodies_are_errors_and_never_panics() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_xml = "<a>".repeat(100_000);
    let bodies =
        ["", "{", "null", "[]", "[1,null,{}]", "\u{feff}{}", "{\"a\":1e999}", &deep, &deep_xml, "<!DOCTYPE a []><a/>"];
    for vector in vectors() {
        let connector = vector.connector();
        for kind in ["application/json", "application/x-www-form-urlencoded", "application/cloudevents+json"] {
            for body in bodies {
                let _ = read_as(&connector, kind, body.as_bytes()).map(|reading| assert!(reading.events.is_empty()));
            }
            let mut seeded = Seeded(7);
            for _ in 0..500 {
                let _ = read_as(&connector, kind, mutated(&vector.body, &mut seeded).as_bytes());
                let huge = vector.body.replace("1772364600", "99999999999999999999999999");
                let _ = read_as(&connector, kind, huge.as_bytes());
            }
        }
    }
}

#[test]
fn a_cloud_event_may_be_binary_and_its_sender_may_ask_first() {
    let mut config = vectors().into_iter().find(|vector| vector.name == "cloudevents").unwrap().config;
    config["allowed_origins"] = json!(["sender.example.com"]);
    let connector: Connector = serde_json::from_value(config).unwrap();
    let url = Url::parse("https://hooks.example.com/in").unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("webhook-request-origin", HeaderValue::from_static("sender.example.com"));
    let options = Request { method: &Method::OPTIONS, url: &url, headers: &headers, body: b"", received_at: at(NOW_S) };
    connector.verify(&options).unwrap();
    let answer = connector.answer(&connector.read(&options).unwrap(), None);
    assert_eq!(answer.headers[0], ("WebHook-Allowed-Origin", "sender.example.com".to_owned()));
    let mut other = HeaderMap::new();
    other.insert("webhook-request-origin", HeaderValue::from_static("evil.example"));
    assert_eq!(connector.verify(&Request { headers: &other, ..options }), Err(Refusal::Wrong));

    let structured: Value = serde_json::from_str(include_str!("fixtures/cloudevents/structured.json")).unwrap();
    let mut binary = HeaderMap::new();
    for name in ["id", "source", "specversion", "type", "time"] {
        let value = HeaderValue::from_str(structured[name].as_str().unwrap()).unwrap();
        binary.insert(format!("ce-{name}").parse::<HeaderName>().unwrap(), value);
    }
    binary.insert("content-type", HeaderValue::from_static("application/json"));
    let body = structured["data"].to_string();
    let request = Request { method: &Method::POST, headers: &binary, body: body.as_bytes(), ..options };
    assert_eq!(connector.read(&request).unwrap(), read("cloudevents", "cloudevents/structured.json"));
}

#[test]
fn messages_of_the_relay_are_read() {
    let setup = r#"{"type":"setup","sessionId":"V1","callSid":"CA1","from":"+15125550123","to":"+15125550100",
        "accountSid":"AC1","customParameters":{"lead_tier":"A"}}"#;
    assert!(matches!(RelayMessage::parse(setup), Ok(RelayMessage::Setup { .. })));
    for (last, expected) in [(true, true), (false, false)] {
        let prompt = json!({"type": "prompt", "voicePrompt": "Stop calling me", "lang": "en-US", "last": last});
        assert_eq!(RelayMessage::parse(&prompt.to_string()).unwrap().is_opt_out(), expected);
    }
    assert_eq!(RelayMessage::parse(r#"{"type":"novel","x":1}"#), Ok(RelayMessage::Unknown));
    assert!(RelayMessage::parse("{").is_err());
}

#[test]
fn variables_reach_the_assistant_and_the_relay_escaped() {
    let with = |name: &str, setting: &str, value: &str| -> Connector {
        let mut config = vectors().into_iter().find(|vector| vector.name == name).unwrap().config;
        config[setting] = value.into();
        serde_json::from_value(config).unwrap()
    };
    let context = CallContext { talking_points: "\"<Elm> & Oak\"".into(), ..CallContext::neutral() };
    let vapi = with("vapi-bearer", "assistant_id", "asst-1");
    let answer = vapi.answer(&read("vapi-bearer", "vapi/assistant-request.json"), Some(&context));
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["assistantId"], "asst-1");
    assert_eq!(body["assistantOverrides"]["variableValues"]["talking_points"], "\"<Elm> & Oak\"");
    let twilio = with("twilio", "relay_url", "wss://relay.example.com/in?a=1&b=2");
    let answer = twilio.answer(&read("twilio", "twilio/voice.form"), Some(&context));
    assert!(answer.body.contains("url=\"wss://relay.example.com/in?a=1&amp;b=2\""), "{}", answer.body);
    assert!(answer.body.contains("value=\"&quot;&lt;Elm&gt; &amp; Oak&quot;\""), "{}", answer.body);
}
