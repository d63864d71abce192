//! Bodies that come compressed: `Content-Encoding: gzip` or `zstd`.
//!
//! Invariant: what a body takes in memory is bounded by what it may have, not by what it says: decompression stops at
//! the bound. Deliberately absent: codings on top of each other, `deflate` and `br`.

use std::io::{self, Read};

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
};
use flate2::read::MultiGzDecoder;

use crate::problem::{Code, Problem};

/// The largest window that a zstd frame may ask for, as a power of two: 8 MiB, which every encoder keeps to that means
/// to be read by others (RFC 8878, section 3.1.1.1.2).
const WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// What the header says.
    ///
    /// # Errors
    /// [`Code::UnsupportedMediaType`] where it is another coding, or several.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let (first, more) = (values.next(), values.next());
        let Some(first) = first else { return Ok(Self::Identity) };
        match first.to_str().map(|text| text.trim().to_ascii_lowercase()).as_deref() {
            Ok("identity") if more.is_none() => Ok(Self::Identity),
            Ok("gzip" | "x-gzip") if more.is_none() => Ok(Self::Gzip),
            Ok("zstd") if more.is_none() => Ok(Self::Zstd),
            Ok(_) | Err(_) => Err(Problem::new(Code::UnsupportedMediaType, "The body is compressed in another way.")
                .remedy("Send the body with `Content-Encoding: gzip` or `zstd`, or without.")),
        }
    }

    /// The body as it was before it was compressed.
    ///
    /// # Errors
    /// [`Code::BodyTooLarge`] where it was longer than `max_bytes`; [`Code::UnreadableBody`] where it cannot be read.
    pub fn decode(self, bytes: Bytes, max_bytes: usize) -> Result<Bytes, Problem> {
        match self {
            Self::Identity => Ok(bytes),
            Self::Gzip => read(MultiGzDecoder::new(&bytes[..]), max_bytes),
            Self::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(&bytes[..]).and_then(|mut decoder| {
                    decoder.window_log_max(WINDOW_LOG_MAX)?;
                    Ok(decoder)
                });
                read(decoder.map_err(|_| unreadable())?, max_bytes)
            }
        }
    }
}

/// Refuses a compressed body, where lines are answered as they come.
///
/// # Errors
/// [`Code::UnsupportedMediaType`].
pub fn refuse(headers: &HeaderMap) -> Result<(), Problem> {
    if Coding::of(headers)? == Coding::Identity {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType, "The stream is compressed.")
        .remedy("Send the lines without `Content-Encoding`."))
}

/// The answer to a body that is too long.
pub fn too_large(max_bytes: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("A body may have at most {max_bytes} bytes, also when decompressed."))
}

fn read(decoder: impl Read, max_bytes: usize) -> Result<Bytes, Problem> {
    let mut text = Vec::new();
    let bound = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let read: io::Result<usize> = decoder.take(bound).read_to_end(&mut text);
    match read {
        Ok(bytes) if bytes > max_bytes => Err(too_large(max_bytes)),
        Ok(_) => Ok(text.into()),
        Err(_) => Err(unreadable()),
    }
}

fn unreadable() -> Problem {
    Problem::new(Code::UnreadableBody, "The body cannot be decompressed.")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use axum::{
        body::Body,
        http::{Method, StatusCode},
    };
    use flate2::{Compression, write::GzEncoder};
    use serde_json::json;

    use super::*;
    use crate::{
        rest::post_events::PATH,
        testing::{Reply, TestApp},
    };

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(text, 19).unwrap()
    }

    async fn post(app: &TestApp, coding: &str, body: Vec<u8>) -> Reply {
        let request = app.request(Method::POST, PATH).header("content-type", "application/json");
        app.send(request.header("content-encoding", coding).body(Body::from(body)).unwrap()).await
    }

    #[tokio::test]
    async fn events_may_come_compressed() {
        let app = TestApp::new().await;
        for (id, coding, encode) in [("1", "gzip", gzip as fn(&[u8]) -> _), ("2", "GZIP", gzip), ("3", "zstd", zstd)] {
            let event = json!({
                "source": "site",
                "source_event_id": id,
                "lead": {"identities": [{"kind": "web", "value": "w1"}]},
                "occurred_at": "2026-03-01T09:00:00Z",
                "type": "email",
                "data": {"action": "opened"}
            });
            let reply = post(&app, coding, encode(event.to_string().as_bytes())).await;
            assert_eq!(reply.status, StatusCode::ACCEPTED, "{coding}: {reply:?}");
            assert_eq!(reply.json()["accepted"], 1, "{reply:?}");
        }
        assert_eq!(post(&app, "identity", b"{".to_vec()).await.code(), "malformed-json");
    }

    #[tokio::test]
    async fn a_bomb_ends_at_the_bound() {
        let app = TestApp::new().await;
        let max_bytes = app.state.limits.body_max_bytes;
        let blank = vec![b' '; 256 * 1024 * 1024];
        for (coding, bomb) in [("gzip", gzip(&blank)), ("zstd", zstd(&blank))] {
            assert!(bomb.len() < max_bytes, "{coding}: {} bytes", bomb.len());
            assert_eq!(post(&app, coding, bomb).await.code(), "body-too-large", "{coding}");
        }
        for (coding, encode) in [("gzip", gzip as fn(&[u8]) -> _), ("zstd", zstd)] {
            assert_eq!(post(&app, coding, encode(&blank[..max_bytes])).await.code(), "malformed-json", "{coding}");
            assert_eq!(post(&app, coding, encode(&blank[..=max_bytes])).await.code(), "body-too-large", "{coding}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_decompressed_is_refused() {
        let app = TestApp::new().await;
        for coding in ["gzip", "zstd"] {
            assert_eq!(post(&app, coding, b"{}".to_vec()).await.code(), "unreadable-body", "{coding}");
        }
        let (mut cut, mut frame) = (gzip(b"{\"a\": 1}"), zstd(b"{\"a\": 1}"));
        cut.truncate(cut.len() - 4);
        frame.truncate(frame.len() - 4);
        assert_eq!(post(&app, "gzip", cut).await.code(), "unreadable-body");
        assert_eq!(post(&app, "zstd", frame).await.code(), "unreadable-body");
        for coding in ["br", "deflate", "gzip, gzip", "", "\u{e9}"] {
            assert_eq!(post(&app, coding, gzip(b"{}")).await.code(), "unsupported-media-type", "{coding}");
        }
        let twice = app.request(Method::POST, PATH).header("content-type", "application/json");
        let twice = twice.header("content-encoding", "identity").header("content-encoding", "gzip");
        assert_eq!(app.send(twice.body(Body::from("{}")).unwrap()).await.code(), "unsupported-media-type");
    }

    #[test]
    fn a_frame_may_not_ask_for_a_large_window() {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&vec![b' '; 1024]).unwrap();
        let frame = encoder.finish().unwrap();
        let refused = Coding::Zstd.decode(frame.into(), 2048).unwrap_err();
        assert_eq!(refused.code(), Code::UnreadableBody);
    }
}
