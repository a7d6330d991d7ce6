//! The values that a statement binds, in the types that both databases have. Times
//! are numbers (microseconds); ids and `string_enum!` words are texts.

use crate::platform::Timestamp;

/// A value bound to a placeholder.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text, or NULL.
    Text(Option<String>),
    /// A 64-bit number or a time, or NULL.
    Number(Option<i64>),
    /// A boolean, never NULL.
    Bool(bool),
    /// Bytes, never NULL.
    Bytes(Vec<u8>),
    /// Bytes, or NULL.
    OptionalBytes(Option<Vec<u8>>),
}

impl Value {
    /// Replaces NUL characters in a text, which PostgreSQL does not allow.
    pub(super) fn without_nul(self) -> Self {
        match self {
            Self::Text(Some(text)) if text.contains('\0') => Self::Text(Some(text.replace('\0', "\u{fffd}"))),
            other => other,
        }
    }

    /// NULL of the same type (false for booleans).
    pub(super) fn nothing(&self) -> Self {
        match self {
            Self::Text(_) => Self::Text(None),
            Self::Number(_) => Self::Number(None),
            Self::Bool(_) => Self::Bool(false),
            Self::Bytes(_) | Self::OptionalBytes(_) => Self::OptionalBytes(None),
        }
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}
impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(Some(value.clone()))
    }
}
impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(Some(value))
    }
}
impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Number(Some(value.micros()))
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}
impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}
/// An optional value is bound with its type, because PostgreSQL's NULLs have types.
impl From<Option<Timestamp>> for Value {
    fn from(value: Option<Timestamp>) -> Self {
        Self::Number(value.map(Timestamp::micros))
    }
}
impl<T: std::fmt::Display> From<Option<T>> for Value
where
    T: StoredAsText,
{
    fn from(value: Option<T>) -> Self {
        Self::Text(value.map(|value| value.to_string()))
    }
}

/// A type that is stored as text.
pub trait StoredAsText {}
impl StoredAsText for String {}
impl StoredAsText for &str {}
impl StoredAsText for &String {}

/// Implements binding and reading as text for a type with `Display` and `FromStr`.
macro_rules! stored_as_text {
    ($name:ident) => {
        impl $crate::platform::db::StoredAsText for $name {}

        impl From<$name> for $crate::platform::db::Value {
            fn from(value: $name) -> Self {
                Self::Text(Some(value.to_string()))
            }
        }

        impl<DB: sqlx::Database> sqlx::Type<DB> for $name
        where
            String: sqlx::Type<DB>,
        {
            fn type_info() -> DB::TypeInfo {
                <String as sqlx::Type<DB>>::type_info()
            }
            fn compatible(ty: &DB::TypeInfo) -> bool {
                <String as sqlx::Type<DB>>::compatible(ty)
            }
        }

        impl<'r, DB: sqlx::Database> sqlx::Decode<'r, DB> for $name
        where
            &'r str: sqlx::Decode<'r, DB>,
        {
            fn decode(value: <DB as sqlx::Database>::ValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
                Ok(<&str as sqlx::Decode<'r, DB>>::decode(value)?.parse()?)
            }
        }
    };
}
pub(crate) use stored_as_text;
