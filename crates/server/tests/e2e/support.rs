//! Commands, servers and requests.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, postgres::PgConnectOptions};
use tempfile::TempDir;
use uuid::Uuid;

/// How long anything may take, on a slow machine that does something else at the same time.
const DEADLINE: Duration = Duration::from_secs(240);

/// A data folder that goes away with the test.
pub struct Folder {
    folder: TempDir,
    /// Settings that every command gets, such as where its servers are.
    environment: Vec<(&'static str, String)>,
}

impl Folder {
    /// An empty place.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    /// An empty place whose database is a new one on the server that `LEADSCORE_TEST_POSTGRES` names.
    pub async fn on_postgres() -> Self {
        let server = std::env::var("LEADSCORE_TEST_POSTGRES")
            .expect("LEADSCORE_TEST_POSTGRES names a PostgreSQL server; `make test` starts one");
        Self::with_database_on(&server).await
    }

    /// An empty place whose database is a new one on this server.
    pub async fn with_database_on(server: &str) -> Self {
        let server: PgConnectOptions = server.parse().unwrap();
        let name = format!("e2e_{}", Uuid::new_v4().simple());
        let mut conn = server.connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        Self::new().with("LEADSCORE_STORE__POSTGRES", server.database(&name).to_url_lossy().as_str())
    }

    /// The same with topics and keys of its own on the servers that `LEADSCORE_TEST_KAFKA` and `LEADSCORE_TEST_REDIS`
    /// name.
    pub async fn on_servers() -> Self {
        let server =
            |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} names a server; `make test` starts one"));
        let prefix = format!("e2e-{}", Uuid::new_v4().simple());
        Self::on_postgres()
            .await
            .with("LEADSCORE_KAFKA__BROKERS", &server("LEADSCORE_TEST_KAFKA"))
            .with("LEADSCORE_KAFKA__PREFIX", &prefix)
            .with("LEADSCORE_STORE__REDIS", &server("LEADSCORE_TEST_REDIS"))
            .with("LEADSCORE_STORE__REDIS_PREFIX", &prefix)
    }

    /// The same with a setting for all of its commands.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// A setting that all of its commands get.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// An initialised data folder, and an API key for it.
    pub fn initialised() -> (Self, String) {
        let folder = Self::new();
        let made = folder.json(&["init"]);
        (folder, made["api_key"].as_str().unwrap().to_owned())
    }

    /// A file or folder beside the data.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Writes a file beside the data.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, contents).unwrap();
        path
    }

    /// A command on the data folder, with nothing of the tester's own environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leadscore"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LEADSCORE_") {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(arguments).arg("--data").arg(self.data()).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; what it prints as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", describe(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}", describe(&output)))
    }

    /// Runs an export that must succeed; its lines.
    pub fn export(&self, what: &str) -> Vec<Value> {
        let output = self.run(&["export", what]);
        assert!(output.status.success(), "{}", describe(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Starts a server on a free port.
    pub fn serve(&self) -> Server {
        self.serve_roles("api,scorer,trainer")
    }

    /// Starts a server that does a part of the work.
    pub fn serve_roles(&self, roles: &str) -> Server {
        Server::start(self.command(&["serve", "--listen", "127.0.0.1:0", "--json", "--roles", roles]))
    }
}

/// What a command printed.
pub fn describe(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\nstdout: {}\nstderr: {}", output.status, text(&output.stdout), text(&output.stderr))
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A running server; killed with the test.
pub struct Server {
    child: Child,
    /// What it printed as JSON when it began to serve.
    pub started: Value,
    pub address: String,
}

impl Server {
    /// Starts a command that prints one JSON document with its `address` when it serves.
    pub fn start(command: Command) -> Self {
        Self::try_start(command).unwrap_or_else(|status| panic!("the server ended before it served: {status}"))
    }

    /// The same for one that may end before it serves.
    pub fn try_start(mut command: Command) -> Result<Self, ExitStatus> {
        let mut child = command.spawn().unwrap();
        // Where it goes into a file there is nothing to read.
        if let Some(stderr) = child.stderr.take() {
            drain(stderr);
        }
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        let started: Value = loop {
            let read = stdout.read_line(&mut text).unwrap();
            if read == 0 {
                return Err(wait(&mut child));
            }
            if let Ok(document) = serde_json::from_str(&text) {
                break document;
            }
        };
        drain(stdout.into_inner());
        let address = started["address"].as_str().unwrap().to_owned();
        Ok(Self { child, started, address })
    }

    /// Requests with this key.
    pub fn client(&self, key: &str) -> Client {
        Client { http: http(), address: self.address.clone(), key: key.to_owned() }
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for it to end by itself.
    pub fn ended(mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    /// SIGTERM, and how the process ended.
    pub fn terminate(mut self) -> ExitStatus {
        signal(self.child.id(), "TERM");
        wait(&mut self.child)
    }

    /// Waits until everything that was imported is scored.
    pub async fn ready(&self) {
        let client = self.client("none");
        let all_scored = async || {
            let (status, answer) = client.get("/readyz").await;
            status == 200 && answer["scorer_lag"] == 0
        };
        eventually("the server has scored everything", all_scored).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads and forgets, so that the writer never waits.
fn drain(mut from: impl std::io::Read + Send + 'static) {
    std::thread::spawn(move || {
        let mut sink = [0; 8192];
        while matches!(from.read(&mut sink), Ok(read) if read > 0) {}
    });
}

/// Sends a signal by name; the shell's own `kill`, which every machine has.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().unwrap();
    assert!(status.success());
}

/// Waits for a process to end by itself.
pub fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the process does not end");
        std::thread::yield_now();
    }
}

/// Asks until the answer is yes.
pub async fn eventually(what: &str, ask: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !ask().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::task::yield_now().await;
    }
}

/// One that speaks to servers here, and trusts nobody by TLS.
pub fn http() -> reqwest::Client {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap()
}

/// Requests to a server with a key. Clones share connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    address: String,
    key: String,
}

impl Client {
    /// Status and body; null where that is no JSON.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.try_get(path).await.unwrap()
    }

    /// An answer whose body is read as it comes.
    pub async fn open(&self, path: &str) -> reqwest::Response {
        self.http.get(format!("{}{path}", self.address)).bearer_auth(&self.key).send().await.unwrap()
    }

    /// Status and body; an error where the connection broke.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<(u16, Value)> {
        answer(self.http.get(format!("{}{path}", self.address)).bearer_auth(&self.key)).await
    }

    /// Status and body; an error where the connection broke.
    pub async fn delete(&self, path: &str) -> reqwest::Result<(u16, Value)> {
        answer(self.http.delete(format!("{}{path}", self.address)).bearer_auth(&self.key)).await
    }

    /// Status and body; an error where the connection broke.
    pub async fn post(&self, path: &str, body: &Value) -> reqwest::Result<(u16, Value)> {
        answer(self.http.post(format!("{}{path}", self.address)).bearer_auth(&self.key).json(body)).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> reqwest::Result<(u16, Value)> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let bytes = response.bytes().await?;
    Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
}
