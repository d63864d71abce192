//! The two ways to run: one folder alone, or PostgreSQL, Redis and Kafka of the test's own.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::PathBuf,
    process::{Command, ExitStatus, Output, Stdio},
    time::{Duration, UNIX_EPOCH},
};

use leadscore_domain::Timestamp;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    end_state::{Db, EndState},
    support::{Client, Folder, Server, describe},
};

const POSTGRES: &str = "LEADSCORE_STORE__POSTGRES";
const BROKERS: &str = "LEADSCORE_KAFKA__BROKERS";
/// Everybody has a score until they say no, so that every event shows.
const PROFILE_ALL: (&str, &str) = ("LEADSCORE_SCORING__PROFILE_WITHOUT_STATEMENT", "true");
const PATIENCE: Duration = Duration::from_secs(30);

/// An installation, without a process.
pub struct World {
    /// Unmounted before the folder is removed.
    disk: Option<Disk>,
    pub folder: Folder,
    pub servers: Option<Servers>,
    key: String,
}

impl World {
    /// The embedded database.
    pub fn embedded() -> Self {
        Self::initialised(Folder::new(), None)
    }

    /// The embedded database on a file system of its own, which is soon full.
    pub fn on_small_disk() -> Self {
        let folder = Folder::new();
        let disk = Disk::mount(folder.data());
        Self { disk: Some(disk), ..Self::initialised(folder, None) }
    }

    /// Leaves no room on the small disk; the file that takes it.
    pub fn fill_disk(&self) -> PathBuf {
        let Disk(data) = self.disk.as_ref().unwrap();
        let ballast = data.join("ballast");
        let mut file = std::fs::File::create(&ballast).unwrap();
        while file.write_all(&[0; 4_096]).is_ok() {}
        ballast
    }

    /// The same once more, on its own, of one on the embedded database.
    pub fn copied(&self) -> Self {
        let folder = Folder::new().with(PROFILE_ALL.0, PROFILE_ALL.1);
        let status = Command::new("cp").arg("-r").arg(self.folder.data()).arg(folder.data()).status().unwrap();
        assert!(status.success());
        Self { disk: None, folder, servers: None, key: self.key.clone() }
    }

    /// PostgreSQL, Redis and Kafka, which nobody else uses: they will be stopped.
    pub async fn on_servers() -> Self {
        let servers = Servers::start();
        let folder = Folder::with_database_on(servers.address("LEADSCORE_TEST_POSTGRES"))
            .await
            .with("LEADSCORE_STORE__REDIS", servers.address("LEADSCORE_TEST_REDIS"))
            .with(BROKERS, servers.address("LEADSCORE_TEST_KAFKA"));
        Self::initialised(folder, Some(servers))
    }

    fn initialised(folder: Folder, servers: Option<Servers>) -> Self {
        let folder = folder.with(PROFILE_ALL.0, PROFILE_ALL.1);
        let key = folder.json(&["init"])["api_key"].as_str().unwrap().to_owned();
        Self { disk: None, folder, servers, key }
    }

    /// An instant after which nothing of a load happens.
    pub fn start(&self) -> Timestamp {
        let made = self.folder.data().metadata().unwrap().modified().unwrap();
        let age = made.duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_micros(i64::try_from(age.as_micros()).unwrap()).unwrap()
    }

    /// A process that serves, with further variables; how it ended where it did not come to it.
    pub fn try_serve(&self, arguments: &[&str], variables: &[(&str, String)]) -> Result<Server, ExitStatus> {
        let mut command = self.folder.command(&[&["serve", "--listen", "127.0.0.1:0", "--json"], arguments].concat());
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        Server::try_start(command)
    }

    pub fn serve(&self) -> Server {
        self.try_serve(&[], &[]).unwrap()
    }

    pub fn client(&self, server: &Server) -> Client {
        server.client(&self.key)
    }

    async fn db(&self) -> Db {
        match self.folder.setting(POSTGRES) {
            Some(url) => Db::postgres(url).await,
            None => Db::sqlite(&self.folder.data().join("leadscore.db")),
        }
    }

    /// Waits until no row is left to be produced.
    pub async fn outbox_empty(&self) {
        if self.servers.is_none() {
            return;
        }
        let mut db = self.db().await;
        let deadline = std::time::Instant::now() + PATIENCE;
        while !db.rows("SELECT CAST(1 AS TEXT) FROM outbox").await.is_empty() {
            assert!(std::time::Instant::now() < deadline, "the outbox is never emptied");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        db.close().await;
    }

    /// What is there when no process runs.
    pub async fn end_state(&self) -> EndState {
        let mut db = self.db().await;
        let mut end = EndState::read(&mut db).await;
        db.close().await;
        if let Some(brokers) = self.folder.setting(BROKERS) {
            end.kafka = true;
            end.heads = heads(brokers);
            end.told = told(brokers);
        }
        end.replay = replay(&self.folder);
        end
    }
}

/// Everything that was derived, compared with the log.
fn replay(folder: &Folder) -> Value {
    let output: Output = folder.run(&["replay", "--check", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| Value::String(describe(&output)))
}

/// Where the topic of events ends.
fn heads(brokers: &str) -> BTreeMap<i64, i64> {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let topic = "leadscore.events.v1";
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let partitions = metadata.topics()[0].partitions().iter().map(|partition| partition.id());
    partitions
        .map(|partition| {
            let (_, head) = consumer.fetch_watermarks(topic, partition, PATIENCE).unwrap();
            (i64::from(partition), head)
        })
        .collect()
}

/// What the topic of scores says last of each lead.
fn told(brokers: &str) -> BTreeMap<String, Option<i64>> {
    let topic = "leadscore.scores.v1";
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "checker").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let mut all = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        all.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let (mut told, mut open) = (BTreeMap::new(), all.count());
    while open > 0 {
        match consumer.poll(PATIENCE).expect("the topic can be read") {
            Err(KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => panic!("{error}"),
            Ok(record) => {
                let lead = String::from_utf8(record.key().unwrap().to_vec()).unwrap().replace('-', "");
                let said = record.payload().map(|payload| {
                    let event: Value = serde_json::from_slice(payload).unwrap();
                    let (_, calculated_us) = event["id"].as_str().unwrap().rsplit_once('/').unwrap();
                    calculated_us.parse().unwrap()
                });
                told.insert(lead, said);
            }
        }
    }
    told
}

/// PostgreSQL, Redis and Kafka of the test's own.
pub struct Servers {
    folder: TempDir,
    addresses: Vec<(String, String)>,
}

impl Servers {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("leadscore-chaos.").tempdir().unwrap();
        let mut servers = Self { folder, addresses: Vec::new() };
        let owner = std::process::id().to_string();
        let printed = servers.script(&["start", "--while", &owner], &[]);
        let lines = printed.lines().filter_map(|line| line.split_once('='));
        servers.addresses = lines.map(|(name, address)| (name.to_owned(), address.to_owned())).collect();
        servers
    }

    fn address(&self, name: &str) -> &str {
        let found = self.addresses.iter().find(|(known, _)| known == name);
        found.map(|(_, address)| address.as_str()).unwrap_or_else(|| panic!("no {name} was started"))
    }

    /// `start`, `stop` or `kill` one of them.
    pub fn tell(&self, action: &str, server: &str) {
        self.script(&[action], &[server]);
    }

    /// What it prints; goes to a file first, which the servers that it leaves behind may keep open.
    fn script(&self, action: &[&str], servers: &[&str]) -> String {
        let script = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../scripts/servers");
        let printed = tempfile::NamedTempFile::new().unwrap();
        let status = Command::new(script)
            .args(action)
            .arg(self.folder.path())
            .args(servers)
            .stdin(Stdio::null())
            .stdout(printed.reopen().unwrap())
            .status()
            .unwrap();
        assert!(status.success(), "scripts/servers {action:?} {servers:?}: {status}");
        std::fs::read_to_string(printed.path()).unwrap()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.script(&["remove"], &[]);
    }
}

/// A file system in memory.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf) -> Self {
        std::fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        let status = mount.args(["-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs"]).arg(&at).status().unwrap();
        assert!(status.success(), "a file system cannot be mounted, which takes root");
        Self(at)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("--lazy").arg(&self.0).status().unwrap();
        assert!(status.success(), "{} stays mounted", self.0.display());
    }
}

/// A clock that steps, for processes that are given its variables.
pub struct Clock {
    library: PathBuf,
    folder: TempDir,
}

impl Clock {
    pub fn new() -> Self {
        // Below a folder that is named for the machine's architecture.
        let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
        let library = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.exists());
        let library = library.expect("libfaketime is missing: scripts/install-build-deps.sh libfaketime");
        let clock = Self { library, folder: tempfile::tempdir().unwrap() };
        clock.step("+0");
        clock
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    /// So many seconds from the machine's own time.
    pub fn step(&self, to: &str) {
        std::fs::write(self.file(), to).unwrap();
    }

    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", self.library.to_str().unwrap().to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().to_str().unwrap().to_owned()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}
