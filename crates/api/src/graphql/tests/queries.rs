//! What is shown, to whom, and in how many statements.

use leadscore_domain::{MarketSnapshot, Obstacle};
use leadscore_store::{Assignment, Change, Role, Scope, Scopes, telemetry::STATEMENTS};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};

use super::{super::limits::STATEMENTS_MAX, agent_with, ask, ask_with, code, full_lead, score_all};
use crate::testing::{NOBODY, TestApp};

/// All that can be asked of a lead.
const EVERYTHING: &str = "
    id mergedFrom createdAt name agentId teamId
    identities { kind value }
    profile { stage channel timeZone attributes firstEventAt lastEventAt eventCounts }
    score { score grade confidence interval { lower upper } breakdown { behavioral engagement marketFit timing }
        prediction { conversionProbability optimalContactTime recommendedApproach } modelVersion version calculatedAt }
    scoreProblem { code } override { score reason expiresAt }
    scores(first: 2) { scores { score calculatedAt } next }
    explanation { qualityClass stage churn { risk } contactWindows { startAt } reasons { up { text group contribution columns } }
        intent { kind urgency } play { summary } nextSteps { action text } modelVersion }
    events(first: 3) { events { eventId kind occurredAt data } next }
    outcomes(first: 1) { events { data } next }
    consents { purpose state basis evidence holds }";

#[tokio::test]
async fn one_query_shows_all_of_a_lead() {
    let app = TestApp::new().await;
    let lead = full_lead(&app, "ann").await;
    score_all(&app, 3).await;
    let answer =
        ask_with(&app, &format!("query($id: ID!) {{ lead(id: $id) {{ {EVERYTHING} }} }}"), json!({"id": lead})).await;
    assert_eq!(answer.get("errors"), None, "{answer:#}");
    let shown = &answer["data"]["lead"];
    assert_eq!((&shown["id"], &shown["name"]), (&json!(lead), &json!("Ann Example")));
    assert_eq!(shown["identities"][0], json!({"kind": "EMAIL", "value": "ann@example.com"}));
    assert_eq!(shown["profile"]["channel"], "referral");
    assert_eq!(shown["profile"]["eventCounts"], json!({"lead_created": 1, "outcome": 1}));
    assert_eq!((&shown["score"]["score"], &shown["score"]["grade"]), (&json!(90), &json!("A")));
    assert_eq!(shown["score"]["prediction"]["conversionProbability"], json!(0.73));
    assert_eq!(shown["score"]["prediction"]["recommendedApproach"], "PREMIUM_PROPERTY_FOCUS");
    assert_eq!(shown["score"]["calculatedAt"], "2026-03-01T10:30:00Z");
    assert_eq!(shown["scoreProblem"], Value::Null);
    assert_eq!(shown["scores"]["scores"][1]["score"], 89);
    assert_eq!(shown["explanation"]["modelVersion"], "scorecard");
    let mut kinds: Vec<&str> =
        shown["events"]["events"].as_array().unwrap().iter().filter_map(|event| event["kind"].as_str()).collect();
    kinds.sort_unstable();
    assert_eq!((&kinds[..], &shown["events"]["next"]), (&["LEAD_CREATED", "OUTCOME"][..], &Value::Null));
    assert_eq!(shown["outcomes"]["events"][0]["data"]["result"], "no_answer");
    assert_eq!(shown["consents"][0]["evidence"], "form 4");
}

#[tokio::test]
async fn pages_follow_one_another() {
    let app = TestApp::new().await;
    let lead = full_lead(&app, "ann").await;
    score_all(&app, 3).await;
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let query = "query($id: ID!, $after: String) { lead(id: $id) { scores(first: 2, after: $after) { scores { score } next } } }";
        let page = ask_with(&app, query, json!({"id": lead, "after": after})).await["data"]["lead"]["scores"].clone();
        seen.extend(page["scores"].as_array().unwrap().iter().map(|score| score["score"].clone()));
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(seen, [90, 89, 88].map(|score| json!(score)));
    let earlier =
        format!(r#"{{ lead(id: "{lead}") {{ scores(asOf: "2026-03-01T09:45:00Z") {{ scores {{ score }} }} }} }}"#);
    assert_eq!(ask(&app, &earlier).await["data"]["lead"]["scores"]["scores"][0]["score"], 89);
    let (mut leads, mut after) = (Vec::new(), Value::Null);
    app.clock.advance_micros(1);
    app.lead("bob").await;
    loop {
        let query =
            "query($after: String) { leads(first: 1, sort: CREATED_AT_ASC, after: $after) { leads { name } next } }";
        let page = ask_with(&app, query, json!({"after": after})).await["data"]["leads"].clone();
        leads.push(page["leads"][0]["name"].clone());
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(leads, [json!("Ann Example"), Value::Null]);
    for (query, field) in [
        (r#"{ leads(first: 1, sort: SCORE_ASC, after: "x") { next } }"#, "after"),
        ("{ leads(first: 0) { next } }", "first"),
        (r#"{ leads(filter: {agentId: "ann"}) { next } }"#, "filter.agentId"),
        (r#"{ queue(agent: "ann") { next } }"#, "agent"),
    ] {
        let answer = ask(&app, query).await;
        let members = &answer["errors"][0]["extensions"];
        assert_eq!((&members["code"], &members["field"]), (&json!("invalid-field"), &json!(field)), "{answer}");
    }
}

#[tokio::test]
async fn people_and_programs_are_shown_what_rest_shows_them() {
    let mut app = TestApp::new().await;
    let lead = full_lead(&app, "ann").await;
    score_all(&app, 1).await;
    let query = format!(r#"{{ lead(id: "{lead}") {{ {EVERYTHING} }} }}"#);
    app.token = app.key([Scope::LeadsRead, Scope::ScoresRead].into_iter().collect::<Scopes>()).await;
    let answer = ask(&app, &query).await;
    let shown = &answer["data"]["lead"];
    for hidden in
        [&shown["name"], &shown["identities"], &shown["events"]["events"][0]["data"], &shown["consents"][0]["evidence"]]
    {
        assert_eq!(hidden, &Value::Null, "{shown:#}");
    }
    assert_eq!(shown["score"]["modelVersion"], "v3");
    let by_handle = r#"{ leads(filter: {identity: {kind: CRM, value: "ann"}}) { leads { id } } }"#;
    assert_eq!(code(&ask(&app, by_handle).await), "forbidden");

    let agent = agent_with(&app, lead).await;
    app.token = app.log_in(&agent).await;
    let answer = ask(&app, &query).await;
    let shown = &answer["data"]["lead"];
    assert_eq!((&shown["name"], &shown["score"]["modelVersion"]), (&json!("Ann Example"), &Value::Null));
    let reason = &shown["explanation"]["reasons"]["up"][0];
    assert_eq!((&reason["contribution"], &reason["columns"]), (&Value::Null, &Value::Null), "{shown:#}");
    assert_eq!(ask(&app, by_handle).await["data"]["leads"]["leads"][0]["id"], json!(lead));
    let me = ask(&app, "{ me { email role apiKey } queue { agentId leads { priority lead { id } } } }").await;
    assert_eq!(me["data"]["me"], json!({"email": "agent@example.com", "role": "AGENT", "apiKey": null}));
    assert_eq!(me["data"]["queue"]["agentId"], json!(agent.id));
}

#[tokio::test]
async fn a_merged_lead_is_its_survivor_and_one_without_a_score_says_why() {
    let app = TestApp::new().await;
    let (survivor, absorbed) = (app.lead("one").await, app.lead("two").await);
    app.merge(survivor, absorbed).await;
    let query = |id: &str| {
        format!(
            r#"{{ lead(id: "{id}") {{ id mergedFrom score {{ score }} scoreProblem {{ code remedy }} scores {{ next }} }} }}"#
        )
    };
    let shown = ask(&app, &query(&absorbed.to_string())).await["data"]["lead"].clone();
    assert_eq!((&shown["id"], &shown["mergedFrom"]), (&json!(survivor), &json!(absorbed)));
    assert_eq!((&shown["score"], &shown["scoreProblem"]["code"]), (&Value::Null, &json!("score-pending")));
    let silent = app.lead_with(&json!({"identities": [{"kind": "crm", "value": "silent"}]})).await;
    app.derive(|_| None).await;
    let shown = ask(&app, &query(&silent.to_string())).await["data"]["lead"].clone();
    assert_eq!(shown["scoreProblem"]["code"], "profiling-consent-missing");
    score_all(&app, 1).await;
    app.state.cache.publish(vec![Change::Withheld {
        lead_id: survivor,
        log_position: 9,
        obstacle: Obstacle::NoConsent,
    }]);
    let history = format!(r#"{{ lead(id: "{survivor}") {{ scores {{ scores {{ score }} }} }} }}"#);
    assert_eq!(ask(&app, &history).await["data"]["lead"]["scores"]["scores"], json!([]), "nor is there a history");
    for (id, expected) in [(NOBODY, "lead-not-found"), ("ann", "invalid-lead-id")] {
        let answer = ask(&app, &query(id)).await;
        assert_eq!((code(&answer), &answer["data"]), (expected, &json!({"lead": null})), "{answer}");
    }
}

#[tokio::test]
async fn market_and_models_are_shown() {
    let app = TestApp::new().await;
    let snapshot: MarketSnapshot = serde_json::from_value(json!({
        "area": "Austin, TX", "period_start": "2026-02-01T00:00:00Z", "published_at": "2026-02-20T00:00:00Z", "median_price": 512_000.0
    }))
    .unwrap();
    app.state.store.put_market(vec![snapshot], None).await.unwrap();
    let version = app.model();
    let query = r#"{ all: market { snapshots { area medianPrice periodStart } next } market(area: "AUSTIN, TX") { snapshots { area } }
        models { version champion promotedAt } }"#;
    let answer = ask(&app, query).await;
    assert_eq!(answer["data"]["all"]["snapshots"][0]["medianPrice"], json!(512_000.0), "{answer:#}");
    assert_eq!(answer["data"]["market"]["snapshots"][0]["area"], "Austin, TX");
    assert_eq!(answer["data"]["models"], json!([{"version": version, "champion": false, "promotedAt": null}]));
}

/// How many statements of the database a query takes, and its answer.
async fn measured(app: &TestApp, query: &str) -> (usize, Value) {
    // The token is known from here on, for two seconds, and what is recorded of the queries before is written before.
    ask(app, "{ me { id } }").await;
    app.state.audit.flush().await.unwrap();
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // Everything but the writers runs on the test's own thread.
    let answer = {
        let _guard = metrics::set_default_local_recorder(&recorder);
        ask(app, query).await
    };
    let text = handle.render();
    let count = text.lines().find_map(|line| line.strip_prefix(STATEMENTS)?.trim().parse().ok());
    (count.unwrap_or(0), answer)
}

/// All that can be asked of a lead and is not one field, with what each takes.
const PARTS: [&str; 10] = [
    "identities { kind }",
    "profile { stage }",
    "score { score }",
    "scoreProblem { code }",
    "scores(first: 1) { next }",
    "explanation { stage }",
    "events(first: 1) { next }",
    "outcomes(first: 1) { next }",
    "consents { holds }",
    "agent { name }",
];

#[tokio::test]
async fn the_worst_accepted_query_takes_ten_statements_however_many_leads_it_shows() {
    let mut app = TestApp::new().await;
    let team = app.team("North").await;
    let manager = app.user("manager@example.com", Role::Manager, Some(team)).await;
    let mut leads = Vec::new();
    for number in 0..12 {
        let lead = full_lead(&app, &format!("lead{number}")).await;
        let to = if number % 2 == 0 { Assignment::Agent(manager.id) } else { Assignment::Team(team) };
        app.state.store.assign_lead(lead, to).await.unwrap();
        leads.push(lead);
    }
    score_all(&app, 2).await;
    app.token = app.log_in(&manager).await;
    // Everything at the top with each set of parts: none takes more than ten, and those that do are refused.
    let [one, other] = [leads[0], leads[1]];
    let tops = [
        ("leads(first: 6) { leads", "}"),
        ("queue(first: 6) { leads { lead", "} }"),
        (&*format!(r#"b: lead(id: "{one}") {{ id }} lead(id: "{other}")"#), ""),
    ];
    let (mut accepted, mut worst, mut refused) = (0, 0, 0);
    for tops_mask in 1..1_usize << tops.len() {
        for parts_mask in 1..1_usize << PARTS.len() {
            // Some sets, and the full one: the others are made of the same parts.
            if parts_mask % 37 != 0 && parts_mask + 1 != 1 << PARTS.len() {
                continue;
            }
            let parts: Vec<&str> =
                (0..PARTS.len()).filter(|at| parts_mask >> at & 1 == 1).map(|at| PARTS[at]).collect();
            let parts = format!("{{ id {} }}", parts.join(" "));
            let asked = (0..tops.len()).filter(|at| tops_mask >> at & 1 == 1);
            let fields: Vec<String> = asked.map(|at| format!("{} {parts} {}", tops[at].0, tops[at].1)).collect();
            let (statements, answer) = measured(&app, &format!("{{ market {{ next }} {} }}", fields.join(" "))).await;
            if code(&answer) == "query-too-complex" {
                refused += 1;
                assert_eq!(statements, 0, "what is refused is not begun");
                continue;
            }
            assert_eq!(answer.get("errors"), None, "{parts}: {answer:#}");
            assert!(statements <= STATEMENTS_MAX, "{statements}: {fields:?}");
            accepted += 1;
            worst = worst.max(statements);
        }
    }
    assert!(accepted > 100 && refused > 0 && worst == STATEMENTS_MAX, "{accepted} {refused} {worst}");
}

#[tokio::test]
async fn a_longer_list_takes_no_more_statements() {
    let app = TestApp::new().await;
    for number in 0..24 {
        full_lead(&app, &format!("lead{number}")).await;
    }
    score_all(&app, 1).await;
    ask(&app, "{ me { id } }").await;
    let query = |first: usize| {
        format!(
            "{{ leads(first: {first}) {{ leads {{ id score {{ score }} identities {{ value }} events(first: 1) {{ next }} scores(first: 1) {{ next }} }} }} }}"
        )
    };
    let (few, answer) = measured(&app, &query(2)).await;
    assert_eq!(answer["data"]["leads"]["leads"].as_array().unwrap().len(), 2, "{answer}");
    let (many, answer) = measured(&app, &query(24)).await;
    assert_eq!(answer["data"]["leads"]["leads"].as_array().unwrap().len(), 24, "{answer}");
    assert_eq!((few, many), (5, 5));
}
