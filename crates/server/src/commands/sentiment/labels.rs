//! Labelled texts from files.

use leadscore_engine::conversation::Label;
use leadscore_pipeline::ingest::files;

use super::Texts;
use crate::failure::bad_input;

/// The texts with their labels, file after file.
///
/// # Errors
/// Where a file cannot be read or a label is none.
pub(super) fn read(asked: &Texts) -> anyhow::Result<(Vec<String>, Vec<Label>)> {
    let (mut texts, mut labels) = (Vec::new(), Vec::new());
    for path in &asked.texts {
        let columns = files::columns(path, &[&asked.text, &asked.label])?;
        let words: Vec<&str> = columns.rows.iter().map(|row| row[1].trim()).collect();
        labels.extend(parse(&words).map_err(|problem| bad_input(format!("{}: {problem}", path.display())))?);
        texts.extend(columns.rows.into_iter().map(|mut row| std::mem::take(&mut row[0])));
    }
    Ok((texts, labels))
}

/// The labels of one file, whose numbers are on one scale.
fn parse(words: &[&str]) -> Result<Vec<Label>, String> {
    let numbers: Option<Vec<f64>> = words.iter().map(|word| word.parse().ok()).collect();
    let Some(numbers) = numbers else { return words.iter().map(|word| of_word(word)).collect() };
    let scale: [(f64, Label); 3] = if numbers.iter().any(|number| *number < 0.0) {
        [(-1.0, Label::Negative), (0.0, Label::Neutral), (1.0, Label::Positive)]
    } else if numbers.iter().any(|number| *number > 1.0) {
        [(0.0, Label::Negative), (1.0, Label::Neutral), (2.0, Label::Positive)]
    } else {
        [(0.0, Label::Negative), (0.5, Label::Neutral), (1.0, Label::Positive)]
    };
    let of_number = |number: &f64| {
        let found = scale.iter().find(|(value, _)| value == number);
        found
            .map(|(_, label)| *label)
            .ok_or_else(|| format!("{number} is no label; numbers are 0 and 1, 0 to 2, or -1 to 1"))
    };
    numbers.iter().map(of_number).collect()
}

fn of_word(word: &str) -> Result<Label, String> {
    let lower = word.to_lowercase();
    let begins = |name: &str, least: &str| name.starts_with(&lower) && lower.starts_with(least);
    if begins("negative", "neg") {
        Ok(Label::Negative)
    } else if begins("neutral", "neu") {
        Ok(Label::Neutral)
    } else if begins("positive", "pos") {
        Ok(Label::Positive)
    } else {
        Err(format!("`{word}` is no label; labels are negative, neutral and positive"))
    }
}

#[cfg(test)]
mod tests {
    use Label::{Negative, Neutral, Positive};

    use super::*;

    #[test]
    fn labels_are_words_or_numbers_on_one_scale() {
        assert_eq!(parse(&["neg", "Neutral", "POSITIVE"]).unwrap(), [Negative, Neutral, Positive]);
        assert_eq!(parse(&["0", "1"]).unwrap(), [Negative, Positive]);
        assert_eq!(parse(&["0", "1", "2"]).unwrap(), [Negative, Neutral, Positive]);
        assert_eq!(parse(&["-1", "0", "1"]).unwrap(), [Negative, Neutral, Positive]);
    }

    #[test]
    fn what_is_no_label_is_refused_by_name() {
        for (words, named) in [(&["good"][..], "good"), (&["n"], "`n`"), (&[""], "``"), (&["0", "3"], "3")] {
            let problem = parse(words).unwrap_err();
            assert!(problem.contains(named), "{problem}");
        }
    }
}
