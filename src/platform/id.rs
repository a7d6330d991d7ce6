//! The id types. An id is a prefix that names its kind, and a ULID in lower case
//! (48 bits of time in milliseconds, 80 random bits), so that ids sort by
//! creation. The types cannot be mixed up.

/// Defines an id type, which is displayed and stored as `prefix_01k9x2…`.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ulid::Ulid);

        impl $name {
            /// Generates an id with the time `now`.
            #[must_use]
            pub fn new(now: $crate::platform::Timestamp, random: &$crate::platform::Random) -> Self {
                let bits = u128::from_be_bytes(random.bytes());
                Self(ulid::Ulid::from_parts(now.millis(), bits))
            }

            /// Generates one of several ids with the same time, which sort by
            /// `place`.
            #[must_use]
            pub fn in_order(
                now: $crate::platform::Timestamp,
                place: u8,
                random: &$crate::platform::Random,
            ) -> Self {
                let bits = u128::from_be_bytes(random.bytes()) & ((1 << 72) - 1);
                Self(ulid::Ulid::from_parts(now.millis(), u128::from(place) << 72 | bits))
            }

            /// The lowest possible id with this time.
            #[must_use]
            pub fn first_of(at: $crate::platform::Timestamp) -> Self {
                Self(ulid::Ulid::from_parts(at.millis().min((1 << 48) - 1), 0))
            }

            /// The highest possible id with this time.
            #[must_use]
            pub fn last_of(at: $crate::platform::Timestamp) -> Self {
                Self(ulid::Ulid::from_parts(at.millis().min((1 << 48) - 1), u128::MAX))
            }

            /// The lowest and the highest possible id, as text.
            #[must_use]
            pub fn all() -> (String, String) {
                (Self(ulid::Ulid(0)).to_string(), Self(ulid::Ulid(u128::MAX)).to_string())
            }

            /// The time at which the id was generated, in milliseconds.
            #[must_use]
            pub fn made_at(self) -> $crate::platform::Timestamp {
                let millis = i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX);
                $crate::platform::Timestamp::from_micros(millis.saturating_mul(1000))
            }

            /// The id without its prefix as a number. The low 80 bits are random.
            #[must_use]
            pub const fn number(self) -> u128 {
                self.0.0
            }

            /// A fixed id from a number, for tests and example principals.
            #[must_use]
            pub const fn sample(number: u128) -> Self {
                Self(ulid::Ulid::from_parts(1_700_000_000_000, number))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut text = [0; ulid::ULID_LEN];
                let text = self.0.array_to_str(&mut text);
                text.make_ascii_lowercase();
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(text)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::platform::id::NotAnId;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let body = text.strip_prefix(concat!($prefix, "_")).ok_or($crate::platform::id::NotAnId)?;
                let id = ulid::Ulid::from_string(body).map(Self).map_err(|_| $crate::platform::id::NotAnId)?;
                // One id has one spelling: upper case and the look-alike letters are refused.
                if id.to_string() == text { Ok(id) } else { Err($crate::platform::id::NotAnId) }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "pattern": concat!("^", $prefix, "_[0-9a-hjkmnp-tv-z]{26}$"),
                })
            }
        }

        $crate::platform::db::stored_as_text!($name);
    };
}

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct NotAnId;

id!(/** Of an organization. */ OrganizationId, "org");
id!(/** Of a person. */ PersonId, "person");
id!(/** Of a team. */ TeamId, "team");
id!(/** Of a project. */ ProjectId, "proj");
id!(/** Of a service account: its UID. */ ServiceAccountId, "sa");
id!(/** Of a token. */ TokenId, "tok");
id!(/** Of an audit event. */ EventId, "evt");
id!(/** Of an invitation. */ InvitationId, "inv");
id!(/** Of a permission set that an organization made. */ PermissionSetId, "set");
id!(/** Of a registered service. */ ServiceId, "svc");
id!(/** Of an identity provider. */ IdentityProviderId, "idp");
id!(/** Of a grant. */ GrantId, "grant");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_exactly_one_spelling() {
        let id = TeamId::sample(7);
        let text = id.to_string();
        assert!(text.starts_with("team_0") && text.len() == 31);
        assert_eq!(text.parse::<TeamId>(), Ok(id));
        assert_eq!(text.to_uppercase().parse::<TeamId>(), Err(NotAnId));
        assert_eq!(text.replace("team", "sa").parse::<TeamId>(), Err(NotAnId));
        assert_eq!("team_".parse::<TeamId>(), Err(NotAnId));
        assert_eq!(text.parse::<ServiceAccountId>(), Err(NotAnId));
    }
}
