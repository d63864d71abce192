//! Passwords: which may be chosen, and what is kept of them.
//!
//! Kept is an Argon2id hash (RFC 9106). Refused is what is short, and what a guesser comes to early: passwords that many
//! people have, words, names, dates, keyboard patterns, and the person's own address ([`zxcvbn`], Wheeler 2016). Invariant:
//! a wrong address takes as long as a wrong password. Deliberately absent: rules about kinds of characters, and a service
//! that is asked about breached passwords.

use std::sync::OnceLock;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use leadscore_domain::Invalid;
use zxcvbn::{Score, zxcvbn};

use crate::{StoreError, keyring::random};

/// Shortest password, in characters, of which one may take four bytes.
const MIN_CHARS: usize = 8;
/// Longest password.
const MAX_BYTES: usize = 256;
/// Characters whose strength is estimated: a password that is strong up to there is strong.
const ESTIMATED_CHARS: usize = 64;
/// The least strength: a million guesses, which log-ins at their bound take decades for.
const STRENGTH_MIN: Score = Score::Two;
/// Words that are no secret here.
const PRODUCT: [&str; 4] = ["leadscore", "realestate", "realtor", "brokerage"];

/// What is kept of a password that may be chosen. `known` is what everybody knows of its owner.
///
/// # Errors
/// [`StoreError::Invalid`] where it may not be chosen.
pub(crate) async fn hashed(password: String, known: Vec<String>) -> Result<String, StoreError> {
    if password.len() > MAX_BYTES || password.chars().count() < MIN_CHARS {
        let remedy = format!("choose at least {MIN_CHARS} characters, and at most {MAX_BYTES} bytes");
        return Err(Invalid::new("password", "is too short or too long", remedy).into());
    }
    slowly(move || {
        if is_guessed_early(&password, &known) {
            let remedy = "choose another one: several words that do not belong together, or have one generated";
            return Err(Invalid::new("password", "is among the first that somebody would guess", remedy).into());
        }
        hash(&password)
    })
    .await
}

/// Whether a password is right; `stored` is what was kept of it, nothing where nobody has the address.
///
/// # Errors
/// [`StoreError::Closed`] at shutdown.
pub(crate) async fn verify(password: String, stored: Option<String>) -> Result<bool, StoreError> {
    slowly(move || Ok(is_right(&password, stored.as_deref()))).await
}

fn is_guessed_early(password: &str, known: &[String]) -> bool {
    let estimated: String = password.chars().take(ESTIMATED_CHARS).collect();
    let parts = known.iter().flat_map(|text| text.split(['@', '.', '-', '_', '+', ' ']).chain([text.as_str()]));
    let words: Vec<&str> = parts.filter(|word| word.chars().count() > 2).chain(PRODUCT).collect();
    zxcvbn(&estimated, &words).score() < STRENGTH_MIN
}

fn hash(password: &str) -> Result<String, StoreError> {
    let mut salt = [0; 16];
    random::fill(&mut salt);
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|e| StoreError::Invalid(Invalid::new("password", e, "choose another one")))?;
    Ok(hash.to_string())
}

/// Compares with `stored`, or with the hash of a password that nobody has: both take equally long.
fn is_right(password: &str, stored: Option<&str>) -> bool {
    static NOBODY: OnceLock<Option<String>> = OnceLock::new();
    let nobody = NOBODY.get_or_init(|| hash("nobody's password").ok());
    let Some(Ok(hash)) = stored.or(nobody.as_deref()).map(PasswordHash::new) else { return false };
    let right = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
    right && stored.is_some()
}

/// It takes tens of milliseconds: it must not hold up a thread that serves others.
async fn slowly<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    // A task that was dropped at shutdown has no result.
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_guessed_early_is_refused_and_what_is_not_is_not() {
        let known = ["wilhelmina.tell@example.com".to_owned()];
        let many = "password password1 12345678 qwertyuiop iloveyou sunshine1 P@ssw0rd leadscore1 wilhelmina wilhelmina1 \
                    aaaaaaaa 20260301 wilhelmina.tell@example.com Realtor1";
        for guessed in many.split(' ') {
            assert!(is_guessed_early(guessed, &known), "{guessed}");
        }
        for chosen in ["correct horse battery staple", "tausend Igel am Zaun", "x7#pQ9!mZ2", "さくらの花が咲いた"]
        {
            assert!(!is_guessed_early(chosen, &known), "{chosen}");
        }
    }

    #[test]
    fn a_long_password_takes_no_longer_and_is_compared_whole() {
        let long = "correct horse battery staple ".repeat(8);
        assert!(!is_guessed_early(&long, &[]));
        let kept = hash(&long).unwrap();
        assert!(is_right(&long, Some(&kept)) && !is_right(long.trim_end(), Some(&kept)));
        assert!(!is_right("nobody's password", None), "nobody has it");
    }
}
