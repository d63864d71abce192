//! Queries of GraphQL, parsed and counted: neither takes long, nor goes deep.

#![no_main]

use leadscore_api::fuzzing::{check, query_of_graphql};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(problem) = query_of_graphql(text) {
        check(problem);
    }
});
