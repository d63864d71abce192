//! `GET /api/v1/market`: what is known of the market.

use std::sync::Arc;

use axum::{Json, extract::State};
use leadscore_domain::MarketSnapshot;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::{Code, Problem},
    query::Parameters,
    rest::unavailable,
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidQueryParameter];

/// Snapshots of a page, unless the request says otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 500;

/// A page of market data.
#[derive(Debug, Serialize, ToSchema)]
pub struct Market {
    /// The snapshots.
    #[schema(value_type = Vec<schema::MarketSnapshot>)]
    snapshots: Vec<MarketSnapshot>,
    /// The `cursor` of the next page; missing on the last one, and where one area was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// Market data
///
/// The latest snapshot of each area, in the order of their names; or, with `area`, those of this area, the latest month
/// first.
#[utoipa::path(
    get,
    path = "/api/v1/market",
    tag = "market",
    params(
        ("area" = Option<String>, Query, description = "Only this area, in any case, such as `Austin, TX`"),
        ("limit" = Option<usize>, Query, description = "Snapshots of the page, 1 to 500; 100 unless you say otherwise"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before")
    ),
    responses((
        status = 200,
        description = "A page",
        body = Market,
        example = json!({
            "snapshots": [{
                "area": "Austin, TX",
                "period_start": "2026-02-01T00:00:00Z",
                "published_at": "2026-02-20T00:00:00Z",
                "median_price": 512_000.0,
                "active_listings": 4_100.0,
                "days_on_market": 48.0
            }],
            "next": "austin, tx"
        })
    ))
)]
pub async fn list_market(State(api): State<Arc<Api>>, mut query: Parameters) -> Result<Json<Market>, Problem> {
    let area: Option<String> = query.take("area", "send the name of an area")?;
    let cursor: Option<String> = query.take("cursor", "send `next` of the page before as it was")?;
    let limit = query.limit(LIMIT, LIMIT_MAX)?;
    query.end()?;
    if let Some(area) = area {
        let snapshots = api.store.market_of(&area, limit).await.map_err(unavailable)?;
        return Ok(Json(Market { snapshots, next: None }));
    }
    let after = cursor.unwrap_or_default();
    let mut snapshots = api.store.latest_market(&after, limit + 1).await.map_err(unavailable)?;
    let more = snapshots.len() > limit;
    snapshots.truncate(limit);
    let next = snapshots.last().filter(|_| more).map(|last| last.area.trim().to_lowercase());
    Ok(Json(Market { snapshots, next }))
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use serde_json::{Value, json};

    use crate::testing::TestApp;

    const PATH: &str = "/api/v1/market";

    fn snapshot(area: &str, month: u8, day: u8, price: f64) -> Value {
        json!({
            "area": area,
            "period_start": format!("2026-{month:02}-01T00:00:00Z"),
            "published_at": format!("2026-{month:02}-{day:02}T00:00:00Z"),
            "median_price": price
        })
    }

    async fn prices(app: &TestApp, query: &str) -> Vec<f64> {
        let page = app.get(&format!("{PATH}{query}")).await.json();
        page["snapshots"].as_array().unwrap().iter().map(|one| one["median_price"].as_f64().unwrap()).collect()
    }

    #[tokio::test]
    async fn the_latest_of_each_area_and_the_months_of_one() {
        let app = TestApp::new().await;
        assert_eq!(app.get(PATH).await.json(), json!({"snapshots": []}));
        let snapshots = [
            snapshot("Waco, TX", 1, 20, 1.0),
            snapshot("Austin, TX", 2, 20, 2.0),
            snapshot("Austin, TX", 1, 20, 3.0),
            snapshot("austin, tx", 2, 25, 4.0),
            snapshot("Dallas", 1, 20, 5.0),
        ];
        app.send_json(Method::PUT, PATH, &json!({"snapshots": snapshots})).await;
        assert_eq!(prices(&app, "").await, [4.0, 5.0, 1.0]);
        assert_eq!(prices(&app, "?area=AUSTIN,%20TX").await, [4.0, 2.0, 3.0]);
        assert_eq!(prices(&app, "?area=AUSTIN,%20TX&limit=1").await, [4.0]);
        assert_eq!(prices(&app, "?area=Paris").await, [0.0; 0]);
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            seen.extend(prices(&app, &format!("?limit=1{next}")).await);
            let page = app.get(&format!("{PATH}?limit=1{next}")).await.json();
            let Some(cursor) = page["next"].as_str() else { break };
            next = format!("&cursor={}", cursor.replace(' ', "%20"));
        }
        assert_eq!(seen, [4.0, 5.0, 1.0]);
    }
}
