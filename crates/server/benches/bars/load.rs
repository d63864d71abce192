//! A lean HTTP/1.1 client under load: so little work of its own that it measures the server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

/// What a load run saw.
pub struct Load {
    /// Every request's time, in milliseconds, sorted.
    latencies_ms: Vec<f64>,
    pub requests_per_second: f64,
}

impl Load {
    /// The latency that this share of the requests stays within.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let last = self.latencies_ms.len() - 1;
        self.latencies_ms[(last as f64 * share).round() as usize]
    }
}

/// One kept-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server accepts");
        stream.set_nodelay(true).expect("the option exists");
        Self { stream, buffer: Vec::with_capacity(1 << 16) }
    }

    /// Sends a whole request and reads the whole response; returns status and body.
    pub async fn exchange(&mut self, request: &[u8]) -> (u16, &[u8]) {
        self.stream.write_all(request).await.expect("the server reads");
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("the server answers");
            assert!(read > 0, "the server closed the connection: {}", String::from_utf8_lossy(&self.buffer));
            if let Some((status, body_start, body_len)) = head(&self.buffer)
                && self.buffer.len() >= body_start + body_len
            {
                return (status, &self.buffer[body_start..body_start + body_len]);
            }
        }
    }
}

/// Status, start and length of the body, once the whole head has arrived.
fn head(bytes: &[u8]) -> Option<(u16, usize, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = response.parse(bytes).expect("an HTTP response") else { return None };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |header| std::str::from_utf8(header.value).expect("digits").parse().expect("a length"));
    Some((response.code.expect("a status"), start, length))
}

/// A GET request.
pub fn get(path: &str, key: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n").into_bytes()
}

/// A POST request with a JSON body.
pub fn post(path: &str, key: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Asks `requests` in turn over each of `connections` kept-alive connections, for `duration` after a warm-up.
pub async fn run(
    address: &str,
    requests: &Arc<Vec<Vec<u8>>>,
    connections: usize,
    warm_up: Duration,
    duration: Duration,
) -> Load {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for offset in 0..connections {
        let address = address.to_owned();
        let requests = Arc::clone(requests);
        // A start of its own, so that connections do not ask for the same lead at the same time.
        let first = offset * requests.len() / connections;
        tasks.spawn(async move { one_connection(&address, &requests, first, started + warm_up, duration).await });
    }
    let mut latencies_ms: Vec<f64> = tasks.join_all().await.concat();
    latencies_ms.sort_by(f64::total_cmp);
    Load { requests_per_second: latencies_ms.len() as f64 / duration.as_secs_f64(), latencies_ms }
}

async fn one_connection(
    address: &str,
    requests: &[Vec<u8>],
    first: usize,
    from: Instant,
    duration: Duration,
) -> Vec<f64> {
    let mut connection = Connection::open(address).await;
    let mut latencies = Vec::new();
    for request in requests.iter().cycle().skip(first) {
        let sent = Instant::now();
        let (status, _) = connection.exchange(request).await;
        assert_eq!(status, 200);
        if sent >= from + duration {
            break;
        }
        if sent >= from {
            latencies.push(sent.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    latencies
}
