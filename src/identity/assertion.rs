//! An identity that an identity provider vouches for: a JWT (RFC 7519), as a
//! bearer assertion (RFC 7523), checked as RFC 8725 advises.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation, decode};
use serde_json::{Map, Value};

use super::app::App;
use crate::platform::{Result, Timestamp};

/// The longest assertion that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;
/// How far the clocks of issuer and installation may differ.
const SKEW: Duration = Duration::from_secs(60);
/// How far ahead the end of an assertion may lie.
const AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// Public keys only: with `none` or a shared secret anybody could sign.
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// An assertion, read but not yet believed.
#[derive(Clone, Debug)]
pub struct Presented {
    text: String,
    algorithm: Algorithm,
    kid: Option<String>,
    claims: Map<String, Value>,
}

/// An identity that is proved: the issuer signed it, for this audience, and it
/// holds at this moment. Only [`Presented::prove`] makes one.
#[derive(Clone, Debug)]
pub struct Proven {
    claims: Map<String, Value>,
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

impl Presented {
    /// Reads header and claims, and refuses what can be refused without a key:
    /// nothing is fetched for it, least of all from where it says.
    ///
    /// # Errors
    /// A sentence: what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("the assertion is longer than {} KB", LONGEST / 1024));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, _] = parts.as_slice() else {
            return Err("the assertion is no signed JWT: three parts with dots between".to_owned());
        };
        let header = object(header).ok_or("the header of the assertion is no JSON object")?;
        let claims = object(claims).ok_or("the claims of the assertion are no JSON object")?;
        for name in ["jku", "x5u", "jwk", "x5c", "crit", "b64", "zip", "enc"] {
            if header.contains_key(name) {
                return Err(format!("the header of the assertion has “{name}”, which is not taken"));
            }
        }
        let alg = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let algorithm = ALGORITHMS.iter().find(|(name, _)| *name == alg).map(|(_, algorithm)| *algorithm);
        let algorithm = algorithm.ok_or_else(|| {
            let known = ALGORITHMS.map(|(name, _)| name).join(", ");
            format!("the assertion is signed with “{alg}”; only public keys are taken: {known}")
        })?;
        if let Some(kind) = header.get("typ") {
            let kind = kind.as_str().unwrap_or_default().to_ascii_lowercase();
            if !matches!(kind.trim_start_matches("application/"), "jwt" | "at+jwt") {
                return Err(format!("the assertion is a “{kind}”, not a JWT"));
            }
        }
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err("“kid” of the assertion is no text".to_owned()),
        };
        Ok(Self { text: text.to_owned(), algorithm, kid, claims })
    }

    /// The issuer that it claims.
    ///
    /// # Errors
    /// A sentence, where it claims none.
    pub fn issuer(&self) -> Result<&str, String> {
        text(&self.claims, "iss")
    }

    /// The one audience that it is for. One for several could be passed on by
    /// each of them.
    ///
    /// # Errors
    /// A sentence, where it is for none or for several.
    pub fn audience(&self) -> Result<&str, String> {
        match self.claims.get("aud") {
            Some(Value::Array(all)) => match all.as_slice() {
                [Value::String(one)] => Ok(one),
                _ => Err("“aud” of the assertion must be one audience".to_owned()),
            },
            _ => text(&self.claims, "aud"),
        }
    }

    /// Checks its signature with the keys of the issuer, and that it holds now.
    /// Issuer and audience are those of an identity provider that was looked up
    /// by exactly these.
    ///
    /// # Errors
    /// A sentence: what is wrong.
    pub async fn prove(self, app: &App) -> Result<Proven, String> {
        let now = app.clock.now();
        check(&self.claims, now)?;
        let wanted = (self.kid.as_deref(), self.algorithm);
        let keys = app.issuers.keys(&app.outbound, self.issuer()?, wanted, now).await?;
        if keys.is_empty() {
            return Err("the assertion is signed with a key that its issuer does not publish".to_owned());
        }
        let mut rules = Validation::new(self.algorithm);
        // The library would ask the machine's clock; `check` has asked ours.
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.required_spec_claims.clear();
        let signed = keys.iter().any(|key| decode::<Value>(&self.text, key, &rules).is_ok());
        if signed {
            Ok(Proven { claims: self.claims })
        } else {
            Err("the assertion's signature is wrong".to_owned())
        }
    }
}

impl Proven {
    /// Whom it is about, in the issuer's words.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.claims.get("sub").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a claim has this value, as text. Claims that are lists or objects
    /// have none.
    #[must_use]
    pub fn claims(&self, name: &str, value: &str) -> bool {
        match self.claims.get(name) {
            Some(Value::String(text)) => text == value,
            Some(Value::Bool(flag)) => flag.to_string() == value,
            Some(Value::Number(number)) => number.to_string() == value,
            _ => false,
        }
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    match claims.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(format!("“{name}” of the assertion must be text")),
        None => Err(format!("the assertion has no “{name}”")),
    }
}

/// A moment: whole seconds since 1970.
fn moment(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, String> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_i64().filter(|seconds| (0..1 << 40).contains(seconds));
    let seconds =
        seconds.ok_or_else(|| format!("“{name}” of the assertion must be whole seconds since 1970"))?;
    Ok(Some(Timestamp::from_micros(seconds * 1_000_000)))
}

/// Checks the claims that every assertion must have, at `now`.
fn check(claims: &Map<String, Value>, now: Timestamp) -> Result<(), String> {
    text(claims, "sub")?;
    let needed = |name: &str| moment(claims, name)?.ok_or_else(|| format!("the assertion has no “{name}”"));
    let (end, issued) = (needed("exp")?, needed("iat")?);
    if end <= now {
        return Err("the assertion has expired".to_owned());
    }
    if end > now.plus(AHEAD) {
        return Err("“exp” of the assertion lies more than a day ahead".to_owned());
    }
    for (name, at) in [("iat", Some(issued)), ("nbf", moment(claims, "nbf")?)] {
        if at.is_some_and(|at| at > now.plus(SKEW)) {
            return Err(format!("“{name}” of the assertion lies ahead: compare the clocks"));
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
        check(claims.as_object().expect("an object"), Timestamp::from_micros(NOW * 1_000_000))
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
    fn what_needs_no_key_is_refused_without_one() {
        let made = |header: Value, claims: Value| {
            let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
            format!("{}.{}.c2ln", part(header), part(claims))
        };
        let plain = json!({ "alg": "RS256", "typ": "JWT", "kid": "1" });
        assert!(Presented::read(&made(plain.clone(), claims())).is_ok());
        for alg in ["none", "None", "HS256", "HS512", "", "RS1", "ES256K"] {
            let header = json!({ "alg": alg });
            assert!(Presented::read(&made(header, claims())).is_err(), "{alg}");
        }
        for name in ["jku", "x5u", "jwk", "x5c", "crit", "b64", "zip"] {
            let mut header = plain.clone();
            header[name] = json!("https://evil.example");
            assert!(Presented::read(&made(header, claims())).is_err(), "{name}");
        }
        for (name, value) in [("typ", json!("logout+jwt")), ("typ", json!(1)), ("kid", json!(7))] {
            let mut header = plain.clone();
            header[name] = value;
            assert!(Presented::read(&made(header, claims())).is_err(), "{name}");
        }
        for bad in ["", ".", "..", "a.b.c", "a.b.c.d", "e30.e30", "\u{0}"] {
            assert!(Presented::read(bad).is_err(), "{bad:?}");
        }
        assert!(Presented::read(&"a".repeat(LONGEST + 1)).is_err());
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
            let read = Presented::read(&made(plain.clone(), changed)).expect("readable");
            assert_eq!(read.audience().is_ok(), good, "{aud}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[A-Za-z0-9._-]{0,80}") {
            let _ = Presented::read(&text);
        }
    }
}
