//! Requests that the binary sends to others.
//!
//! Invariant: nobody is followed elsewhere, no proxy is asked, and certificates are those of public authorities or of
//! the file that the configuration names.

use std::{path::Path, sync::Arc, time::Duration};

use reqwest::{Client, redirect::Policy};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// A client; an empty `ca_file` for the public authorities alone.
///
/// # Errors
/// Where the file cannot be read or holds no certificates.
pub fn client(ca_file: &Path, timeout: Duration) -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
    let builder = Client::builder().tls_backend_preconfigured(trusting(ca_file)?);
    Ok(builder.timeout(timeout).redirect(Policy::none()).no_proxy().build()?)
}

fn trusting(ca_file: &Path) -> Result<ClientConfig, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if !ca_file.as_os_str().is_empty() {
        for certificate in CertificateDer::pem_file_iter(ca_file)? {
            roots.add(certificate?)?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
