//! Functions for `deserialize_with` that decide how JSON's `null` is read. In an
//! edit, a missing field leaves the value as it is, and `null` removes it: no end,
//! no text, no ranges. Fields must also have `default`.

use serde::{Deserialize, Deserializer};

/// Distinguishes `null` (`Some(None)`) from a missing field (`None`).
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
pub fn null_as_default<'de, T, D>(value: D) -> Result<T, D::Error>
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
