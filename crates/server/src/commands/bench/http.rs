//! A lean HTTP/1.1 client for the load: one kept-alive connection at a time, answers with a length.
//!
//! The generator usually shares the machine with the server that it measures, and a general client costs as much as the
//! server does for a cached score. This one writes bytes that were put together before, reads the head with `httparse`,
//! and does nothing else. Deliberately absent: TLS, redirects, chunked bodies; measure the server itself, not a proxy.

use std::{io, sync::Arc, time::Duration};

use axum::http::Uri;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::failure::bad_input;

/// Longest time for an answer; longer than the server itself takes to give a request up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// Longest answer that is read.
const ANSWER_MAX_BYTES: usize = 64 << 20;
/// Most headers of an answer.
const HEADERS_MAX: usize = 48;
/// What a connection's buffer holds at first: most answers.
const BUFFER_BYTES: usize = 4 << 10;

/// The server that is measured, and who asks.
#[derive(Debug)]
pub struct Target {
    /// Host and port.
    authority: String,
    token: String,
}

impl Target {
    /// Takes an address such as `http://127.0.0.1:7878`.
    ///
    /// # Errors
    /// Bad input where it is none.
    pub fn new(url: &str, token: &str) -> anyhow::Result<Self> {
        let refuse =
            |why: &str| bad_input(format_args!("--target {url}: {why}; use one such as http://127.0.0.1:7878"));
        let uri: Uri = url.parse().map_err(|_| refuse("is no address"))?;
        let host = uri.host().ok_or_else(|| refuse("names no host"))?;
        if uri.scheme_str() != Some("http") {
            return Err(refuse("only http is spoken"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(refuse("has a path"));
        }
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad_input("the token is not one; `leadscore init` prints an API key"));
        }
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        Ok(Self { authority, token: token.to_owned() })
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Writes a GET request.
    pub fn get(&self, path: &str, request: &mut Vec<u8>) {
        let Self { authority, token } = self;
        request.extend_from_slice(
            format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {token}\r\n\r\n").as_bytes(),
        );
    }

    /// Writes a POST request with a JSON body.
    pub fn post(&self, path: &str, body: &[u8], request: &mut Vec<u8>) {
        let Self { authority, token } = self;
        let length = body.len();
        request.extend_from_slice(
            format!(
                "POST {path} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
            )
            .as_bytes(),
        );
        request.extend_from_slice(body);
    }
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The connection could not be opened, or broke.
    #[error(transparent)]
    Connection(#[from] io::Error),
    /// The answer took too long.
    #[error("no answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Timeout,
    /// The answer is none that this client understands.
    #[error("{0}")]
    Unreadable(&'static str),
}

impl Unanswered {
    /// The word that it is counted under.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Connection(_) => "connection",
            Self::Timeout => "timeout",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer<'a> {
    pub status: u16,
    /// Seconds after which the server wants to be asked again.
    pub retry_after_s: Option<u64>,
    pub body: &'a [u8],
}

/// A client with one connection, opened when it is needed and again when it broke.
pub struct Client {
    target: Arc<Target>,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// What the head of an answer says.
struct Head {
    status: u16,
    retry_after_s: Option<u64>,
    body_start: usize,
    body_bytes: usize,
    closes: bool,
}

impl Client {
    /// A client without a connection yet.
    pub fn new(target: Arc<Target>) -> Self {
        Self { target, stream: None, buffer: Vec::with_capacity(BUFFER_BYTES) }
    }

    /// Sends a whole request and reads the whole answer.
    ///
    /// # Errors
    /// See [`Unanswered`]; the next request then has a new connection.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, Unanswered> {
        let exchanged = timeout(ANSWER_TIMEOUT, self.attempt(request)).await.unwrap_or(Err(Unanswered::Timeout));
        let head = exchanged.inspect_err(|_| self.stream = None)?;
        if head.closes {
            self.stream = None;
        }
        let body = &self.buffer[head.body_start..head.body_start + head.body_bytes];
        Ok(Answer { status: head.status, retry_after_s: head.retry_after_s, body })
    }

    async fn attempt(&mut self, request: &[u8]) -> Result<Head, Unanswered> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let opened = TcpStream::connect(self.target.authority()).await?;
                opened.set_nodelay(true)?;
                none.insert(opened)
            }
        };
        stream.write_all(request).await?;
        self.buffer.clear();
        let mut head = None;
        loop {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            if head.is_none() {
                head = read_head(&self.buffer)?;
            }
            if let Some(head) = head.take_if(|head| self.buffer.len() >= head.body_start + head.body_bytes) {
                return Ok(head);
            }
        }
    }
}

/// The head, once all of it is there.
fn read_head(bytes: &[u8]) -> Result<Option<Head>, Unanswered> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes).map_err(|_| Unanswered::Unreadable("the answer is no HTTP"))?;
    let httparse::Status::Complete(body_start) = parsed else { return Ok(None) };
    let find = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let body_bytes = find("content-length").and_then(|length| length.parse().ok());
    let body_bytes = body_bytes.filter(|bytes| *bytes <= ANSWER_MAX_BYTES);
    Ok(Some(Head {
        status: response.code.unwrap_or_default(),
        retry_after_s: find("retry-after").and_then(|seconds| seconds.parse().ok()),
        body_start,
        body_bytes: body_bytes.ok_or(Unanswered::Unreadable("the answer has no length that can be read"))?,
        closes: find("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_measured_are_refused() {
        for url in ["", "7878", "localhost:7878", "https://localhost", "http://", "http://a/api", "http://a/?x=1"] {
            let refusal = Target::new(url, "lsk_1").unwrap_err().to_string();
            assert!(refusal.contains("http://127.0.0.1:7878"), "{url}: {refusal}");
        }
        for token in ["", "two words", "a\r\nx: y", "käse"] {
            assert!(Target::new("http://a", token).is_err(), "{token:?}");
        }
        assert_eq!(Target::new("http://a", "lsk_1").unwrap().authority(), "a:80");
        assert_eq!(Target::new("http://[::1]:7/", "lsk_1").unwrap().authority(), "[::1]:7");
    }

    #[test]
    fn an_answer_is_read_only_where_its_length_is_known() {
        let whole = b"HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 3\r\nconnection: close\r\n\r\nabc";
        assert!(read_head(&whole[..40]).unwrap().is_none());
        let head = read_head(whole).unwrap().unwrap();
        assert_eq!((head.status, head.retry_after_s, head.closes), (503, Some(2), true));
        assert_eq!(&whole[head.body_start..head.body_start + head.body_bytes], b"abc");
        for bad in
            ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", "SSH-2.0-x\r\n"]
        {
            assert!(read_head(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
