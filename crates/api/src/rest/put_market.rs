//! `PUT /api/v1/market`: market data, many snapshots at once.

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::State, http::StatusCode};
use leadscore_domain::MarketSnapshot;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    json::Json,
    problem::{Code, Problem},
    rest::unavailable,
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[];

/// Most snapshots of one request.
const SNAPSHOTS_MAX: usize = 1_000;

/// Snapshots to be kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMarket {
    /// The snapshots.
    #[schema(value_type = Vec<schema::MarketSnapshot>, min_items = 1, max_items = 1_000)]
    snapshots: Vec<MarketSnapshot>,
}

impl NewMarket {
    fn check(self) -> Result<Vec<MarketSnapshot>, Problem> {
        let Self { snapshots } = self;
        let refuse = |detail| Problem::new(Code::InvalidField, detail).field("snapshots");
        if snapshots.is_empty() || snapshots.len() > SNAPSHOTS_MAX {
            return Err(refuse(format!("There are {} snapshots.", snapshots.len()))
                .remedy(format!("send 1 to {SNAPSHOTS_MAX} at once")));
        }
        let mut keys = BTreeSet::new();
        for (i, snapshot) in snapshots.iter().enumerate() {
            snapshot.validate().map_err(|invalid| invalid.within(&format!("snapshots[{i}]")))?;
            if !keys.insert((snapshot.area.trim().to_lowercase(), snapshot.period_start, snapshot.published_at)) {
                return Err(refuse("One area, month and publication stands there twice.".to_owned())
                    .field(format!("snapshots[{i}]"))
                    .remedy("send each once"));
            }
        }
        Ok(snapshots)
    }
}

/// Keep market data
///
/// All of the snapshots or none. One of the same area (in any case), month and publication takes the place of what was
/// there. The scorer reads the market again within half a minute; leads are scored by it from then on.
#[utoipa::path(
    put,
    path = "/api/v1/market",
    tag = "market",
    request_body(content = NewMarket, example = json!({
        "snapshots": [{
            "area": "Austin, TX",
            "period_start": "2026-02-01T00:00:00Z",
            "published_at": "2026-02-20T00:00:00Z",
            "median_price": 512_000.0,
            "active_listings": 4_100.0,
            "days_on_market": 48.0
        }]
    })),
    responses((status = 204, description = "They are kept"))
)]
pub async fn put_market(State(api): State<Arc<Api>>, Json(market): Json<NewMarket>) -> Result<StatusCode, Problem> {
    api.store.put_market(market.check()?, None).await.map_err(unavailable)?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use serde_json::{Value, json};

    use crate::testing::TestApp;

    const PATH: &str = "/api/v1/market";

    fn austin() -> Value {
        json!({"area": "Austin", "period_start": "2026-01-01T00:00:00Z", "published_at": "2026-01-20T00:00:00Z"})
    }

    fn with(field: &str, value: Value) -> Value {
        let mut snapshot = austin();
        snapshot[field] = value;
        snapshot
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_and_nothing_is_kept() {
        let app = TestApp::new().await;
        for (snapshots, field) in [
            (json!([]), "snapshots"),
            (json!(vec![austin(); 1_001]), "snapshots"),
            (json!([austin(), with("area", json!("AUSTIN "))]), "snapshots[1]"),
            (json!([austin(), with("area", json!(" "))]), "snapshots[1].area"),
            (json!([with("median_price", json!(-1))]), "snapshots[0].median_price"),
            (json!([with("published_at", json!("2025-12-31T00:00:00Z"))]), "snapshots[0].published_at"),
            (json!([with("schools", json!(1))]), "snapshots[0].schools"),
        ] {
            let reply = app.send_json(Method::PUT, PATH, &json!({"snapshots": snapshots})).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &json!(field)));
        }
        assert_eq!(app.get(PATH).await.json(), json!({"snapshots": []}));
    }

    #[tokio::test]
    async fn a_snapshot_takes_the_place_of_the_one_before() {
        let app = TestApp::new().await;
        for price in [1.0, 2.0] {
            let body = json!({"snapshots": [with("median_price", json!(price))]});
            assert_eq!(app.send_json(Method::PUT, PATH, &body).await.status, 204);
        }
        assert_eq!(app.get(PATH).await.json(), json!({"snapshots": [with("median_price", json!(2.0))]}));
    }
}
