//! Redis servers for the tests: the shared one under a prefix of the test's own, and one that a test may stop.

use std::{
    future::Future,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use leadscore_store::{Redis, RedisOptions};
use uuid::Uuid;

/// How long a test waits for what must happen before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server that `LEADSCORE_TEST_REDIS` names, with a prefix of its own.
pub fn shared() -> RedisOptions {
    let url = std::env::var("LEADSCORE_TEST_REDIS")
        .expect("LEADSCORE_TEST_REDIS names a Redis server; `make test` starts one");
    RedisOptions { url, prefix: format!("test-{}", Uuid::new_v4().simple()) }
}

/// A connected handle, as another process would have one.
pub async fn connect(options: &RedisOptions) -> Redis {
    let redis = Redis::open(options).unwrap();
    within(redis.connected()).await;
    redis
}

/// A server that belongs to one test. What it is told is on the disk before it answers.
pub struct OwnServer {
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl OwnServer {
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { folder: tempfile::tempdir().unwrap(), port, process: None };
        server.restart();
        server
    }

    pub fn options(&self) -> RedisOptions {
        RedisOptions::new(format!("redis://127.0.0.1:{}", self.port))
    }

    pub fn restart(&mut self) {
        self.kill();
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always", "--dir"]).arg(self.folder.path()).stdout(Stdio::null());
        self.process = Some(command.spawn().expect("redis-server is installed; `scripts/servers install` does it"));
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Makes it hang, or go on.
    pub fn signal(&self, signal: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.kill();
    }
}

pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it must happen in time")
}

/// Waits until a condition holds.
pub async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    within(async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
