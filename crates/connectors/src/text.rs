//! Text of vendors: clipping to the domain's bounds, and the words by which people opt out.
//!
//! Owns: what counts as an opt-out. Invariant: a clipped text ends at a character's border. Deliberately absent:
//! normal forms of handles, which the domain knows.

/// `text` trimmed, without control characters, at most `max_bytes` long.
pub(crate) fn clip(text: &str, max_bytes: usize) -> String {
    let clean: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(&clean, max_bytes).to_owned()
}

/// `text` as it stands, at most `max_bytes` long.
pub(crate) fn cut(text: &str, max_bytes: usize) -> &str {
    let mut end = max_bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Words that are an opt-out where they are the whole message (CTIA and 47 CFR 64.1200(a)(10)).
const WHOLE: &[&str] =
    &["stop", "stopall", "stop all", "quit", "end", "revoke", "opt out", "optout", "cancel", "unsubscribe"];

/// Phrases that are an opt-out wherever they stand.
const PHRASES: &[&str] = &[
    "stop calling",
    "stop contacting",
    "stop texting",
    "do not call me",
    "don't call me",
    "do not call again",
    "don't call again",
    "never call me",
    "never call again",
    "do not contact me",
    "don't contact me",
    "do not text me",
    "don't text me",
    "take me off your list",
    "take me off the list",
    "take me off your call",
    "remove me from your",
    "remove my number",
    "unsubscribe me",
    "leave me alone",
];

/// Words after `call me` that make a refusal a matter of time.
const LATER: &[&str] = &["before", "after", "until", "at work", "tomorrow", "today", "now", "tonight", "on "];

/// Whether the text says that the person does not want to be called or written to again.
pub(crate) fn is_opt_out(text: &str) -> bool {
    let text = text.to_lowercase().replace('\u{2019}', "'");
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty()).collect();
    let text = words.join(" ");
    if WHOLE.contains(&text.as_str()) {
        return true;
    }
    PHRASES.iter().any(|phrase| {
        text.match_indices(phrase).any(|(at, _)| {
            let rest = text[at + phrase.len()..].trim_start();
            !LATER.iter().any(|later| rest.starts_with(later))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opt_outs_are_heard_and_other_words_are_not() {
        for said in
            ["STOP", " stop. ", "Please stop calling me!", "Don\u{2019}t call me again", "take me off your list"]
        {
            assert!(is_opt_out(said), "{said}");
        }
        for said in ["I stopped by the house", "don't call me before nine", "stop at the end of Elm", "", "call me"] {
            assert!(!is_opt_out(said), "{said}");
        }
    }

    #[test]
    fn clipping_keeps_characters_whole() {
        assert_eq!(clip(" a\u{0}é ", 3), "a ");
        assert_eq!(cut("éé", 3), "é");
    }
}
