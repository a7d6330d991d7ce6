//! Asking an issuer who it is: OpenID Connect Discovery 1.0, section 4, and
//! its keys (RFC 7517).

use serde::Deserialize;

use crate::platform::outbound::Outbound;

/// What is read of an issuer's metadata.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    /// Must be the issuer itself.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: String,
}

/// A key, as far as it must be known here.
#[derive(Clone, Debug, Deserialize)]
struct Key {
    #[serde(default)]
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Keys {
    keys: Vec<Key>,
}

/// Where an issuer says who it is.
#[must_use]
pub fn metadata_address(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// Fetches and checks an issuer's metadata.
///
/// # Errors
/// A sentence: what was asked and what came back.
pub async fn metadata(outbound: &Outbound, issuer: &str) -> Result<Metadata, String> {
    let address = metadata_address(issuer);
    let found: Metadata = outbound.json(&address).await.map_err(|told| format!("{address} {told}"))?;
    if found.issuer != issuer {
        return Err(format!(
            "{address} says that it is “{}”: write the issuer exactly like that",
            found.issuer
        ));
    }
    Ok(found)
}

/// Tries an issuer: its metadata, and that it has keys to verify with.
///
/// # Errors
/// A sentence: what was asked and what came back.
pub async fn try_out(outbound: &Outbound, issuer: &str) -> Result<usize, String> {
    let Metadata { jwks_uri, .. } = metadata(outbound, issuer).await?;
    let keys: Keys =
        outbound.json(&jwks_uri).await.map_err(|told| format!("its keys at {jwks_uri}: it {told}"))?;
    let usable = keys.keys.iter().filter(|key| {
        matches!(key.kty.as_str(), "RSA" | "EC" | "OKP")
            && key.purpose.as_deref().is_none_or(|it| it == "sig")
    });
    match usable.count() {
        0 => Err(format!("its keys at {jwks_uri} hold none that could sign (RSA, EC or OKP)")),
        count => Ok(count),
    }
}
