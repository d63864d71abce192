//! What is refused, and how it is said.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use leadscore_store::{Role, Scope};
use serde_json::{Value, json};

use super::{super::PATH, ask, code, post, post_graphql};
use crate::testing::{NOBODY, TestApp};

#[tokio::test]
async fn without_a_valid_token_nothing_is_answered() {
    let mut app = TestApp::new().await;
    for token in ["", "lsk_guessed"] {
        app.token = token.to_owned();
        let reply = post(&app, &json!({"query": "{ __typename }"})).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
    }
}

#[tokio::test]
async fn only_json_is_taken_and_only_by_post() {
    let app = TestApp::new().await;
    let get = app.get(&format!("{PATH}?query=%7Bme%7Bid%7D%7D")).await;
    assert_eq!(get.code(), "method-not-allowed");
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/graphql"]
    {
        let request = app.request(Method::POST, PATH).header("content-type", media_type);
        let reply = app.send(request.body(Body::from(r#"{"query": "{ me { id } }"}"#)).unwrap()).await;
        assert_eq!(reply.code(), "unsupported-media-type", "{media_type}");
    }
    let query = app.post(&format!("{PATH}?query=x"), &json!({"query": "{ me { id } }"})).await;
    assert_eq!(query.code(), "unknown-query-parameter");
    for (body, expected) in [
        ("", "malformed-json"),
        ("{", "malformed-json"),
        ("{}", "invalid-field"),
        ("[]", "invalid-field"),
        (r#"{"query": 5}"#, "invalid-field"),
        (r#"{"query": "{ me { id } }", "colour": 1}"#, "invalid-field"),
        (r#"{"query": "{ me { id } }", "variables": []}"#, "invalid-field"),
    ] {
        assert_eq!(app.post_text(PATH, body).await.code(), expected, "{body}");
    }
}

#[tokio::test]
async fn bodies_and_batches_are_bounded() {
    let app = TestApp::new().await;
    let padded = |bytes: usize| {
        let body = json!({"query": "{ me { id } }", "variables": {"x": ""}}).to_string();
        body.replace(r#""x":"""#, &format!(r#""x":"{}""#, "x".repeat(bytes - body.len())))
    };
    assert_eq!(app.post_text(PATH, padded(10_000)).await.status, StatusCode::OK);
    assert_eq!(app.post_text(PATH, padded(10_001)).await.code(), "body-too-large");
    let batch = |queries: usize| json!(vec![json!({"query": "{ me { apiKey } }"}); queries]);
    let answers = post(&app, &batch(5)).await.json();
    assert_eq!(answers.as_array().unwrap().len(), 5);
    assert_eq!(answers[4]["data"]["me"]["apiKey"], "tests");
    assert_eq!(post(&app, &batch(6)).await.code(), "invalid-field");
}

#[tokio::test]
async fn what_is_no_query_says_where_and_its_status_is_for_who_asks() {
    let app = TestApp::new().await;
    for query in [
        "",
        "{",
        "{ colour }",
        "{ me }",
        "query($x: Int) { me { id } }",
        "{ lead { id } }",
        "{ me { ...F } }",
        "subscription { x }",
    ] {
        let answer = ask(&app, query).await;
        assert_eq!(code(&answer), "invalid-query", "{query}: {answer}");
        assert_eq!(answer.get("data"), None, "{query}: {answer}");
        let members = &answer["errors"][0]["extensions"];
        assert_eq!(members["type"], "/docs/errors#invalid-query");
        assert!(members["remedy"].is_string() && answer["errors"][0]["message"].is_string(), "{answer}");
        let reply = post_graphql(&app, &json!({"query": query})).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (StatusCode::BAD_REQUEST, "application/graphql-response+json")
        );
    }
    let partial = json!({"query": format!(r#"{{ me {{ apiKey }} lead(id: "{NOBODY}") {{ id }} }}"#)});
    let reply = post_graphql(&app, &partial).await;
    assert_eq!(
        (reply.status, &reply.json()["data"]),
        (StatusCode::OK, &json!({"me": {"apiKey": "tests"}, "lead": null}))
    );
    let error = &reply.json()["errors"][0];
    assert_eq!((&error["path"], &error["extensions"]["code"]), (&json!(["lead"]), &json!("lead-not-found")));
}

/// Queries on either side of each limit.
#[tokio::test]
async fn what_asks_for_too_much_is_refused_before_it_is_begun() {
    let app = TestApp::new().await;
    let repeated = |count: usize, of: &dyn Fn(usize) -> String| (0..count).map(of).collect::<Vec<_>>().join(" ");
    let aliases = |count| format!("{{ {} }}", repeated(count, &|at| format!("a{at}: me {{ id }}")));
    let roots = |count| format!("{{ {} }}", vec!["me { id }"; count].join(" "));
    let directives = |count| format!("{{ me {{ {} }} }}", vec!["id @include(if: true)"; count].join(" "));
    let leads = |first: usize| format!("{{ leads(first: {first}) {{ next }} }}");
    let searches = |count| format!("{{ {} }}", repeated(count, &|at| format!("a{at}: leads(first: 1) {{ next }}")));
    // Aliases of `lead` share one load.
    let one_by_one =
        |count| format!("{{ {} }}", repeated(count, &|at| format!(r#"a{at}: lead(id: "{NOBODY}") {{ id }}"#)));
    for (what, accepted, refused) in [
        ("aliases", aliases(15), aliases(16)),
        ("roots", roots(15), roots(16)),
        ("directives", directives(15), directives(16)),
        ("complexity", leads(200), "{ leads(first: 200) { leads { id name } } }".to_owned()),
        ("statements", searches(10), searches(11)),
        ("leads", one_by_one(15), one_by_one(16)),
        (
            "depth",
            "{ queue(first: 1) { leads { lead { explanation { reasons { up { text } } } } } } }".to_owned(),
            deep(9),
        ),
    ] {
        let answer = ask(&app, &accepted).await;
        assert_ne!(code(&answer), "query-too-complex", "{what}: {answer}");
        let answer = ask(&app, &refused).await;
        assert_eq!((code(&answer), answer.get("data")), ("query-too-complex", None), "{what}: {answer}");
    }
    // Variables do not hide the length of a list.
    let body = json!({"query": "query($n: Int) { leads(first: $n) { leads { id name } } }", "variables": {"n": 200}});
    assert_eq!(code(&post(&app, &body).await.json()), "query-too-complex");
}

fn deep(levels: usize) -> String {
    format!("{}id{}", "{ lead ".repeat(levels - 1) + "{ ", " }".repeat(levels))
}

#[tokio::test]
async fn texts_made_to_exhaust_the_reader_are_refused_at_once() {
    let app = TestApp::new().await;
    let bomb: Vec<String> =
        (0..40).map(|at| format!("fragment f{at} on Query {{ ...f{0} ...f{0} }}", at + 1)).collect();
    let bomb = format!("{{ ...f0 }} {} fragment f40 on Query {{ me {{ id }} }}", bomb.join(" "));
    for query in [
        "{a".repeat(3_000),
        format!("{{ me(x: {}", "[".repeat(5_000)),
        "{ ...f } fragment f on Query { ...f }".to_owned(),
        format!("{}{}{}", "{ ... ".repeat(60), "{ me { id } }", "}".repeat(60)),
        "{ ...f } fragment f on Query { me { ...g } } fragment g on Me { ...f }".to_owned(),
        bomb,
    ] {
        let answer = ask(&app, &query).await;
        assert!(["query-too-complex", "invalid-query"].contains(&code(&answer)), "{}: {answer}", &query[..40]);
    }
}

#[tokio::test]
async fn people_alone_may_ask_about_the_schema() {
    let mut app = TestApp::new().await;
    let queries = [
        "{ __schema { queryType { name } } }",
        r#"{ __type(name: "Lead") { name } }"#,
        "{ ...F } fragment F on Query { x: __schema { types { name fields { name type { name ofType { name } } } } } }",
        INTROSPECTION,
    ];
    for query in queries {
        assert_eq!(code(&ask(&app, query).await), "forbidden", "{query}");
    }
    assert_eq!(ask(&app, "{ __typename me { __typename } }").await["data"]["me"]["__typename"], "Me");
    app.token = app.key(Scope::Admin).await;
    assert_eq!(code(&ask(&app, queries[0]).await), "forbidden", "whatever a key may do");
    app.token = app.log_in(&app.user("agent@example.com", Role::Agent, None).await).await;
    for query in queries {
        let answer = ask(&app, query).await;
        assert_eq!(answer.get("errors"), None, "{answer}");
    }
    assert_eq!(ask(&app, queries[0]).await["data"]["__schema"]["queryType"], json!({"name": "Query"}));
}

/// As tools ask it.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name }
    types { ...FullType } directives { name description locations args { ...InputValue } } } }
    fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description args { ...InputValue }
        type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue } interfaces { ...TypeRef }
        enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
        ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

#[tokio::test]
async fn each_query_of_a_batch_counts() {
    use leadscore_store::{Rate, RateLimiter};

    use crate::{Edge, RequestRates};
    let app = TestApp::new().await;
    let clock: std::sync::Arc<dyn leadscore_domain::Clock> = std::sync::Arc::new(app.clock.clone());
    let keys = Some(RateLimiter::new(Rate { per_s: 1.0, burst: 4 }, clock, None));
    let app = app.behind(Edge { rates: RequestRates { keys, ..RequestRates::default() }, ..Edge::default() });
    let three: Value = json!(vec![json!({"query": "{ me { id } }"}); 3]);
    assert_eq!(post(&app, &three).await.status, StatusCode::OK);
    assert_eq!(post(&app, &three).await.code(), "too-many-requests");
}
