//! TLS: a certificate and its key from files, taken up anew when they change.
//!
//! Invariant: a new certificate counts for new handshakes only, and one that cannot be used leaves the one before in
//! place. The files are read, not watched: a mounted secret changes by a symbolic link to another folder, of which
//! watches learn nothing. Deliberately absent: certificates of clients, fetching certificates (ACME).

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};
use tokio::{
    fs,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// HTTP/2 in a handshake's list of protocols (RFC 7301).
pub const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// How often the files are read.
pub const READ_EVERY: Duration = Duration::from_secs(10);

/// The files that TLS takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate, then those that lead to its authority, in PEM.
    pub certificate: PathBuf,
    /// The certificate's private key in PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file holds no certificate or key.
    #[error("{} holds no {what} in PEM", path.display())]
    Pem { path: PathBuf, what: &'static str, source: pem::Error },
    /// Certificate and key cannot be used, or not with each other.
    #[error("certificate and key cannot be used: {0}")]
    Unfit(#[from] rustls::Error),
}

/// What handshakes are made with at present.
#[derive(Clone)]
pub struct Tls(watch::Receiver<Arc<ServerConfig>>);

impl Tls {
    /// What the next handshake is made with.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0.borrow()))
    }
}

/// Keeps what handshakes are made with in step with the files.
pub struct Keeper {
    files: Files,
    /// What was read last, whether it could be used or not.
    read: Contents,
    /// Why the files could not be used when they were looked at last; said once.
    failure: Option<String>,
    current: watch::Sender<Arc<ServerConfig>>,
}

#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Keeper {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// Where they cannot be used.
    pub async fn open(files: Files) -> Result<(Self, Tls), TlsError> {
        let read = Contents::read(&files).await?;
        let (current, receiver) = watch::channel(Arc::new(read.config(&files)?));
        Ok((Self { files, read, failure: None, current }, Tls(receiver)))
    }

    /// Reads the files every so often, and when the process gets SIGHUP, until `stop`.
    ///
    /// # Errors
    /// Where the system refuses to tell of the signal.
    pub async fn keep(mut self, every: Duration, stop: CancellationToken) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut clock = interval(every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = hangup.recv() => {}
                _ = clock.tick() => {}
            }
            match self.look().await {
                Ok(true) => tracing::info!("the TLS certificate was taken up anew"),
                Ok(false) => {}
                Err(error) => self.report(&error),
            }
        }
    }

    fn report(&mut self, error: &TlsError) {
        let failure = Some(error.to_string());
        if self.failure != failure {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the TLS files cannot be used; those before count"
            );
            self.failure = failure;
        }
    }

    /// Takes up what changed; whether something did.
    async fn look(&mut self) -> Result<bool, TlsError> {
        let read = Contents::read(&self.files).await?;
        if read == self.read {
            return Ok(false);
        }
        let config = read.config(&self.files);
        self.read = read;
        self.current.send_replace(Arc::new(config?));
        self.failure = None;
        Ok(true)
    }
}

impl Contents {
    async fn read(files: &Files) -> Result<Self, TlsError> {
        let read =
            async |path: &Path| fs::read(path).await.map_err(|source| TlsError::Read { path: path.to_owned(), source });
        Ok(Self { certificate: read(&files.certificate).await?, key: read(&files.key).await? })
    }

    fn config(&self, files: &Files) -> Result<ServerConfig, TlsError> {
        let unreadable = |path: &Path, what| {
            let path = path.to_owned();
            move |source| TlsError::Pem { path, what, source }
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .map_err(unreadable(&files.certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(unreadable(&files.key, "private key"))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        Ok(config)
    }
}
