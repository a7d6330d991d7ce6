//! How JSON's `null` is read. A field that is left out says nothing; `null`
//! says that there is to be nothing: no end, no text, no ranges. Fields name
//! one of these functions in `deserialize_with`, beside `default`.

use serde::{Deserialize, Deserializer};

/// `null` is told from a field that is left out.
///
/// # Errors
/// Those of the value.
pub fn present<'de, T, D>(value: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(value).map(Some)
}

/// `null` is the empty value, as a field that is left out.
///
/// # Errors
/// Those of the value.
pub fn or_empty<'de, T, D>(value: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Option::deserialize(value).map(Option::unwrap_or_default)
}

/// `null` clears what is there; a field that is left out leaves it.
///
/// # Errors
/// Those of the value.
pub fn cleared<'de, T, D>(value: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Option::deserialize(value).map(|value: Option<T>| Some(value.unwrap_or_default()))
}
