//! What is said in a call that is played: a text file, a line for each turn.

use leadscore_domain::{
    event::{Speaker, Turn},
    limits,
};

/// The call that is played where no script is named.
pub const DEFAULT: &str = include_str!("call.txt");
/// How long a spoken byte takes, in milliseconds: 150 words of six bytes a minute.
const BYTE_MS: u32 = 67;
/// The silence between two turns.
const PAUSE_MS: u32 = 400;

/// Reads a script: `agent: …` and `lead: …`; empty lines, and those that begin with `#`, say nothing.
///
/// # Errors
/// Names the line that is neither.
pub fn read(text: &str) -> Result<Vec<Turn>, String> {
    let mut turns = Vec::new();
    let mut start_ms = 0_u32;
    for (number, line) in text.lines().enumerate().map(|(place, line)| (place + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let said = line.split_once(':').map(|(who, said)| (who.trim(), said.trim()));
        let (speaker, said) = match said {
            Some(("agent", said)) if !said.is_empty() => (Speaker::Agent, said),
            Some(("lead", said)) if !said.is_empty() => (Speaker::Lead, said),
            Some(_) | None => return Err(format!("line {number}: is neither `agent: …` nor `lead: …`")),
        };
        if said.len() > limits::TEXT_MAX_BYTES || turns.len() == limits::TURNS_MAX {
            return Err(format!("line {number}: the call is too long"));
        }
        let duration_ms = BYTE_MS * u32::try_from(said.len()).unwrap_or(u32::MAX / BYTE_MS);
        turns.push(Turn { speaker, text: said.to_owned(), start_ms, duration_ms: Some(duration_ms), sentiment: None });
        start_ms = start_ms.saturating_add(duration_ms).saturating_add(PAUSE_MS);
    }
    if turns.is_empty() { Err("nobody says anything".to_owned()) } else { Ok(turns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_our_own_is_one() {
        let turns = read(DEFAULT).unwrap();
        assert_eq!((turns.len(), turns[1].speaker), (12, Speaker::Lead));
        assert!(turns.windows(2).all(|pair| pair[0].start_ms < pair[1].start_ms));
    }

    #[test]
    fn what_is_no_turn_is_named_by_its_line() {
        for (text, expected) in [
            ("", "nobody"),
            ("# a call\n\n", "nobody"),
            ("agent: Hello\nLead: Hi", "line 2"),
            ("agent:\n", "line 1"),
            ("lead: Hi\n\nand then", "line 3"),
        ] {
            assert!(read(text).unwrap_err().contains(expected), "{text}");
        }
    }
}
