//! What to do next with a lead.

use leadscore_domain::Approach;

/// The play for a vector of [`crate::features::FEATURES`].
#[must_use]
pub fn recommend(_features: &[f32]) -> Approach {
    todo!()
}
