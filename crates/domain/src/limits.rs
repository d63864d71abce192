//! Every bound on what a source may send, in one place.

/// Longest attribute or channel name, in bytes.
pub const NAME_MAX_BYTES: usize = 64;
/// Longest category value, in bytes.
pub const CATEGORY_MAX_BYTES: usize = 256;
/// Most custom attributes in one event, and the most that a lead keeps.
pub const ATTRIBUTES_MAX: usize = 256;
/// Longest free text of a turn or message, in bytes.
pub const TEXT_MAX_BYTES: usize = 8_192;
/// Most turns in one call.
pub const TURNS_MAX: usize = 2_000;
/// Longest identity value, in bytes.
pub const IDENTITY_MAX_BYTES: usize = 256;
/// Most identities in one event.
pub const IDENTITIES_MAX: usize = 16;
/// Longest source name, in bytes.
pub const SOURCE_MAX_BYTES: usize = 64;
/// Longest event id of a source, in bytes.
pub const SOURCE_EVENT_ID_MAX_BYTES: usize = 256;
/// Most areas in one property search.
pub const AREAS_MAX: usize = 32;
/// Most property types in one property search.
pub const PROPERTY_TYPES_MAX: usize = 8;
/// Longest call or session, in milliseconds (one day).
pub const DURATION_MAX_MS: u32 = 86_400_000;
/// Highest price, in whole units of the brokerage's currency.
pub const PRICE_MAX: i64 = 1_000_000_000_000;
/// How far a source's clock may run ahead of ours, in microseconds (five minutes).
pub const CLOCK_SKEW_MAX_US: i64 = 5 * 60 * 1_000_000;
