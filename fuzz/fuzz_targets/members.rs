//! Models that were trained elsewhere, in each of the formats.

#![no_main]

use std::sync::LazyLock;

use leadscore_engine::{
    features::FeatureView,
    models::{ForeignFormat, import_trees},
};
use libfuzzer_sys::fuzz_target;

static VIEW: LazyLock<FeatureView> = LazyLock::new(|| FeatureView::learn(&[]));

fuzz_target!(|bytes: &[u8]| {
    let _ = ForeignFormat::detect(bytes);
    for format in [ForeignFormat::XgboostJson, ForeignFormat::XgboostUbj, ForeignFormat::LightgbmText] {
        let _ = import_trees(bytes, format, &VIEW);
    }
});
