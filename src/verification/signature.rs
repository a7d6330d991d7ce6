//! Signatures of JWTs (RFC 7515, RFC 7518, RFC 8037, RFC 9864) and the public
//! keys that verify them (RFC 7517). Before a signature is computed, the
//! algorithm is compared with the kind and the curve of the key, so that a key is
//! never used with an algorithm for which it was not made. Only asymmetric
//! algorithms are supported.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use p521::ecdsa::signature::Verifier as _;
use serde_json::{Map, Value};

/// The accepted lengths of RSA keys in bits. RFC 7518, 3.3 requires at least
/// 2048; more than 4096 would take too long to verify.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// An asymmetric signature algorithm. `none` and algorithms with a shared secret
/// are not supported, because anybody could sign with them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureAlgorithm {
    /// An algorithm that the JWT library supports.
    Common(Algorithm),
    /// ECDSA with P-521 and SHA-512, which the JWT library does not support.
    Es512,
}

/// The values of `alg`. `EdDSA` is the older name of `Ed25519`, the only curve of
/// it in use (RFC 9864).
const ALGORITHMS: [(&str, SignatureAlgorithm); 11] = [
    ("RS256", SignatureAlgorithm::Common(Algorithm::RS256)),
    ("RS384", SignatureAlgorithm::Common(Algorithm::RS384)),
    ("RS512", SignatureAlgorithm::Common(Algorithm::RS512)),
    ("PS256", SignatureAlgorithm::Common(Algorithm::PS256)),
    ("PS384", SignatureAlgorithm::Common(Algorithm::PS384)),
    ("PS512", SignatureAlgorithm::Common(Algorithm::PS512)),
    ("ES256", SignatureAlgorithm::Common(Algorithm::ES256)),
    ("ES384", SignatureAlgorithm::Common(Algorithm::ES384)),
    ("ES512", SignatureAlgorithm::Es512),
    ("Ed25519", SignatureAlgorithm::Common(Algorithm::EdDSA)),
    ("EdDSA", SignatureAlgorithm::Common(Algorithm::EdDSA)),
];

impl SignatureAlgorithm {
    /// The algorithm with this name (the value of `alg`).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }

    /// All supported names, for error messages.
    #[must_use]
    pub fn list_names() -> String {
        ALGORITHMS.map(|(name, _)| name).join(", ")
    }
}

#[derive(Clone)]
enum Material {
    Rsa(DecodingKey),
    P256(DecodingKey),
    P384(DecodingKey),
    P521(Box<p521::ecdsa::VerifyingKey>),
    Ed25519(DecodingKey),
}

/// A public key that verifies signatures.
#[derive(Clone)]
pub struct VerificationKey {
    id: Option<String>,
    /// The value of `alg` in the JWK: the only algorithm for which the key may be
    /// used.
    algorithm: Option<SignatureAlgorithm>,
    material: Material,
}

impl std::fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerificationKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl VerificationKey {
    /// Parses a JWK. `None` if the key cannot be used here: it has an unsupported
    /// kind, curve or length, is malformed, or is not for signatures.
    #[must_use]
    pub fn from_jwk(jwk: &Value) -> Option<Self> {
        let jwk = jwk.as_object()?;
        if jwk.get("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        if let Some(operations) = jwk.get("key_ops")
            && !operations.as_array()?.iter().any(|operation| operation == "verify")
        {
            return None;
        }
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(name) => Some(SignatureAlgorithm::from_name(name.as_str()?)?),
        };
        let id = match jwk.get("kid") {
            None => None,
            Some(id) => Some(id.as_str()?.to_owned()),
        };
        let key = Self { id, algorithm, material: parse_material(jwk)? };
        algorithm.is_none_or(|algorithm| key.is_made_for(algorithm)).then_some(key)
    }

    /// Whether the kind and the curve of the key match the algorithm.
    fn is_made_for(&self, algorithm: SignatureAlgorithm) -> bool {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        use SignatureAlgorithm::{Common, Es512};
        match &self.material {
            Material::Rsa(_) => matches!(algorithm, Common(RS256 | RS384 | RS512 | PS256 | PS384 | PS512)),
            Material::P256(_) => algorithm == Common(ES256),
            Material::P384(_) => algorithm == Common(ES384),
            Material::P521(_) => algorithm == Es512,
            Material::Ed25519(_) => algorithm == Common(EdDSA),
        }
    }

    /// Whether this key can have made a signature with this algorithm and, if the
    /// JWT names one, this key id (`kid`).
    #[must_use]
    pub fn may_have_signed(&self, id: Option<&str>, algorithm: SignatureAlgorithm) -> bool {
        (id.is_none() || id == self.id.as_deref())
            && self.algorithm.is_none_or(|own| own == algorithm)
            && self.is_made_for(algorithm)
    }

    /// Whether this key verifies the signature (base64url) of a message.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &str, algorithm: SignatureAlgorithm) -> bool {
        if !self.is_made_for(algorithm) {
            return false;
        }
        match (&self.material, algorithm) {
            (
                Material::Rsa(key) | Material::P256(key) | Material::P384(key) | Material::Ed25519(key),
                SignatureAlgorithm::Common(algorithm),
            ) => crypto::verify(signature, message, key, algorithm).unwrap_or(false),
            (Material::P521(key), SignatureAlgorithm::Es512) => {
                let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
                let signature = p521::ecdsa::Signature::from_slice(&bytes);
                signature.is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
            _ => false,
        }
    }
}

fn parse_material(jwk: &Map<String, Value>) -> Option<Material> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let point = |length: usize| {
        let (x, y) = (bytes("x")?, bytes("y")?);
        (x.len() == length && y.len() == length).then(|| [&[4], &x[..], &y[..]].concat())
    };
    let ec = |length: usize| {
        point(length)?;
        DecodingKey::from_ec_components(text("x")?, text("y")?).ok()
    };
    match (text("kty")?, text("crv")) {
        ("RSA", _) => {
            let (n, e) = (bytes("n")?, bytes("e")?);
            let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
            let good = RSA_BITS.contains(&bit_length(&n))
                && odd(&n)
                && odd(&e)
                && (2..=33).contains(&bit_length(&e));
            let key =
                good.then(|| DecodingKey::from_rsa_components(text("n")?, text("e")?).ok()).flatten()?;
            Some(Material::Rsa(key))
        }
        ("EC", Some("P-256")) => ec(32).map(Material::P256),
        ("EC", Some("P-384")) => ec(48).map(Material::P384),
        ("EC", Some("P-521")) => {
            let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(&point(66)?).ok()?;
            Some(Material::P521(Box::new(key)))
        }
        ("OKP", Some("Ed25519")) if bytes("x")?.len() == 32 => {
            DecodingKey::from_ed_components(text("x")?).ok().map(Material::Ed25519)
        }
        _ => None,
    }
}

/// The length in bits of a big-endian number, without leading zeros.
fn bit_length(number: &[u8]) -> usize {
    let Some(first) = number.iter().position(|byte| *byte != 0) else { return 0 };
    (number.len() - first) * 8 - number[first].leading_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use p521::ecdsa::signature::Signer as _;
    use serde_json::json;

    fn encoded(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn rsa(length: usize) -> Value {
        let mut modulus = vec![0xff_u8; length];
        modulus[0] = 0x80;
        json!({ "kty": "RSA", "n": encoded(&modulus), "e": "AQAB" })
    }

    fn es512() -> (p521::ecdsa::SigningKey, Value) {
        let mut secret = [7_u8; 66];
        secret[0] = 0;
        let key = p521::ecdsa::SigningKey::from_slice(&secret).expect("a key");
        let point = p521::ecdsa::VerifyingKey::from(&key).to_encoded_point(false);
        let part = |part: Option<&p521::FieldBytes>| encoded(part.expect("a coordinate"));
        let jwk = json!({ "kty": "EC", "crv": "P-521", "x": part(point.x()), "y": part(point.y()) });
        (key, jwk)
    }

    #[test]
    fn only_keys_that_can_verify_are_keys() {
        let ed =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        let with = |base: &Value, name: &str, value: Value| {
            let mut jwk = base.clone();
            jwk[name] = value;
            jwk
        };
        for good in [
            ed.clone(),
            rsa(256),
            rsa(512),
            es512().1,
            with(&ed, "use", json!("sig")),
            with(&ed, "key_ops", json!(["verify"])),
            with(&ed, "alg", json!("EdDSA")),
            with(&ed, "alg", json!("Ed25519")),
            with(&rsa(256), "alg", json!("PS512")),
        ] {
            assert!(VerificationKey::from_jwk(&good).is_some(), "{good}");
        }
        let mut zeros = vec![0_u8; 256];
        zeros[128..].fill(0xff);
        for bad in [
            // 1,024 and 2,047 bits, 1,024 behind zeros, and what takes too long.
            rsa(128),
            with(&rsa(256), "n", json!(encoded(&[&[0x7f_u8][..], &[0xff; 255]].concat()))),
            with(&rsa(256), "n", json!(encoded(&zeros))),
            rsa(1024),
            with(&rsa(256), "e", json!("AQ")),
            with(&rsa(256), "alg", json!("RSA-OAEP")),
            with(&rsa(256), "alg", json!("ES256")),
            with(&rsa(256), "use", json!("enc")),
            with(&ed, "crv", json!("X25519")),
            with(&ed, "crv", json!("Ed448")),
            with(&ed, "key_ops", json!(["sign"])),
            with(&ed, "x", json!("AAAA")),
            with(&ed, "kid", json!(7)),
            with(&es512().1, "crv", json!("P-256")),
            with(&es512().1, "y", es512().1["x"].clone()),
            json!({ "kty": "oct", "k": "AAAA" }),
            json!({}),
            json!(null),
        ] {
            assert!(VerificationKey::from_jwk(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_signature_with_p_521_is_verified() {
        let (signing, jwk) = es512();
        let key = VerificationKey::from_jwk(&jwk).expect("a key");
        let signature: p521::ecdsa::Signature = signing.sign(b"message");
        let signature = encoded(&signature.to_bytes());
        let algorithm = SignatureAlgorithm::from_name("ES512").expect("known");
        assert!(key.may_have_signed(None, algorithm) && key.verifies(b"message", &signature, algorithm));
        assert!(!key.verifies(b"massage", &signature, algorithm));
        assert!(!key.verifies(b"message", "", algorithm));
        let other = SignatureAlgorithm::from_name("ES256").expect("known");
        assert!(!key.may_have_signed(None, other) && !key.verifies(b"message", &signature, other));
    }

    #[test]
    fn no_algorithm_takes_a_shared_secret() {
        for name in ["none", "HS256", "HS384", "HS512", "", "ES256K", "Ed448", "RSA-OAEP", "eddsa"] {
            assert_eq!(SignatureAlgorithm::from_name(name), None, "{name}");
        }
        assert_eq!(SignatureAlgorithm::from_name("Ed25519"), SignatureAlgorithm::from_name("EdDSA"));
    }

    proptest::proptest! {
        #[test]
        fn no_key_and_no_signature_makes_it_panic(x in "[A-Za-z0-9_-]{0,90}", signature in ".{0,180}") {
            for (kty, crv) in [("EC", "P-256"), ("EC", "P-521"), ("OKP", "Ed25519"), ("RSA", "")] {
                let jwk = json!({ "kty": kty, "crv": crv, "x": x, "y": x, "n": x, "e": "AQAB" });
                if let Some(key) = VerificationKey::from_jwk(&jwk) {
                    for (_, algorithm) in ALGORITHMS {
                        let _ = key.verifies(b"message", &signature, algorithm);
                    }
                }
            }
        }
    }
}
