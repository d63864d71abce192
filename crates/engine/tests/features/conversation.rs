use leadscore_engine::conversation::{
    FitError, FoldError, Label, SentimentError, SentimentModel, SentimentOptions, evaluate, folds,
};
use proptest::prelude::*;

const SMALL: SentimentOptions = SentimentOptions { bits: 10, penalty: 0.1, balanced: false };

/// Texts whose label follows from one of their words.
fn texts() -> (Vec<String>, Vec<Label>) {
    let things = ["kitchen", "garden", "roof", "agent", "price", "street", "garage", "view", "office", "bath"];
    let words = [("zorp", Label::Negative), ("blen", Label::Neutral), ("quim", Label::Positive)];
    let text = |thing: &&str, word: &str, i: usize| format!("the {thing} was {word} on day {i}");
    (0..90).map(|i| (text(&things[i % things.len()], words[i % words.len()].0, i), words[i % words.len()].1)).unzip()
}

fn small() -> SentimentModel {
    let (texts, labels) = texts();
    SentimentModel::fit(&texts, &labels, SMALL).unwrap()
}

#[test]
fn the_model_that_is_compiled_in_knows_how_people_speak() {
    let model = SentimentModel::compiled_in();
    for (text, label) in [
        ("We absolutely love it, when can we sign?", Label::Positive),
        ("Thank you so much, that was really helpful", Label::Positive),
        ("yeah that works great for us", Label::Positive),
        ("it's not bad at all", Label::Positive),
        ("Is it still available?", Label::Neutral),
        ("We need three bedrooms and a garage", Label::Neutral),
        ("I'm at work, can you call me at five?", Label::Neutral),
        ("It was awful, the place stinks", Label::Negative),
        ("I don't like it at all", Label::Negative),
        ("this is way too much money", Label::Negative),
        ("I'm not interested, stop calling", Label::Negative),
        ("nobody ever called me back", Label::Negative),
    ] {
        assert_eq!(model.label(text), label, "{text}: {:?}", model.probabilities(text));
    }
}

#[test]
fn a_model_is_the_same_on_any_number_of_threads_and_after_a_round_trip() {
    let (texts, labels) = texts();
    let fit = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| SentimentModel::fit(&texts, &labels, SMALL)).unwrap()
    };
    let (one, three) = (fit(1), fit(3));
    assert_eq!(one.to_bytes(), three.to_bytes());
    let read = SentimentModel::from_bytes(&one.to_bytes()).unwrap();
    assert_eq!(read, one);
    assert_eq!(read.probabilities("the roof was zorp"), one.probabilities("the roof was zorp"));
}

#[test]
fn what_was_learned_holds_for_texts_that_were_not_seen() {
    let (texts, labels) = texts();
    let (evaluation, judged) = evaluate(&texts, &labels, 5, 1, SMALL).unwrap();
    assert!(evaluation.accuracy > 0.95 && evaluation.macro_f1 > 0.95, "{evaluation:?}");
    assert_eq!(judged.len(), texts.len());
    assert_eq!(evaluation.confusion.iter().flatten().sum::<usize>(), texts.len());
}

#[test]
fn a_class_without_texts_is_never_judged() {
    let (texts, labels) = texts();
    let both: (Vec<&String>, Vec<Label>) =
        texts.iter().zip(&labels).filter(|(_, label)| **label != Label::Neutral).unzip();
    let model = SentimentModel::fit(&both.0, &both.1, SMALL).unwrap();
    let [_, neutral, _] = model.probabilities("whatever");
    assert_eq!(neutral, 0.0);
    assert_eq!(SentimentModel::from_bytes(&model.to_bytes()).unwrap(), model);
}

#[test]
fn the_same_text_is_in_one_fold_and_every_fold_has_every_label() {
    let (mut texts, mut labels) = texts();
    let again: Vec<String> = texts.iter().map(|text| format!("{}!!", text.to_uppercase())).collect();
    texts.extend(again);
    labels.extend(labels.clone());
    let found = folds(&texts, &labels, 5, 1);
    assert_eq!(found[..90], found[90..]);
    for fold in 0..5 {
        for label in Label::ALL {
            let count = (0..90).filter(|&i| found[i] == fold && labels[i] == label).count();
            assert_eq!(count, 6, "{label:?} in fold {fold}");
        }
    }
    assert_ne!(found, folds(&texts, &labels, 5, 2), "the seed decides");
}

#[test]
fn too_little_to_learn_from_is_refused() {
    let texts = ["good"; 20];
    let fit = |labels: &[Label], options| SentimentModel::fit(&texts, labels, options).unwrap_err();
    assert_eq!(fit(&[Label::Positive; 20], SMALL), FitError::Labels([0, 0, 20]));
    assert_eq!(fit(&[Label::Positive; 19], SMALL), FitError::Lengths);
    for options in [
        SentimentOptions { bits: 7, ..SMALL },
        SentimentOptions { bits: 40, ..SMALL },
        SentimentOptions { penalty: 0.0, ..SMALL },
        SentimentOptions { penalty: f64::NAN, ..SMALL },
    ] {
        assert!(matches!(fit(&[Label::Positive; 20], options), FitError::Option(_)));
    }
    assert_eq!(evaluate(&texts, &[Label::Positive; 20], 1, 1, SMALL).unwrap_err(), FoldError::Folds);
    assert!(matches!(evaluate(&texts, &[Label::Positive; 20], 2, 1, SMALL).unwrap_err(), FoldError::Fit(0, _)));
}

#[test]
fn damaged_bytes_are_refused() {
    let bytes = small().to_bytes();
    assert_eq!(SentimentModel::from_bytes(b"").unwrap_err(), SentimentError::Foreign);
    assert_eq!(SentimentModel::from_bytes(b"{}").unwrap_err(), SentimentError::Foreign);
    for length in (0..bytes.len()).step_by(97) {
        assert!(SentimentModel::from_bytes(&bytes[..length]).is_err(), "cut to {length}");
    }
    for place in (0..bytes.len()).step_by(53) {
        let mut changed = bytes.clone();
        changed[place] ^= 0x41;
        assert!(SentimentModel::from_bytes(&changed).is_err(), "changed at {place}");
    }
    let mut newer = bytes;
    newer[6] = 9;
    assert_eq!(SentimentModel::from_bytes(&newer).unwrap_err(), SentimentError::Version(9));
}

proptest! {
    #[test]
    fn any_text_has_a_sentiment(text in "\\PC{0,200}") {
        let model = SentimentModel::compiled_in();
        let score = model.score(&text);
        prop_assert!((-1.0..=1.0).contains(&score));
        let sum: f64 = model.probabilities(&text).iter().sum();
        prop_assert!((sum - 1.0).abs() < 1e-12);
    }

    #[test]
    fn any_bytes_are_a_model_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), known in any::<bool>()) {
        if known {
            bytes.splice(0..0, *b"LSSENT\x01");
        }
        if let Ok(model) = SentimentModel::from_bytes(&bytes) {
            prop_assert!((-1.0..=1.0).contains(&model.score("any text")));
        }
    }
}
