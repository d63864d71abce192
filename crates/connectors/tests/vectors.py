#!/usr/bin/env python3
"""Signs the fixtures with Python's own hmac and cryptography and writes `vectors.json`: `python3 vectors.py`.

Nothing here is taken from the crate: the vectors say what the vendors' documents say. Keys are made up and fixed.
"""

import base64
import hashlib
import hmac
import json
import pathlib
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

HERE = pathlib.Path(__file__).parent
T = 1772364600  # 2026-03-01T11:30:00Z
URL = "https://hooks.example.com/v1/connectors/in?tenant=a%40b"
OLD, NEW = "an-old-secret-of-32-characters--", "the-new-secret-of-32-characters-"
vectors = []


def mac(key, message, kind="sha256"):
    return hmac.new(key.encode() if isinstance(key, str) else key, message, kind)


def b64(raw):
    return base64.b64encode(raw).decode()


def add(name, config, body, headers, *, mutate, url=URL, method="POST", window_s=None, wrong=None):
    config = {"source": name, **config}
    headers = {"content-type": "application/json", **headers}
    vectors.append(
        {"name": name, "config": config, "method": method, "url": url, "headers": headers, "body": body.decode(),
         "received_at_s": T, "window_s": window_s, "mutate": mutate, "secret": wrong or NEW}
    )


def fixture(path):
    return (HERE / "fixtures" / path).read_bytes()


TWO = {"secrets": [OLD, NEW]}

# Standard Webhooks: v1 and v1a.
body = fixture("standard/events.json")
raw = b"\x07" * 32
signed = b"msg_1." + str(T).encode() + b"." + body
common = {"webhook-id": "msg_1", "webhook-timestamp": str(T)}
add("standard", {"vendor": "standard_webhooks", "secrets": ["whsec_" + b64(b"\x01" * 32), "whsec_" + b64(raw)]}, body,
    {**common, "webhook-signature": "v1," + b64(mac(raw, signed).digest())}, window_s=300, wrong="whsec_" + b64(raw),
    mutate=["webhook-id", "webhook-timestamp", "webhook-signature", "body"])
key = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x09" * 32)
public = "whpk_" + b64(key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))
add("standard-ed25519", {"vendor": "standard_webhooks", "secrets": [public]}, body,
    {**common, "webhook-signature": "v1a," + b64(key.sign(signed))}, window_s=300, wrong=public,
    mutate=["webhook-id", "webhook-timestamp", "webhook-signature", "body"])

# Vapi: every scheme that the user may choose.
body = fixture("vapi/end-of-call-report.json")
add("vapi-bearer", {"vendor": "vapi", "proof": {"scheme": "bearer", **TWO}}, body, {"authorization": "Bearer " + NEW},
    mutate=["authorization"])
add("vapi-header", {"vendor": "vapi", "proof": {"scheme": "header", "name": "X-Vapi-Secret", **TWO}}, body,
    {"x-vapi-secret": NEW}, mutate=["x-vapi-secret"])
add("vapi-hmac", {"vendor": "vapi", "proof": {"scheme": "hmac", "header": "X-Signature", "prefix": "sha256=",
    "timestamp_header": "X-Timestamp", **TWO}}, body,
    {"x-signature": "sha256=" + mac(NEW, f"{T}.".encode() + body).hexdigest(), "x-timestamp": str(T)}, window_s=300,
    mutate=["x-signature", "x-timestamp", "body"])

# Retell.
body = fixture("retell/call_ended.json")
ms = str(T * 1000)
add("retell", {"vendor": "retell", **TWO}, body,
    {"x-retell-signature": f"v={ms},d=" + mac(NEW, body + ms.encode()).hexdigest()}, window_s=300,
    mutate=["x-retell-signature", "body"])

# Twilio: a form, and JSON by its hash in the address.
body = fixture("twilio/completed.form")
pairs = "".join(k + v for k, v in sorted(parse_qsl(body.decode())))
form = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
add("twilio", {"vendor": "twilio", **TWO}, body,
    {**form, "x-twilio-signature": b64(mac(NEW, (URL + pairs).encode(), "sha1").digest())},
    mutate=["x-twilio-signature", "body", "url"])
with_port = URL.replace("example.com/", "example.com:443/")
add("twilio-port", {"vendor": "twilio", **TWO}, body,
    {**form, "x-twilio-signature": b64(mac(NEW, (with_port + pairs).encode(), "sha1").digest())},
    mutate=["x-twilio-signature", "body", "url"])
body = b'{"a":1}'
hashed = URL + "&bodySHA256=" + hashlib.sha256(body).hexdigest()
add("twilio-json", {"vendor": "twilio", **TWO}, body,
    {"x-twilio-signature": b64(mac(NEW, hashed.encode(), "sha1").digest())}, url=hashed,
    mutate=["x-twilio-signature", "body", "url"])

# ElevenLabs, LiveKit.
body = fixture("elevenlabs/post_call_transcription.json")
add("elevenlabs", {"vendor": "elevenlabs", **TWO}, body,
    {"elevenlabs-signature": f"t={T},v0=" + mac(NEW, f"{T}.".encode() + body).hexdigest()}, window_s=1800,
    mutate=["elevenlabs-signature", "body"])
body = fixture("livekit/participant_left.json")
part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
token = part({"alg": "HS256", "typ": "JWT"}) + "." + part(
    {"iss": "APIkey", "nbf": T, "exp": T + 300, "sha256": b64(hashlib.sha256(body).digest())})
token += "." + base64.urlsafe_b64encode(mac(NEW, token.encode()).digest()).decode().rstrip("=")
add("livekit", {"vendor": "livekit", "keys": [{"api_key": "APIold", "api_secret": OLD},
    {"api_key": "APIkey", "api_secret": NEW}]}, body, {"authorization": token}, mutate=["authorization", "body"])

# CRMs.
body = fixture("hubspot/changes.json")
decoded = URL.replace("%40", "@")
add("hubspot", {"vendor": "hubspot", **TWO}, body,
    {"x-hubspot-signature-v3": b64(mac(NEW, b"POST" + decoded.encode() + body + ms.encode()).digest()),
     "x-hubspot-request-timestamp": ms}, window_s=300,
    mutate=["x-hubspot-signature-v3", "x-hubspot-request-timestamp", "body", "url"])
body = fixture("follow_up_boss/people_updated.json")
add("follow_up_boss", {"vendor": "follow_up_boss", **TWO}, body,
    {"fub-signature": mac(NEW, base64.b64encode(body)).hexdigest()}, mutate=["fub-signature", "body"])
add("salesforce", {"vendor": "salesforce", "organization_id": "00D000000000001EAA", "stages": {"working": "contacted"},
    "proof": {"scheme": "query", "name": "key", **TWO}}, fixture("salesforce/lead.xml"),
    {"content-type": "text/xml"}, url=URL + "&key=" + NEW, mutate=["url"])

# Analytics.
body = fixture("segment/search.json")
add("segment", {"vendor": "segment", **TWO}, body, {"x-signature": mac(NEW, body, "sha1").hexdigest()},
    mutate=["x-signature", "body"])
add("rudderstack", {"vendor": "rudderstack", "proof": {"scheme": "basic", "user": "rudder", **TWO}},
    fixture("rudderstack/batch.json"), {"authorization": "Basic " + b64(b"rudder:" + NEW.encode())},
    mutate=["authorization"])
add("posthog", {"vendor": "posthog", "proof": {"scheme": "header", "name": "x-key", **TWO}},
    fixture("posthog/pageview.json"), {"x-key": NEW}, mutate=["x-key"])

# E-mail.
body = fixture("sendgrid/events.json")
key = ec.derive_private_key(0x1F2E3D4C5B6A79881122334455667788, ec.SECP256R1())
public = b64(key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
signature = key.sign(str(T).encode() + body, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
add("sendgrid", {"vendor": "sendgrid", "public_keys": [public]}, body,
    {"x-twilio-email-event-webhook-signature": b64(signature), "x-twilio-email-event-webhook-timestamp": str(T)},
    window_s=25 * 3600, wrong=public,
    mutate=["x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp", "body"])
body = fixture("mailgun/opened.json")
told = json.loads(body)["signature"]
tag = mac(NEW, (told["timestamp"] + told["token"]).encode()).hexdigest()
add("mailgun", {"vendor": "mailgun", **TWO}, body.replace(b"@SIG@", tag.encode()), {}, window_s=8 * 3600,
    mutate=["text:" + told["timestamp"] + '",', "text:" + told["token"], "text:" + tag])
add("postmark", {"vendor": "postmark", "proof": {"scheme": "header", "name": "x-key", **TWO}},
    fixture("postmark/open.json"), {"x-key": NEW}, mutate=["x-key"])

# Open ones.
add("cloudevents", {"vendor": "cloudevents", "proof": {"scheme": "bearer", **TWO}},
    fixture("cloudevents/structured.json"),
    {"content-type": "application/cloudevents+json", "authorization": "Bearer " + NEW}, mutate=["authorization"])

(HERE / "vectors.json").write_text(json.dumps(vectors, indent=1) + "\n")
