//! JWT bearer assertions (RFC 7519, RFC 7523): how an external identity is
//! proved when it is exchanged for an access token. An assertion is parsed first,
//! so that its identity provider can be found by issuer and audience, and then
//! verified with the keys of that issuer. The checks follow RFC 8725; times are
//! compared with our clock.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::issuers::SignatureCheck;
use super::signature::{SignatureAlgorithm, VerificationKey};
use super::verifier::Verifier;
use crate::access::System;
use crate::platform::digest::digest_parts;
use crate::platform::{Result, Timestamp, Tx, sql};

/// The longest accepted assertion, in bytes.
const MAX_ASSERTION_BYTES: usize = 16 * 1024;
/// How far `iat` and `nbf` may lie in the future, because clocks differ. `exp`
/// gets no such tolerance.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);
/// How far `exp` may lie in the future.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A parsed assertion whose signature and times are not verified yet.
#[derive(Clone, Debug)]
pub struct ParsedAssertion {
    text: String,
    algorithm: SignatureAlgorithm,
    kid: Option<String>,
    claims: Map<String, Value>,
}

/// A verified assertion: its issuer signed it, and it is valid at this moment.
/// Only [`ParsedAssertion::verify`] creates one, so it serves as a proof.
#[derive(Clone, Debug)]
pub struct VerifiedAssertion {
    claims: Map<String, Value>,
}

fn decode_object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

impl ParsedAssertion {
    /// Parses header and claims, and makes the checks that need no key. Nothing
    /// is fetched here, and headers that point to keys (`jku`, `x5u`) are
    /// refused.
    ///
    /// # Errors
    /// A message for the client that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_ASSERTION_BYTES {
            return Err(format!(
                "The assertion is longer than {} KB. Send a shorter one.",
                MAX_ASSERTION_BYTES / 1024
            ));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, _] = parts.as_slice() else {
            return Err(
                "The assertion is not a signed JWT. Send three parts with dots between them.".to_owned()
            );
        };
        let header = decode_object(header).ok_or("The header of the assertion is not a JSON object.")?;
        let claims = decode_object(claims).ok_or("The claims of the assertion are not a JSON object.")?;
        for name in ["jku", "x5u", "jwk", "x5c", "crit", "b64", "zip", "enc"] {
            if header.contains_key(name) {
                return Err(format!(
                    "The header of the assertion has “{name}”, which is not supported. Leave it out."
                ));
            }
        }
        let alg = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let algorithm = SignatureAlgorithm::from_name(alg).ok_or_else(|| {
            let known = SignatureAlgorithm::list_names();
            format!("The assertion is signed with “{alg}”. Sign it with an algorithm that uses public keys: {known}.")
        })?;
        if let Some(kind) = header.get("typ") {
            let kind = kind.as_str().unwrap_or_default().to_ascii_lowercase();
            if !matches!(kind.trim_start_matches("application/"), "jwt" | "at+jwt") {
                return Err(format!("The assertion is of the type “{kind}”. Send one of the type “JWT”."));
            }
        }
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err("“kid” in the header of the assertion must be a string.".to_owned()),
        };
        Ok(Self { text: text.to_owned(), algorithm, kid, claims })
    }

    /// The claimed issuer (`iss`).
    ///
    /// # Errors
    /// A message for the client, if there is none.
    pub fn issuer(&self) -> Result<&str, String> {
        text_claim(&self.claims, "iss")
    }

    /// The only audience (`aud`). An assertion for several audiences is refused,
    /// because each of them could pass it on.
    ///
    /// # Errors
    /// A message for the client, if there is no audience or more than one.
    pub fn audience(&self) -> Result<&str, String> {
        match self.claims.get("aud") {
            Some(Value::Array(all)) => match all.as_slice() {
                [Value::String(one)] => Ok(one),
                _ => Err("“aud” of the assertion must name one audience.".to_owned()),
            },
            _ => text_claim(&self.claims, "aud"),
        }
    }

    /// Verifies the times and, with the issuer's published keys, the signature.
    /// The caller must have found an identity provider with exactly this issuer
    /// and audience before.
    ///
    /// # Errors
    /// A message for the client that says what is wrong.
    pub async fn verify(self, verifier: &Verifier) -> Result<VerifiedAssertion, String> {
        let now = verifier.context.clock.now();
        check_claims(&self.claims, now)?;
        let wanted = (self.kid.as_deref(), self.algorithm);
        let (message, signature) = self.text.rsplit_once('.').unwrap_or_default();
        let verifies = |key: &VerificationKey| key.verifies(message.as_bytes(), signature, self.algorithm);
        match verifier
            .issuers
            .check_signature(&verifier.outbound, self.issuer()?, wanted, now, verifies)
            .await?
        {
            SignatureCheck::Verified => Ok(VerifiedAssertion { claims: self.claims }),
            SignatureCheck::Invalid => Err("The signature of the assertion is wrong.".to_owned()),
            SignatureCheck::UnknownKey => {
                Err("The assertion is signed with a key that its issuer does not publish.".to_owned())
            }
        }
    }
}

impl VerifiedAssertion {
    /// Marks the assertion's id (`jti`) as used, in the transaction that issues a
    /// token for it, so that an assertion cannot be replayed. Returns false if the
    /// id was used before, also on another node. The id is stored until the
    /// assertion expires. An assertion without an id can be used again.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn mark_used(&self, tx: &mut Tx, proof: System) -> crate::platform::Result<bool> {
        let Some(id) = self.claims.get("jti").and_then(Value::as_str) else { return Ok(true) };
        let end = time_claim(&self.claims, "exp").ok().flatten().unwrap_or(Timestamp::LAST);
        let issuer = text_claim(&self.claims, "iss").unwrap_or_default();
        let rows = sql(
            "INSERT INTO used_assertions (hash, expires_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING",
        )
        .bind(digest_parts([issuer, id]).as_slice())
        .bind(end)
        .execute(tx, &proof)
        .await?;
        Ok(rows == 1)
    }

    /// The subject (`sub`): the identity as the issuer names it.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.claims.get("sub").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a claim has this value, compared as text. Lists and objects never
    /// match.
    #[must_use]
    pub fn has_claim(&self, name: &str, value: &str) -> bool {
        match self.claims.get(name) {
            Some(Value::String(text)) => text == value,
            Some(Value::Bool(flag)) => flag.to_string() == value,
            Some(Value::Number(number)) => number.to_string() == value,
            _ => false,
        }
    }
}

fn text_claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    match claims.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(format!("“{name}” of the assertion must be a string that is not empty.")),
        None => Err(format!("The assertion has no “{name}”.")),
    }
}

/// A claim of type `NumericDate`, in whole seconds since 1970 (RFC 7519, 2);
/// `None` if the claim is missing.
fn time_claim(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, String> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_i64().filter(|seconds| (0..1 << 40).contains(seconds));
    let seconds = seconds
        .ok_or_else(|| format!("“{name}” of the assertion must be a whole number of seconds since 1970."))?;
    Ok(Some(Timestamp::from_micros(seconds * 1_000_000)))
}

/// Checks that `sub`, `exp` and `iat` are present and that the times are valid
/// at `now`.
fn check_claims(claims: &Map<String, Value>, now: Timestamp) -> Result<(), String> {
    text_claim(claims, "sub")?;
    if claims.contains_key("jti") {
        text_claim(claims, "jti")?;
    }
    let needed =
        |name: &str| time_claim(claims, name)?.ok_or_else(|| format!("The assertion has no “{name}”."));
    let (end, issued) = (needed("exp")?, needed("iat")?);
    if end <= now {
        return Err("The assertion has expired. Request a new one.".to_owned());
    }
    if end > now.plus(MAX_LIFETIME) {
        return Err(
            "“exp” of the assertion is more than a day ahead. Request one that expires sooner.".to_owned()
        );
    }
    for (name, at) in [("iat", Some(issued)), ("nbf", time_claim(claims, "nbf")?)] {
        if at.is_some_and(|at| at > now.plus(MAX_CLOCK_SKEW)) {
            return Err(format!(
                "“{name}” of the assertion is in the future. Compare the clocks of the two machines."
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn claims() -> Value {
        json!({ "iss": "https://ci", "aud": "tessera", "sub": "repo:a/b", "iat": NOW, "nbf": NOW, "exp": NOW + 300 })
    }

    fn judged(claims: &Value) -> Result<(), String> {
        check_claims(claims.as_object().expect("an object"), Timestamp::from_micros(NOW * 1_000_000))
    }

    #[test]
    fn times_that_are_missing_no_whole_seconds_or_far_off_are_refused() {
        judged(&claims()).expect("good");
        for name in ["exp", "iat", "sub"] {
            let mut without = claims();
            without.as_object_mut().expect("an object").remove(name);
            assert!(judged(&without).is_err(), "{name} missing");
        }
        let mut without = claims();
        without.as_object_mut().expect("an object").remove("nbf");
        judged(&without).expect("nbf may be missing (RFC 7519, 4.1.5)");
        for name in ["exp", "nbf", "iat"] {
            for bad in [
                json!("1800000100"),
                json!(null),
                json!(1_800_000_100.5),
                json!(1.8e9),
                json!(-1),
                json!([NOW]),
                json!(true),
                json!(i64::MAX),
                json!(u64::MAX),
                json!(NOW + 2 * 24 * 3600),
            ] {
                let mut changed = claims();
                changed[name] = bad.clone();
                assert!(judged(&changed).is_err(), "{name}: {bad}");
            }
        }
        for (end, good) in [(NOW - 1, false), (NOW, false), (NOW + 1, true)] {
            let mut changed = claims();
            changed["exp"] = json!(end);
            assert_eq!(judged(&changed).is_ok(), good, "{end}");
        }
    }

    #[test]
    fn an_id_is_text_or_missing() {
        for (id, good) in [(json!("a"), true), (json!(""), false), (json!(7), false), (json!(null), false)] {
            let mut changed = claims();
            changed["jti"] = id.clone();
            assert_eq!(judged(&changed).is_ok(), good, "{id}");
        }
    }

    #[test]
    fn what_needs_no_key_is_refused_without_one() {
        let made = |header: Value, claims: Value| {
            let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
            format!("{}.{}.c2ln", part(header), part(claims))
        };
        let plain = json!({ "alg": "RS256", "typ": "JWT", "kid": "1" });
        assert!(ParsedAssertion::parse(&made(plain.clone(), claims())).is_ok());
        for alg in ["none", "None", "HS256", "HS512", "", "RS1", "ES256K"] {
            let header = json!({ "alg": alg });
            assert!(ParsedAssertion::parse(&made(header, claims())).is_err(), "{alg}");
        }
        for name in ["jku", "x5u", "jwk", "x5c", "crit", "b64", "zip"] {
            let mut header = plain.clone();
            header[name] = json!("https://evil.example");
            assert!(ParsedAssertion::parse(&made(header, claims())).is_err(), "{name}");
        }
        for (name, value) in [("typ", json!("logout+jwt")), ("typ", json!(1)), ("kid", json!(7))] {
            let mut header = plain.clone();
            header[name] = value;
            assert!(ParsedAssertion::parse(&made(header, claims())).is_err(), "{name}");
        }
        for bad in ["", ".", "..", "a.b.c", "a.b.c.d", "e30.e30", "\u{0}"] {
            assert!(ParsedAssertion::parse(bad).is_err(), "{bad:?}");
        }
        assert!(ParsedAssertion::parse(&"a".repeat(MAX_ASSERTION_BYTES + 1)).is_err());
        for (aud, good) in [
            (json!("tessera"), true),
            (json!(["tessera"]), true),
            (json!(["tessera", "other"]), false),
            (json!([]), false),
            (json!([1]), false),
            (json!(null), false),
            (json!(1.5), false),
            (json!(""), false),
        ] {
            let mut changed = claims();
            changed["aud"] = aud.clone();
            let read = ParsedAssertion::parse(&made(plain.clone(), changed)).expect("readable");
            assert_eq!(read.audience().is_ok(), good, "{aud}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[A-Za-z0-9._-]{0,80}") {
            let _ = ParsedAssertion::parse(&text);
        }
    }
}
