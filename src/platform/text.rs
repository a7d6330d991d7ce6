//! Small types over text: closed lists of words, slugs, names.

/// Makes an enum whose values are words: in the database, in JSON, in forms
/// and on pages alike.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $value:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[$each])* $value),+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// The word that stands for it everywhere.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$value => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            /// A word that is none of these is answered with the list of them.
            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|value| value.word() == text).ok_or_else(|| {
                    format!("must be one of: {}", [$($word),+].join(", "))
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
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
                schemars::json_schema!({ "type": "string", "enum": [$($word),+] })
            }
        }

        $crate::platform::db::stored_as_text!($name);
    };
}
pub(crate) use words;

/// Words that are part of addresses and so cannot name anything.
const RESERVED: &[&str] = &["new", "edit", "delete", "owner", "admin-api", "api", "settings"];

/// Checks a slug: `[a-z0-9](-?[a-z0-9])*`, at most 64, not reserved.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn slug(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is needed".to_owned());
    }
    let fits = text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--");
    if !fits {
        return Err(
            "takes lower-case letters a to z, digits and single hyphens between them, at most 64".to_owned()
        );
    }
    if RESERVED.contains(&text) {
        return Err(format!("cannot be “{text}”: that word is part of addresses"));
    }
    Ok(text.to_owned())
}

/// Checks a name: 1 to 255 characters after trimming, no control characters.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("is needed".to_owned()),
        1..=255 if text.chars().any(char::is_control) => {
            Err("cannot hold line breaks or other control characters".to_owned())
        }
        1..=255 => Ok(text.to_owned()),
        count => Err(format!("may have at most 255 characters; this has {count}")),
    }
}

/// Checks a longer text: at most `limit` characters after trimming; may be
/// empty; line breaks allowed, other control characters not.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn prose(text: &str, limit: usize) -> Result<String, String> {
    let text = text.trim().replace("\r\n", "\n");
    let count = text.chars().count();
    if count > limit {
        return Err(format!("may have at most {limit} characters; this has {count}"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err("cannot hold control characters".to_owned());
    }
    Ok(text)
}

/// Counts of what may be many stop here: what is above it reads `1,000+`.
pub const MOST: i64 = 1_000;

/// A count that stops at [`MOST`], as it is read.
#[must_use]
pub fn count(count: i64) -> String {
    if count > MOST { "1,000+".to_owned() } else { count.to_string() }
}

/// A count in a row of a list, whose statement counts up to one more than `MOST`
/// (`LIMIT 101`): a page of fifty rows does not count all that each of them has.
/// It reads `100+` there; where one thing is read alone, all of it is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, sqlx::Type)]
#[sqlx(transparent)]
pub struct UpTo<const MOST: i64>(pub i64);

impl<const MOST: i64> std::fmt::Display for UpTo<MOST> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 > MOST { write!(f, "{MOST}+") } else { write!(f, "{}", self.0) }
    }
}

/// The form in which names are compared: trimmed, case folded.
#[must_use]
pub fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A pattern for `LIKE … ESCAPE '\'` that finds `text` anywhere.
#[must_use]
pub fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in fold(text).chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_says_where_it_stops() {
        assert_eq!([0, 1, MOST, MOST + 1].map(count), ["0", "1", "1000", "1,000+"]);
        assert_eq!([0, 100, 101].map(|count| UpTo::<100>(count).to_string()), ["0", "100", "100+"]);
    }

    #[test]
    fn a_slug_is_letters_digits_and_single_hyphens() {
        for good in ["a", "acme", "a1-b2", "0"] {
            assert_eq!(slug(good), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "a-", "a--b", "A", "ä", "a_b", "new", "a b", "аcme"] {
            assert!(slug(bad).is_err(), "{bad}");
        }
        assert!(slug(&"a".repeat(64)).is_ok());
        assert!(slug(&"a".repeat(65)).is_err());
    }

    #[test]
    fn a_name_has_one_to_255_characters() {
        assert_eq!(name("  ci  "), Ok("ci".to_owned()));
        assert!(name(&"é".repeat(255)).is_ok());
        assert!(name(&"é".repeat(256)).is_err());
        assert!(name(" \t ").is_err());
        assert!(name("a\nb").is_err());
    }

    #[test]
    fn a_search_finds_its_own_wildcards_literally() {
        assert_eq!(like("50%_A\\"), "%50\\%\\_a\\\\%");
    }
}
