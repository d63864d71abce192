//! How PostgreSQL answers the queries that grow with the brokerage: by an index, however many rows there are.
//!
//! With few rows a table is read whole, so reading whole is switched off: what is then still read whole has no index.

use leadscore_store::Retention;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use crate::support::{Backend as _, Postgres, append_one, derived, email, event, score};

/// The queries of the store with their values written out, and the index that each must use.
const QUERIES: &[(&str, &str)] = &[
    ("SELECT 1 FROM lead_interactions WHERE partition = 3 AND position > 5 ORDER BY position LIMIT 9", "_pkey"),
    (
        "SELECT 1 FROM lead_interactions WHERE lead_id = ANY('{00000000-0000-0000-0000-000000000001}')",
        "lead_id_occurred_at",
    ),
    ("SELECT lead_id FROM event_ids WHERE id = ANY('{00000000-0000-0000-0000-000000000001}')", "event_ids_pkey"),
    ("SELECT lead_id FROM identities WHERE lookup = ANY('{a}'::bytea[])", "identities_pkey"),
    ("SELECT lookup FROM identities WHERE lead_id = '00000000-0000-0000-0000-000000000001'", "identities_lead_id"),
    ("SELECT id FROM leads WHERE merged_into = ANY('{00000000-0000-0000-0000-000000000001}')", "leads_merged_into"),
    (
        "SELECT 1 FROM lead_scores WHERE lead_id = '00000000-0000-0000-0000-000000000001' \
         ORDER BY calculated_at DESC, log_position DESC LIMIT 3",
        "lead_id_calculated_at",
    ),
    (
        "SELECT 1 FROM latest_scores l JOIN lead_scores s ON s.id = l.score_id AND s.calculated_at = l.calculated_at \
         WHERE l.lead_id = ANY('{00000000-0000-0000-0000-000000000001}')",
        "latest_scores_pkey",
    ),
    (
        "SELECT lead_id FROM latest_scores WHERE expires_at <= now() ORDER BY expires_at LIMIT 5",
        "latest_scores_expires_at",
    ),
    (
        "SELECT DISTINCT model_version FROM lead_scores WHERE calculated_at >= now() AND calculated_at < now()",
        "calculated_at_idx",
    ),
    (
        "SELECT 1 FROM lead_features f JOIN lead_scores s ON s.id = f.id AND s.calculated_at = f.created_at \
         WHERE s.lead_id = ANY('{00000000-0000-0000-0000-000000000001}')",
        "lead_features_2026_03_pkey",
    ),
    (
        "DELETE FROM lead_features WHERE lead_id = '00000000-0000-0000-0000-000000000001'",
        "lead_features_2026_03_lead_id_created_at",
    ),
    ("SELECT 1 FROM leads WHERE merged_into IS NULL ORDER BY created_at DESC, id DESC LIMIT 5", "leads_created_at"),
    (
        "SELECT 1 FROM leads WHERE id IN (SELECT id FROM leads WHERE agent_id IN (SELECT id FROM users WHERE team_id = \
         '00000000-0000-0000-0000-000000000001' OR id = '00000000-0000-0000-0000-000000000001') \
         UNION ALL SELECT id FROM leads WHERE team_id = '00000000-0000-0000-0000-000000000001')",
        "leads_team_id",
    ),
    ("SELECT 1 FROM dead_letters ORDER BY recorded_at DESC, id DESC LIMIT 5", "dead_letters_recorded_at"),
    ("SELECT 1 FROM dead_letters WHERE lead_id = '00000000-0000-0000-0000-000000000001'", "dead_letters_lead_id"),
    ("SELECT 1 FROM model_performance WHERE model_version = 'v1' ORDER BY test_date DESC", "idx_model_performance"),
];

#[tokio::test]
async fn queries_use_their_indexes() {
    let backend = Postgres::new().await;
    let store = backend.open().await;
    let lead = append_one(&store, event("1", &[email("ann")], 0)).await;
    let mut commit = derived(store.partition_of(lead), 0, 1);
    commit.scores = vec![score(lead, 1, 1, 50)];
    store.commit(commit).await.unwrap();
    // A month that was dropped leaves the indexes of the others as they were.
    let mut commit = derived(store.partition_of(lead), 1, 1);
    commit.scores = vec![score(lead, 1, -400 * 86_400, 50)];
    store.commit(commit).await.unwrap();
    let retention = Retention { scores_months: 2, features_months: 2, interactions_months: 12, ..Retention::default() };
    assert!(store.retain(&retention, false).await.unwrap().iter().any(|one| one.removed > 0));
    store.close().await;
    let mut conn = backend.connect().await;
    conn.execute("SET enable_seqscan = off").await.unwrap();
    for (query, index) in QUERIES {
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN {query}"))).fetch_all(&mut conn).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(plan.iter().any(|line| line.contains(index)), "{query}: {plan:#?}");
        assert!(!plan.iter().any(|line| line.contains("Seq Scan")), "{query}: {plan:#?}");
    }
}
