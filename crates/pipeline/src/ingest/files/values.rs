//! Reading the text of a field: missing, number, boolean, category.
//!
//! Invariant: a field is missing, a value, or wrong for a reason; nothing is guessed.

use std::borrow::Cow;

/// Fields that mean nothing is known.
#[derive(Debug, Clone)]
pub(super) struct MissingTokens(Vec<String>);

impl MissingTokens {
    /// The tokens of several lists together.
    pub fn new<'a>(lists: impl IntoIterator<Item = &'a [String]>) -> Self {
        Self(lists.into_iter().flatten().map(|token| token.trim().to_owned()).collect())
    }

    /// The field without outer blanks, unless it means nothing is known.
    pub fn known<'a>(&self, field: Option<&'a str>) -> Option<&'a str> {
        let text = field?.trim();
        let missing = text.is_empty() || self.0.iter().any(|token| same_word(token, text));
        (!missing).then_some(text)
    }
}

/// Whether two words are the same but for case.
pub(super) fn same_word(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || (!a.is_ascii() && a.to_lowercase() == b.to_lowercase())
}

/// Reads a finite number. Currency signs, a percent sign (the number stays as written) and separators of thousands
/// are passed over.
///
/// # Errors
/// What is wrong, without the text.
pub(super) fn number(text: &str, decimal: char) -> Result<f64, &'static str> {
    if decimal == '.'
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'))
        && let Ok(number) = text.parse::<f64>()
    {
        return if number.is_finite() { Ok(number) } else { Err("is too large a number") };
    }
    let bare = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '$' | '€' | '£' | '¥' | '₹' | '%'));
    if ["nan", "inf", "infinity", "-nan", "-inf", "-infinity", "+inf"].iter().any(|word| same_word(word, bare)) {
        return Err("is not a finite number");
    }
    let plain = without_thousands(bare, decimal).ok_or("is not a number")?;
    match plain.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err("is too large a number"),
        Err(_) => Err("is not a number"),
    }
}

/// `-1,234.50` becomes `-1234.50`; `None` where the separators do not stand before three digits.
fn without_thousands(text: &str, decimal: char) -> Option<Cow<'_, str>> {
    let separator = if decimal == ',' { '.' } else { ',' };
    let (whole, fraction) = text.split_once(decimal).map_or((text, None), |(w, f)| (w, Some(f)));
    if !whole.bytes().any(|b| b.is_ascii_digit()) && fraction.is_none() {
        return None;
    }
    if fraction.is_some_and(|f| f.contains([',', ' '])) {
        return None;
    }
    let mut groups = whole.split([separator, '\u{a0}', ' ', '\'']);
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let first_digits = first.trim_start_matches(['-', '+']).len();
    if !rest.is_empty() && (first_digits == 0 || first_digits > 3) {
        return None;
    }
    if rest.iter().any(|group| group.len() != 3 || !group.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let mut plain = first.to_owned();
    rest.iter().for_each(|group| plain.push_str(group));
    if let Some(fraction) = fraction {
        plain.push('.');
        plain.push_str(fraction);
    }
    // Rust would read words such as `infinity`; they were sorted out before.
    let first_ok = plain.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    first_ok.then_some(Cow::Owned(plain))
}

/// Reads yes or no.
pub(super) fn boolean(text: &str) -> Option<bool> {
    const YES: [&str; 7] = ["true", "yes", "1", "y", "t", "1.0", "on"];
    const NO: [&str; 7] = ["false", "no", "0", "n", "f", "0.0", "off"];
    if YES.iter().any(|word| same_word(word, text)) {
        Some(true)
    } else if NO.iter().any(|word| same_word(word, text)) {
        Some(false)
    } else {
        None
    }
}

/// A word in one form: without line breaks and repeated blanks.
pub(super) fn category(text: &str) -> Cow<'_, str> {
    let tidy = !text.chars().any(char::is_control) && !text.contains("  ") && text.trim().len() == text.len();
    if tidy {
        return Cow::Borrowed(text);
    }
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Cow::Owned(spaced.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, decimal, expected) in [
            ("1.5", '.', 1.5),
            ("-3", '.', -3.0),
            ("1e3", '.', 1000.0),
            ("$1,234.50", '.', 1234.5),
            ("12 %", '.', 12.0),
            ("1.234,5", ',', 1234.5),
            ("0,5 €", ',', 0.5),
            ("1 234 567", '.', 1_234_567.0),
        ] {
            assert_eq!(number(text, decimal), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_finite_number_is_refused() {
        for text in
            ["NaN", "inf", "-Infinity", "1e999", "", "abc", "1,2,3", "12,34", "1.2.3", "--1", "1-2", "$", "e", "."]
        {
            assert!(number(text, '.').is_err(), "{text}");
        }
    }

    #[test]
    fn missing_tokens_are_compared_without_case_and_blanks() {
        let tokens = MissingTokens::new([&["NA".to_owned(), "Select".to_owned()][..]]);
        assert_eq!(tokens.known(Some(" na ")), None);
        assert_eq!(tokens.known(Some("SELECT")), None);
        assert_eq!(tokens.known(Some("  ")), None);
        assert_eq!(tokens.known(None), None);
        assert_eq!(tokens.known(Some(" x ")), Some("x"));
    }

    #[test]
    fn categories_lose_line_breaks() {
        assert_eq!(category(" a\r\n b  c "), "a b c");
    }

    proptest::proptest! {
        #[test]
        fn a_number_that_is_read_is_finite(text in ".{0,24}", comma in proptest::bool::ANY) {
            if let Ok(value) = number(&text, if comma { ',' } else { '.' }) {
                proptest::prop_assert!(value.is_finite());
            }
        }
    }
}
