//! Tokens that must be refused, one by one; and those that must not.
//!
//! Every vector is a good token with one thing wrong, signed by the provider's own key wherever the signature is not
//! what is wrong: nothing but the check in question can refuse it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};

use super::{
    super::{ProviderOptions, TOKEN_MAX_BYTES, TokenType},
    AUDIENCE, Forge, Issuer, Key, app, options, refused, taken,
};
use crate::testing::TestApp;

type Vectors = Vec<(String, String)>;

/// Good keys, in the order of their names' algorithms.
struct Keys {
    ed25519: Key,
    p256: Key,
    rsa: Key,
}

impl Keys {
    fn new() -> Self {
        Self { ed25519: Key::ed25519("ed"), p256: Key::p256("p256"), rsa: Key::rsa("rsa") }
    }

    fn each(&self) -> [(&Key, &'static str); 4] {
        [(&self.ed25519, "EdDSA"), (&self.p256, "ES256"), (&self.rsa, "RS256"), (&self.rsa, "PS256")]
    }

    fn jwks(&self) -> Vec<Value> {
        vec![self.ed25519.jwk(), self.p256.jwk(), self.rsa.jwk()]
    }
}

async fn all_refused(app: &TestApp, vectors: &Vectors) {
    for (name, token) in vectors {
        refused(app, name, token).await;
    }
}

fn algorithms(keys: &Keys, forge: impl Fn(&Key, &str) -> Forge) -> Vectors {
    let mut vectors = Vec::new();
    for (key, right) in keys.each() {
        for name in ["none", "None", "HS256", "HS512", "RS256", "PS256", "ES256", "EdDSA", "RS1", "rs256", "ES256K", ""]
        {
            if name == right {
                continue;
            }
            // Signed as it should be, and named otherwise.
            let token = forge(key, right).header("alg", json!(name));
            let unsigned = token.rsplit_once('.').unwrap().0;
            let signature = URL_SAFE_NO_PAD.encode(key.sign(right, unsigned.as_bytes()));
            vectors.push((format!("alg {name} of {right}"), format!("{unsigned}.{signature}")));
            vectors.push((format!("alg {name} of {right}, unsigned"), format!("{unsigned}.")));
        }
    }
    for name in ["ES384", "RS384", "RS512", "PS384", "PS512"] {
        vectors.push((format!("{name}, which is not allowed"), forge(&keys.rsa, name).token()));
    }
    vectors
}

/// HMAC under everything that is known of a public key.
fn confusion(keys: &Keys, forge: impl Fn(&Key, &str) -> Forge) -> Vectors {
    let mut vectors = Vec::new();
    for (key, right) in keys.each() {
        let jwk = key.jwk();
        let member = |name: &str| jwk[name].as_str().unwrap_or_default().to_owned();
        let raw = |name: &str| URL_SAFE_NO_PAD.decode(member(name)).unwrap();
        let secrets = [
            member("n").into_bytes(),
            raw("n"),
            member("x").into_bytes(),
            raw("x"),
            jwk.to_string().into_bytes(),
            vec![],
        ];
        let text = forge(key, right).header("alg", json!("HS256"));
        let signed = text.rsplit_once('.').unwrap().0;
        for secret in secrets {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
            vectors.push((format!("HS256 under the {right} key, {} bytes", secret.len()), token));
        }
    }
    vectors
}

fn headers(good: &Forge) -> Vectors {
    let mut vectors = Vec::new();
    for (name, kid) in [
        ("unknown", json!("other")),
        ("traversal", json!("../../../../dev/null")),
        ("SQL", json!("ed' OR '1'='1")),
        ("of 257 bytes", json!("k".repeat(257))),
        ("empty", json!("")),
        ("a number", json!(1)),
        ("null", Value::Null),
        ("a list", json!(["ed"])),
        ("with a zero byte", json!("ed\u{0}")),
        ("of another key", json!("p256")),
        ("an address", json!("https://evil.example.com/key")),
    ] {
        vectors.push((format!("kid {name}"), good.header("kid", kid)));
    }
    let own = Key::ed25519("own");
    for (name, value) in [
        ("jwk", own.jwk()),
        ("jwk", good.key.jwk()),
        ("jku", json!("https://evil.example.com/jwks.json")),
        ("x5u", json!("https://evil.example.com/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("enc", json!("A256GCM")),
        ("epk", json!({})),
    ] {
        vectors.push((format!("header {name}"), good.header(name, value)));
    }
    let bring = Forge { key: own.clone(), ..good.with("header", "kid", json!("own")) };
    vectors.push(("a key that it brings".to_owned(), bring.header("jwk", own.jwk())));
    for typ in ["rt+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "id+jwt", "application/jwt2", "JWS", ""] {
        vectors.push((format!("typ {typ}"), good.header("typ", json!(typ))));
    }
    for typ in [json!(7), Value::Null, json!(["at+jwt"])] {
        vectors.push((format!("typ {typ}"), good.header("typ", typ)));
    }
    for name in ["alg", "kid", "typ"] {
        vectors.push((format!("{name} missing"), good.without("header", name)));
    }
    vectors
}

fn claims(good: &Forge) -> Vectors {
    let now = good.claims["iat"].as_i64().unwrap();
    let mut vectors = Vec::new();
    for name in ["iss", "aud", "sub", "iat", "exp", "email", "email_verified"] {
        vectors.push((format!("{name} missing"), good.without("claims", name)));
        for value in [Value::Null, json!({}), json!(7.5), json!(""), json!([7]), json!("x".repeat(257))] {
            vectors.push((format!("{name} {value}"), good.claim(name, value)));
        }
    }
    for name in ["iat", "nbf", "exp"] {
        for value in [json!(-1), json!(now as f64 + 60.5), json!(now.to_string()), json!(u64::MAX), json!(1e300)] {
            vectors.push((format!("{name} {value}"), good.claim(name, value)));
        }
    }
    for (name, value) in [
        ("iss", json!("leadscore")),
        ("iss", json!(format!("{}/", good.claims["iss"].as_str().unwrap()))),
        ("iss", json!(good.claims["iss"].as_str().unwrap().to_uppercase())),
        ("iss", json!([good.claims["iss"]])),
        ("aud", json!("crm")),
        ("aud", json!("leadscore")),
        ("aud", json!(format!("{AUDIENCE}/"))),
        ("aud", json!([])),
        ("aud", json!(["crm", "account"])),
        ("aud", json!([AUDIENCE, 7])),
        ("aud", json!(vec![AUDIENCE; 33])),
        ("aud", json!({ "aud": AUDIENCE })),
        ("iat", json!(now + 31)),
        ("nbf", json!(now + 31)),
        ("nbf", Value::Null),
        ("exp", json!(now)),
        ("exp", json!(now - 600)),
        ("exp", json!(now + 48 * 3_600 + 1)),
        ("email_verified", json!(false)),
        ("email_verified", json!(1)),
        ("email_verified", json!("true")),
        ("email", json!("ann")),
        ("email", json!("@example.com")),
        ("email", json!(["ann@example.com"])),
        ("email", json!(format!("{}@example.com", "a".repeat(300)))),
        ("nonce", json!("n-0S6_WzA2Mj")),
        ("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ")),
        ("c_hash", json!("LDktKdoQak3Pk0cnXxCltA")),
        ("s_hash", json!("x")),
        ("events", json!({"http://schemas.openid.net/event/backchannel-logout": {}})),
        ("typ", json!("ID")),
        ("typ", json!("Refresh")),
        ("token_use", json!("id")),
        ("scope", json!(7)),
    ] {
        vectors.push((format!("{name} {value}"), good.claim(name, value)));
    }
    let past = good.with("claims", "iat", json!(now - 700));
    vectors.push(("exp 30 seconds ago".to_owned(), past.claim("exp", json!(now - 30))));
    vectors
}

fn texts(good: &Forge) -> Vectors {
    let (header, claims) = (good.header.to_string(), good.claims.to_string());
    let twice = |text: &str, member: &str| format!("{{{member},{}", &text[1..]);
    let token = good.token();
    let parts: Vec<&str> = token.split('.').collect();
    let [first, second, third] = parts[..] else { panic!("a token has three parts") };
    [
        ("iss twice", good.raw(&header, twice(&claims, "\"iss\":\"x\""))),
        ("aud twice", good.raw(&header, twice(&claims, &format!("\"aud\":\"{AUDIENCE}\"")))),
        ("email twice", good.raw(&header, twice(&claims, "\"email\":\"eve@example.com\""))),
        ("exp twice", good.raw(&header, twice(&claims, "\"exp\":1"))),
        ("twice below", good.raw(&header, twice(&claims, "\"x\":[{\"y\":1,\"y\":1}]"))),
        ("twice by an escape", good.raw(&header, twice(&claims, "\"e\\u006dail\":\"x\""))),
        ("alg twice", good.raw(twice(&header, "\"alg\":\"none\""), &claims)),
        ("kid twice", good.raw(twice(&header, "\"kid\":\"ed\""), &claims)),
        ("header no JSON", good.raw("EdDSA", &claims)),
        ("claims a list", good.raw(&header, format!("[{claims}]"))),
        ("claims with a tail", good.raw(&header, format!("{claims}{{}}"))),
        ("claims that are no text", good.raw(&header, [0xff, 0xfe])),
        ("claims that nest deeply", good.raw(&header, "[".repeat(1_000))),
        ("too long", good.claim("groups", json!("x".repeat(TOKEN_MAX_BYTES)))),
        ("one dot", format!("{first}.{second}")),
        ("no header", good.signed(&format!(".{second}"))),
        ("no claims", good.signed(&format!("{first}."))),
        ("no signature", format!("{first}.{second}.")),
        ("four parts", format!("{token}.{third}")),
        ("five parts", format!("{first}..{second}.{third}.{third}")),
        ("padding", good.signed(&format!("{first}=.{second}"))),
        ("bad characters", good.signed(&format!("{first}.{second}!"))),
        ("a signature cut short", format!("{first}.{second}.{}", URL_SAFE_NO_PAD.encode([1; 63]))),
        ("a signature of zeros", format!("{first}.{second}.{}", URL_SAFE_NO_PAD.encode([0; 64]))),
        ("the claims of another", {
            let other = good.claim("email", json!("eve@example.com"));
            format!("{first}.{}.{third}", other.split('.').nth(1).unwrap())
        }),
    ]
    .map(|(name, token)| (name.to_owned(), token))
    .to_vec()
}

#[tokio::test]
async fn whatever_is_wrong_with_a_providers_token_it_is_refused() {
    let keys = Keys::new();
    let issuer = Issuer::new(&keys.jwks()).await;
    let app = app(options(&issuer)).await;
    let forge = |key: &Key, algorithm: &str| Forge::new(&app, &issuer, key, algorithm);
    let mut vectors = [algorithms(&keys, forge), confusion(&keys, forge)].concat();
    for (key, algorithm) in keys.each() {
        let good = forge(key, algorithm);
        taken(&app, algorithm, &good.token()).await;
        vectors.extend(texts(&good));
    }
    let good = forge(&keys.ed25519, "EdDSA");
    vectors.extend([headers(&good), claims(&good)].concat());
    let same_name = forge(&Key::ed25519("ed"), "EdDSA");
    vectors.push(("another key of this name".to_owned(), same_name.token()));
    all_refused(&app, &vectors).await;
    assert!(vectors.len() >= 200, "{}", vectors.len());
    taken(&app, "the good one, still", &good.token()).await;
    assert_eq!(issuer.asked(), 1, "whatever tokens name, the provider is asked for its keys once");
}

#[tokio::test]
async fn what_is_right_is_taken() {
    let keys = Keys::new();
    let issuer = Issuer::new(&keys.jwks()).await;
    let app = app(options(&issuer)).await;
    let good = Forge::new(&app, &issuer, &keys.rsa, "RS256");
    let now = good.claims["iat"].as_i64().unwrap();
    for (name, token) in [
        ("several audiences", good.claim("aud", json!(["account", AUDIENCE]))),
        ("a clock that is ahead", good.claim("iat", json!(now + 29))),
        ("a beginning that is near", good.claim("nbf", json!(now + 29))),
        ("a clock that is behind", good.with("claims", "iat", json!(now - 700)).claim("exp", json!(now - 29))),
        ("the type of plain tokens", good.header("typ", json!("JWT"))),
        ("the whole type", good.header("typ", json!("application/at+jwt"))),
        ("a type in capitals", good.header("typ", json!("AT+JWT"))),
        ("a fingerprint of a certificate", good.header("x5t", json!("dGhpcyBpcyBhIFNIQTEgdGVzdA"))),
        ("Keycloak's mark", good.claim("typ", json!("Bearer"))),
        ("many groups", good.claim("groups", json!(vec!["a group of people"; 200]))),
        ("an address in capitals", good.claim("email", json!("Ann@Example.COM"))),
    ] {
        taken(&app, name, &token).await;
    }
}

/// One issuer gives ID tokens and access tokens to the same clients, signed by the same keys.
#[tokio::test]
async fn an_id_token_is_no_access_token() {
    let key = Key::ed25519("ed");
    let issuer = Issuer::new(&[key.jwk()]).await;
    let app = app(options(&issuer)).await;
    let plain = Forge::new(&app, &issuer, &key, "EdDSA").with("header", "typ", json!("JWT"));
    taken(&app, "what was granted is said", &plain.token()).await;
    taken(&app, "as Okta and Entra ID say it", &{
        let mut other = plain.with("claims", "scp", json!(["leads"]));
        other.claims.as_object_mut().unwrap().remove("scope");
        other.token()
    })
    .await;
    // As it is where the API is a client, too: the audience alone does not tell.
    for (name, token) in [
        ("no scope", plain.without("claims", "scope")),
        ("an empty scope", plain.claim("scope", json!(" "))),
        ("an empty list", plain.with("claims", "scp", json!([])).without("claims", "scope")),
        ("a nonce", plain.claim("nonce", json!("1"))),
        ("at_hash", plain.claim("at_hash", json!("1"))),
        ("Keycloak's mark", plain.claim("typ", json!("ID"))),
        ("Cognito's mark", plain.claim("token_use", json!("id"))),
        ("no type", plain.without("header", "typ")),
        ("for the client", plain.claim("aud", json!("crm"))),
    ] {
        refused(&app, name, &token).await;
    }
}

#[tokio::test]
async fn the_operator_says_which_types_and_scopes_are_taken() {
    let key = Key::p256("p");
    let issuer = Issuer::new(&[key.jwk()]).await;
    let strict = ProviderOptions {
        token_types: vec![TokenType::AccessToken],
        scope: Some("leads".to_owned()),
        ..options(&issuer)
    };
    let app = app(strict).await;
    let good = Forge::new(&app, &issuer, &key, "ES256");
    taken(&app, "both", &good.token()).await;
    refused(&app, "a plain type", &good.header("typ", json!("JWT"))).await;
    refused(&app, "another scope", &good.claim("scope", json!("openid leads:read"))).await;
    refused(&app, "no scope", &good.without("claims", "scope")).await;

    let lax = ProviderOptions { token_types: vec![TokenType::None], ..options(&issuer) };
    let app = super::app(lax).await;
    taken(&app, "no type", &good.without("header", "typ")).await;
    refused(&app, "a type", &good.token()).await;
}

#[tokio::test]
async fn keys_that_are_not_fit_for_it_verify_nothing() {
    let (rsa, weak, p256, p384) = (Key::rsa("rsa"), Key::weak_rsa("weak"), Key::p256("p256"), Key::p384("p384"));
    let ed = Key::ed25519("ed");
    let off_curve = {
        let mut y = URL_SAFE_NO_PAD.decode(p256.jwk()["y"].as_str().unwrap()).unwrap();
        y[31] ^= 1;
        URL_SAFE_NO_PAD.encode(y)
    };
    let long = |member: &str| {
        let number = URL_SAFE_NO_PAD.decode(rsa.jwk()[member].as_str().unwrap()).unwrap();
        URL_SAFE_NO_PAD.encode([vec![0], number].concat())
    };
    let twice = Key::ed25519("twice");
    let published = [
        ("weak RSA", &weak, "RS256", weak.jwk()),
        ("for encryption", &ed, "EdDSA", ed.jwk_with(json!({"use": "enc"}))),
        ("a use that is no text", &ed, "EdDSA", ed.jwk_with(json!({"use": ["sig"]}))),
        ("for other operations", &ed, "EdDSA", ed.jwk_with(json!({"key_ops": ["sign"]}))),
        ("private", &ed, "EdDSA", ed.jwk_with(json!({"d": "AAAA"}))),
        ("of another algorithm", &rsa, "RS256", rsa.jwk_with(json!({"alg": "PS256"}))),
        ("of an algorithm of another kind", &rsa, "RS256", rsa.jwk_with(json!({"alg": "ES256"}))),
        ("of an unknown algorithm", &rsa, "RS256", rsa.jwk_with(json!({"alg": "RSA-OAEP"}))),
        ("of no curve of its type", &ed, "EdDSA", ed.jwk_with(json!({"crv": "P-256"}))),
        ("Ed448", &ed, "EdDSA", ed.jwk_with(json!({"crv": "Ed448"}))),
        ("of no type", &ed, "EdDSA", ed.jwk_with(json!({"kty": null}))),
        ("symmetric", &ed, "EdDSA", json!({"kty": "oct", "kid": "x", "k": ed.jwk()["x"]})),
        ("off its curve", &p256, "ES256", p256.jwk_with(json!({ "y": off_curve }))),
        ("at infinity", &p256, "ES256", p256.jwk_with(json!({"x": "A".repeat(43), "y": "A".repeat(43)}))),
        ("with a coordinate cut short", &p256, "ES256", p256.jwk_with(json!({"x": "AAAA"}))),
        ("of another curve", &p384, "ES256", p384.jwk()),
        ("of a curve whose algorithm is not allowed", &p384, "ES384", p384.jwk()),
        ("with a zero before its modulus", &rsa, "RS256", rsa.jwk_with(json!({"n": long("n")}))),
        ("with an even exponent", &rsa, "RS256", rsa.jwk_with(json!({"e": "AQAC"}))),
        ("with a small exponent", &rsa, "RS256", rsa.jwk_with(json!({"e": "Aw"}))),
        ("with a huge exponent", &rsa, "RS256", rsa.jwk_with(json!({"e": "AQAAAAAAAAE"}))),
        ("with padding", &ed, "EdDSA", ed.jwk_with(json!({"x": format!("{}=", ed.jwk()["x"].as_str().unwrap())}))),
    ];
    let good = Key::p256("good");
    let mut jwks = vec![good.jwk(), json!("no key"), json!(7), Value::Null];
    for (i, (.., jwk)) in published.iter().enumerate() {
        let mut jwk = jwk.clone();
        jwk["kid"] = json!(format!("k{i}"));
        jwks.push(jwk);
    }
    let one = Key::rsa("one").jwk_with(json!({"e": "AQ"}));
    jwks.extend([one, twice.jwk(), twice.jwk(), ed.jwk_with(json!({"kid": null}))]);
    let issuer = Issuer::new(&jwks).await;
    let app = app(options(&issuer)).await;
    for (i, (name, key, algorithm, _)) in published.iter().enumerate() {
        let key = key.named(&format!("k{i}"));
        refused(&app, name, &Forge::new(&app, &issuer, &key, algorithm).token()).await;
    }
    refused(&app, "two of one name", &Forge::new(&app, &issuer, &twice, "EdDSA").token()).await;
    let forge = Forge::new(&app, &issuer, &Key::rsa("one"), "RS256");
    let signed = forge.token().rsplit_once('.').unwrap().0.to_owned();
    let bare = URL_SAFE_NO_PAD.encode(forge.key.bare(signed.as_bytes()));
    refused(&app, "an exponent of 1, under which everybody signs", &format!("{signed}.{bare}")).await;
    taken(&app, "the good one among them", &Forge::new(&app, &issuer, &good, "ES256").token()).await;
}

#[tokio::test]
async fn a_provider_speaks_for_itself_and_its_domains_alone() {
    let (ours, theirs) = (Key::ed25519("1"), Key::ed25519("1"));
    let (one, other) = (Issuer::new(&[ours.jwk()]).await, Issuer::new(&[theirs.jwk()]).await);
    let of = |issuer: &Issuer, domain: &str| ProviderOptions { domains: vec![domain.to_owned()], ..options(issuer) };
    let app = TestApp::new().await.trusting(vec![of(&one, "example.com"), of(&other, "example.org")]);
    app.user(super::ANN, leadscore_store::Role::Agent, None).await;
    taken(&app, "its own", &Forge::new(&app, &one, &ours, "EdDSA").token()).await;
    refused(&app, "the key of the other one", &Forge::new(&app, &one, &theirs, "EdDSA").token()).await;
    refused(&app, "the name of the other one", &Forge::new(&app, &other, &ours, "EdDSA").token()).await;
    refused(&app, "a user of the other one", &Forge::new(&app, &other, &theirs, "EdDSA").token()).await;
    let below = Forge::new(&app, &one, &ours, "EdDSA").claim("email", json!("ann@sub.example.com"));
    refused(&app, "a domain below its own", &below).await;
}
