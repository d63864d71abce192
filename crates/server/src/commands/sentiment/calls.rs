//! Calls as numbers, a line each.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Args;
use leadscore_domain::event::{Direction, Turn, VoiceCall};
use leadscore_engine::{
    conversation::{self, CallReading, SentimentModel, Side},
    features::Signal,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::failure::bad_input;

/// Longest line, in bytes.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore sentiment calls calls.jsonl
  leadscore sentiment calls calls.jsonl --model sentiment.bin --out read.jsonl

A line is {\"id\": …, \"turns\": [{\"speaker\": \"lead\", \"text\": …, \"start_ms\": 0, \"duration_ms\": 900}]}; the speaker is
`lead` or `agent`, the times may be left out.")]
pub struct Options {
    /// The calls: JSON lines
    file: PathBuf,
    /// A model that `train` wrote [default: the one that is built in]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// File to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    #[serde(default)]
    id: Value,
    turns: Vec<Map<String, Value>>,
    #[serde(default)]
    sentiment: Option<f32>,
}

/// Runs the command.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let model = super::model(options.model.as_deref())?;
    let name = options.file.display();
    let file = File::open(&options.file).map_err(|error| bad_input(format!("{name}: {error}")))?;
    let sink: Box<dyn io::Write> = match &options.out {
        Some(path) => Box::new(File::create(path).with_context(|| format!("writing {}", path.display()))?),
        None => Box::new(io::stdout()),
    };
    let (mut lines, mut out) = (BufReader::new(file), BufWriter::new(sink));
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let read = read(&line, &model).map_err(|error| bad_input(format!("{name}, line {number}: {error}")))?;
        writeln!(out, "{read}")?;
    }
    out.flush()?;
    Ok(())
}

/// One line's call in numbers.
fn read(line: &[u8], model: &SentimentModel) -> Result<Value, serde_json::Error> {
    let call: Call = serde_json::from_slice(line)?;
    let turns: Vec<Turn> = call.turns.into_iter().map(turn).collect::<Result<_, _>>()?;
    let call_data = VoiceCall {
        direction: Direction::Outbound,
        answered: true,
        duration_ms: 0,
        ai_voice: false,
        turns,
        sentiment: call.sentiment,
        call_id: None,
    };
    let (reading, scores) = conversation::read_call(&call_data, model);
    let mut read = numbers(&reading);
    read.insert("id".to_owned(), call.id);
    read.insert("turn_sentiments".to_owned(), json!(scores));
    Ok(Value::Object(read))
}

/// A turn; without offset it begins at 0.
fn turn(mut members: Map<String, Value>) -> Result<Turn, serde_json::Error> {
    members.entry("start_ms").or_insert(json!(0));
    serde_json::from_value(Value::Object(members))
}

/// The features of a call; what is not known is null.
fn numbers(reading: &CallReading) -> Map<String, Value> {
    let milli = |value: Option<i16>| value.map(|value| f64::from(value) / 1_000.0);
    let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    let (lead, agent) = (&reading.lead, &reading.agent);
    let mut numbers = Map::new();
    let mut set = |name: &str, value: Value| numbers.insert(name.to_owned(), value);
    set("sentiment", json!(milli(reading.sentiment_milli)));
    set("platform_sentiment", json!(milli(reading.platform_milli)));
    set("sentiment_trend", json!(milli(reading.trend_milli)));
    let speech = (lead.speech_ms + agent.speech_ms) as f64;
    set("lead_talk_share", json!(ratio(lead.speech_ms as f64, speech)));
    for (who, side) in [("lead", lead), ("agent", agent)] {
        let Side { turns, words, speech_ms: _, questions, replies, pause_ms, interruptions } = *side;
        set(&format!("{who}_turns"), json!(turns));
        set(&format!("{who}_words"), json!(words));
        set(&format!("{who}_questions"), json!(questions));
        set(&format!("{who}_pause_seconds"), json!(ratio(pause_ms as f64 / 1_000.0, f64::from(replies))));
        set(&format!("{who}_interruptions"), json!(interruptions));
    }
    set("topics", json!(reading.topics().collect::<BTreeMap<Signal, u16>>()));
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_numbers() {
        let line = br#"{"id":7,"turns":[{"speaker":"agent","text":"What do you think?"},
            {"speaker":"lead","text":"It is too expensive for us."}]}"#;
        let read = read(line, SentimentModel::compiled_in()).unwrap();
        assert_eq!(read["id"], 7);
        assert_eq!(read["agent_questions"], 1);
        assert_eq!(read["topics"]["objection_price"], 1);
        assert_eq!(read["lead_pause_seconds"], Value::Null);
        assert_eq!(read["turn_sentiments"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_line_that_is_no_call_is_refused() {
        for line in ["", "[]", "{}", r#"{"turns":[{"speaker":"cat","text":""}]}"#, r#"{"turns":[],"other":1}"#] {
            assert!(read(line.as_bytes(), SentimentModel::compiled_in()).is_err(), "{line}");
        }
    }
}
