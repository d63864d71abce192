//! What scores were calculated from, under the names that the model's schema gives.

use std::collections::HashMap;

use anyhow::Context as _;
use leadscore_engine::{
    score::{FeatureVector, Model},
    scorecard::{SCORECARD_VERSION, Scorecard},
};
use leadscore_pipeline::scorer::load_model;
use leadscore_store::{Registry, StoredFeatures};
use serde_json::{Map, Value, json};

/// The columns of the models that rows name, each read once.
#[derive(Default)]
pub struct Columns(HashMap<String, Vec<String>>);

impl Columns {
    /// A row as it is written.
    ///
    /// # Errors
    /// Where the vector is of a later release, or its model is gone.
    pub fn row(&mut self, stored: StoredFeatures, registry: &Registry) -> anyhow::Result<Value> {
        let StoredFeatures { score_id, lead_id, breakdown, vector, model_version, features_hash, created_at } = stored;
        let vector = FeatureVector::from_bytes(&vector)
            .with_context(|| format!("the features of score {score_id} are of a later release"))?;
        let names = self.of(&model_version, registry)?;
        let mut named = Map::new();
        for (place, value) in vector.values().iter().enumerate().filter(|(_, value)| !value.is_nan()) {
            let name = names.get(place).with_context(|| format!("{model_version} has no column {place}"))?;
            named.insert(name.clone(), json!(value));
        }
        Ok(json!({
            "id": score_id, "lead_id": lead_id, "created_at": created_at, "model_version": model_version,
            "behavioral_score": breakdown.behavioral, "engagement_score": breakdown.engagement,
            "market_correlation": breakdown.market_fit, "timing_score": breakdown.timing,
            "features_hash": features_hash, "feature_vector": named,
        }))
    }

    fn of(&mut self, version: &str, registry: &Registry) -> anyhow::Result<&[String]> {
        if !self.0.contains_key(version) {
            let model = match version {
                SCORECARD_VERSION => Model::Scorecard(Scorecard),
                _ => Model::Learned(Box::new(load_model(registry, version)?)),
            };
            let names = model.column_names().into_iter().map(str::to_owned).collect();
            self.0.insert(version.to_owned(), names);
        }
        Ok(&self.0[version])
    }
}
