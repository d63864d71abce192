//! `POST /api/v1/leads/batch-score` with `application/x-ndjson`: any number of leads, one a line, answered line by line.
//!
//! Invariants: the request is read to its end before the answer begins, so that a sender that writes first and reads
//! then is served too, and a wrong line is a problem; of the answer one chunk is in memory at a time. An answer
//! without its last line, the summary, is not complete.

use std::{convert::Infallible, sync::Arc, time::Instant};

use axum::{
    Extension,
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt as _, stream};
use leadscore_domain::{LeadId, Timestamp};
use leadscore_engine::score::Scorer;
use leadscore_store::{Principal, audit::Object};
use serde::Serialize;

use super::{
    batch_score::{BatchError, BatchScore, Error, Known, Options},
    models,
};
use crate::{
    audit::Touched,
    json::parse,
    problem::{Code, Problem, ProblemBody},
    state::Api,
};

/// The media type of JSON values, one a line.
pub const MEDIA_TYPE: &str = "application/x-ndjson";

/// Leads that are scored and answered at once.
const CHUNK: usize = 1_000;
/// Longest line of a request.
const LINE_MAX_BYTES: usize = 1_024;

/// A line of the answer.
#[derive(Serialize)]
#[serde(untagged)]
enum Line {
    Score(BatchScore),
    Error(BatchError),
    Summary { total_processed: usize, total_errors: usize, processing_time_ms: u64 },
    Broken { problem: ProblemBody },
}

/// Reads the leads, and begins to answer.
///
/// # Errors
/// Where a line is wrong, there are too many, or the model cannot be used.
pub async fn answer(api: Arc<Api>, principal: Arc<Principal>, body: Body) -> Result<Response, Error> {
    let (options, ids) = read(&api, body).await?;
    let touched: Touched = ids.iter().map(|lead| Object::Lead(*lead)).collect();
    let loader = Arc::clone(&api);
    let Options { include_predictions, model_version } = options;
    let scorer = tokio::task::spawn_blocking(move || models::scorer(&loader, model_version.as_deref())).await??;
    let at = api.clock.now();
    let started = Instant::now();
    let work = Work { api, principal, scorer, at, include_predictions, ids, next: 0, scored: 0, started };
    let lines = stream::unfold(Some(work), |work| async {
        let mut work = work?;
        let (bytes, ended) = work.lines().await;
        Some((Ok::<_, Infallible>(bytes), if ended { None } else { Some(work) }))
    });
    Ok((Extension(touched), [(header::CONTENT_TYPE, MEDIA_TYPE)], Body::from_stream(lines.fuse())).into_response())
}

struct Work {
    api: Arc<Api>,
    principal: Arc<Principal>,
    scorer: Arc<Scorer>,
    at: Timestamp,
    include_predictions: bool,
    ids: Vec<LeadId>,
    /// The first lead that is not answered yet.
    next: usize,
    scored: usize,
    started: Instant,
}

impl Work {
    /// The next lines, and whether they are the last.
    async fn lines(&mut self) -> (Bytes, bool) {
        if self.next == self.ids.len() {
            let line = Line::Summary {
                total_processed: self.scored,
                total_errors: self.ids.len() - self.scored,
                processing_time_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            };
            return (text(&[line]).into(), true);
        }
        match self.chunk().await {
            Ok(bytes) => (bytes.into(), false),
            Err(error) => (text(&[Line::Broken { problem: Problem::from(error).into_body() }]).into(), true),
        }
    }

    async fn chunk(&mut self) -> Result<Vec<u8>, Error> {
        // Not for the whole answer: whoever reads slowly must not keep others waiting.
        let _permit = self.api.batch_permits.acquire().await.expect("the semaphore is never closed");
        let end = self.ids.len().min(self.next + CHUNK);
        let ids = self.ids[self.next..end].to_vec();
        let known = Known::read(&self.api, &self.principal, &ids).await?;
        let (scorer, at, include_predictions) = (Arc::clone(&self.scorer), self.at, self.include_predictions);
        let scored = tokio::task::spawn_blocking(move || {
            let line = |(id, result)| match result {
                Ok(score) => Line::Score(BatchScore::new(id, &score, include_predictions)),
                Err(code) => Line::Error(BatchError::new(id, code)),
            };
            let lines: Vec<Line> = known.score(&ids, &scorer, at).into_iter().map(line).collect();
            (lines.iter().filter(|line| matches!(line, Line::Score(_))).count(), text(&lines))
        });
        let (scored, bytes) = scored.await?;
        self.next = end;
        self.scored += scored;
        Ok(bytes)
    }
}

fn text(lines: &[Line]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut bytes, line).expect("a line is plain data with string keys");
        bytes.push(b'\n');
    }
    bytes
}

/// What is read of a request so far.
#[derive(Default)]
struct Reader {
    options: Option<Options>,
    ids: Vec<LeadId>,
    /// The line that is not complete yet.
    rest: Vec<u8>,
    lines: usize,
}

async fn read(api: &Api, body: Body) -> Result<(Options, Vec<LeadId>), Problem> {
    let mut reader = Reader::default();
    let mut frames = body.into_data_stream();
    loop {
        let frame = tokio::time::timeout(api.limits.body_timeout, frames.next()).await;
        match frame.map_err(|_| Problem::new(Code::BodyTimeout, "The body stood still for too long."))? {
            None => break,
            Some(Ok(bytes)) => reader.take(&bytes, api.limits.stream_max)?,
            Some(Err(_)) => return Err(Problem::new(Code::UnreadableBody, "The body broke off.")),
        }
    }
    reader.take(b"\n", api.limits.stream_max)?;
    Ok((reader.options.unwrap_or_default(), reader.ids))
}

impl Reader {
    fn take(&mut self, bytes: &[u8], leads_max: usize) -> Result<(), Problem> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if self.rest.len() > LINE_MAX_BYTES {
                let detail = format!("Line {} has more than {LINE_MAX_BYTES} bytes.", self.lines + 1);
                return Err(Problem::new(Code::InvalidField, detail).remedy("send one lead id on each line"));
            }
            if part.ends_with(b"\n") {
                self.lines += 1;
                let line = std::mem::take(&mut self.rest);
                self.line(line.trim_ascii(), leads_max).map_err(|problem| problem.at(self.lines, 1))?;
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], leads_max: usize) -> Result<(), Problem> {
        if line.is_empty() {
            return Ok(());
        }
        if line.starts_with(b"{") && self.options.is_none() && self.ids.is_empty() {
            self.options = Some(parse(line)?);
            return Ok(());
        }
        if self.ids.len() == leads_max {
            return Err(Problem::new(Code::InvalidField, format!("has more than {leads_max} leads"))
                .field("lead_ids")
                .remedy(format!("send at most {leads_max} at once")));
        }
        let id = parse::<LeadId>(line).map_err(|problem| {
            let field = format!("lead_ids[{}]", self.ids.len());
            problem.field(field).remedy("write each id in quotes on a line of its own")
        })?;
        self.ids.push(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Method};
    use serde_json::{Value, json};

    use crate::{
        Limits,
        testing::{NOBODY, Reply, TestApp},
    };

    const PATH: &str = "/api/v1/leads/batch-score";

    async fn post(app: &TestApp, body: impl Into<Body>) -> Reply {
        let request = app.request(Method::POST, PATH).header("content-type", "application/x-ndjson; charset=utf-8");
        app.send(request.body(body.into()).unwrap()).await
    }

    fn lines(reply: &Reply) -> Vec<Value> {
        assert!(reply.status.is_success(), "{reply:?}");
        assert_eq!(reply.header("content-type"), "application/x-ndjson");
        assert!(reply.body.ends_with(b"\n"));
        let lines = reply.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn wrong_lines_are_refused_before_anything_is_answered() {
        let app = TestApp::with(Limits { stream_max: 3, ..Limits::default() }).await;
        let id = format!("\"{NOBODY}\"\n");
        for (body, code, line) in [
            (format!("{id}ann\n"), "malformed-json", 2),
            (format!("{id}\n\"ann\""), "invalid-field", 3),
            (format!("{id}{{}}"), "invalid-field", 2),
            ("{\"colour\": 1}\n".to_owned(), "invalid-field", 1),
            (format!("{{}}\n{{}}\n{id}"), "invalid-field", 2),
            ("\"".to_owned() + &"x".repeat(2_000), "invalid-field", 0),
            (id.repeat(4), "invalid-field", 4),
        ] {
            let reply = post(&app, body.clone()).await;
            assert_eq!(reply.code(), code, "{body}");
            assert_eq!(reply.json()["line"].as_u64().unwrap_or(0), line, "{body}");
        }
        assert_eq!(post(&app, "{\"model_version\": \"v9\"}").await.code(), "model-not-found");
    }

    #[tokio::test]
    async fn each_lead_is_a_line_and_the_last_one_sums_up() {
        let app = TestApp::new().await;
        let (one, two) = (app.lead("one").await, app.lead("two").await);
        app.derive(|_| None).await;
        // More than are read at once.
        let mut ids: Vec<String> = vec![json!(one).to_string(), json!(NOBODY).to_string()];
        ids.extend(std::iter::repeat_n(json!(two).to_string(), 2_500));
        let reply = post(&app, ids.join("\n")).await;
        let lines = lines(&reply);
        assert_eq!(lines.len(), ids.len() + 1);
        for (id, line) in ids.iter().zip(&lines) {
            assert_eq!(line["lead_id"].to_string(), *id);
        }
        assert!(lines[0]["predictions"].is_object() && lines[0]["score"].is_u64());
        assert_eq!((&lines[1]["code"], &lines[1]["score"]), (&json!("lead-not-found"), &Value::Null));
        let summary = &lines[ids.len()];
        assert_eq!((&summary["total_processed"], &summary["total_errors"]), (&json!(2_501), &json!(1)));
        assert!(summary["processing_time_ms"].is_u64());

        let body = format!("{{\"include_predictions\": false, \"model_version\": \"scorecard\"}}\n{}", ids[0]);
        let lines = self::lines(&post(&app, body).await);
        assert_eq!((lines.len(), &lines[0]["predictions"]), (2, &Value::Null));
        let both = app.post(PATH, &json!({"lead_ids": [one]})).await.json();
        assert_eq!(both["scores"][0]["score"], lines[0]["score"]);
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_says_so() {
        let app = TestApp::new().await;
        let lead = app.lead("one").await;
        app.state.store.close().await;
        // The token is remembered; the leads cannot be read.
        let lines = lines(&post(&app, json!(lead).to_string()).await);
        assert_eq!((lines.len(), &lines[0]["problem"]["code"]), (1, &json!("unavailable")));
    }
}
