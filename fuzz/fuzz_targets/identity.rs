//! Handles of leads: what is normal stays as it is, and numbers are E.164. Of numbers that no country has, the library
//! reads some otherwise once it has written them; they are left alone. The first byte says what kind.

#![no_main]

use leadscore_domain::{IdentityKind, RawIdentity, Region};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut characters = text.chars();
    let (kind, region) = match characters.next() {
        Some('e') => (IdentityKind::Email, "US"),
        Some('c') => (IdentityKind::Crm, "US"),
        Some('w') => (IdentityKind::Web, "US"),
        Some('d') => (IdentityKind::Phone, "DE"),
        Some(_) => (IdentityKind::Phone, "US"),
        None => return,
    };
    let region: Region = region.parse().expect("a country");
    let Ok(identity) = (RawIdentity { kind, value: characters.as_str().to_owned() }).normalise(region) else { return };
    let value = identity.value().to_owned();
    if kind == IdentityKind::Phone {
        let digits = value.strip_prefix('+').expect("E.164 begins with a plus");
        assert!((7..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()), "{value}");
        let _ = RawIdentity { kind, value }.normalise(region);
        return;
    }
    let again = RawIdentity { kind, value }.normalise(region).expect("what is normal is valid");
    assert_eq!(again, identity, "what is normal has another normal form");
});
