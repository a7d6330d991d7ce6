//! Validation of text: slugs, names, email addresses and longer texts; and
//! `string_enum!`, which defines enums with a fixed word for each value.
//!
//! Text from people is normalized to NFC. Text that could be mistaken for
//! something else is refused: invisible names, characters that change the
//! direction of text, and look-alikes of words such as `owners`.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};
use unicode_security::confusable_detection::skeleton;

/// Defines an enum with a word for each value, which is used in the database, in
/// JSON, in forms and on pages.
macro_rules! string_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $value:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[$each])* $value),+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// The word for this value, as stored and in JSON.
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
            /// Parses a word. The error lists the allowed words.
            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|value| value.word() == text)
                    .ok_or_else(|| $crate::platform::text::one_of(&[$($word),+]))
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
pub(crate) use string_enum;

/// “Enter a name.”: what a field that was left empty needs.
#[must_use]
pub fn enter(noun: &str) -> String {
    format!("Enter {}.", with_article(noun))
}

/// “Choose a team.”: what a choice that was not made needs.
#[must_use]
pub fn choose(noun: &str) -> String {
    format!("Choose {}.", with_article(noun))
}

/// “Choose a team of this organization.”: for a choice of something that is not there, or not visible.
#[must_use]
pub fn choose_of_organization(noun: &str) -> String {
    format!("Choose {} of this organization.", with_article(noun))
}

/// “Use one of these values: visible, secret.”
#[must_use]
pub fn one_of(words: &[&str]) -> String {
    format!("Use one of these values: {}.", words.join(", "))
}

/// “Shorten the name to at most 255 characters. It has 256.”
#[must_use]
pub fn too_long(noun: &str, limit: usize, count: usize) -> String {
    format!("Shorten the {noun} to at most {limit} characters. It has {count}.")
}

/// “This slug is taken by another team. Choose another one.”
#[must_use]
pub fn taken(noun: &str, by: &str) -> String {
    format!("This {noun} is taken by another {by}. Choose another one.")
}

/// “Enter the name of the team, “Platform”, to confirm.”
#[must_use]
pub fn enter_to_confirm(noun: &str, name: &str) -> String {
    format!("Enter the name of the {noun}, “{name}”, to confirm.")
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// Words that are part of URLs and therefore cannot be slugs.
const RESERVED: &[&str] = &["new", "edit", "delete", "owner", "admin-api", "api", "settings"];

/// Words that people associate with full access. A slug or name that looks like
/// one of them could be mistaken for the owners team.
const PRIVILEGED: [&str; 2] = ["owner", "owners"];

/// Whether a character is invisible and changes how the text around it is read, or
/// makes texts differ that look equal: direction overrides, embeddings and
/// isolates; zero-width spaces, word joiners and byte order marks; soft hyphens;
/// annotations. Joiners and selectors that emoji and scripts need are allowed.
const fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{206f}'
            | '\u{200b}'
            | '\u{2060}'..='\u{2065}'
            | '\u{feff}'
            | '\u{ad}'
            | '\u{fff9}'..='\u{fffb}'
    )
}

/// Whether a character is visible: a letter, digit, punctuation mark or symbol
/// that is not blank.
fn is_visible(c: char) -> bool {
    let is_blank = matches!(c, '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}');
    let group = c.general_category_group();
    !is_blank
        && matches!(
            group,
            GeneralCategoryGroup::Letter
                | GeneralCategoryGroup::Number
                | GeneralCategoryGroup::Punctuation
                | GeneralCategoryGroup::Symbol
        )
}

/// Normalizes a text to NFC, so that equal characters are equal bytes.
fn nfc(text: &str) -> Cow<'_, str> {
    if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

/// Finds the first of `words` that the text looks like: ignoring case and
/// separators, and with letters of other scripts and digits that look like its
/// letters (skeletons of UTS 39). A word also looks like itself.
pub fn looks_like<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).collect() };
    // A capital can look like a different lower-case letter, as I looks like l.
    let shapes = |text: &str| -> [String; 3] {
        [text.to_owned(), text.to_lowercase(), text.to_uppercase()]
            .map(|form| plain(&skeleton(&plain(&form)).collect::<String>()).to_lowercase())
    };
    let own = shapes(text);
    words.into_iter().find(|word| {
        let theirs = shapes(word);
        own.iter().any(|shape| !shape.is_empty() && theirs.contains(shape))
    })
}

/// Checks that a text does not look like a privileged word (`PRIVILEGED`).
/// The `noun` is what the text is called in the sentence, such as `name`.
///
/// # Errors
/// The message for the form or API field.
pub fn check_unprivileged(noun: &str, text: &str) -> Result<(), String> {
    match looks_like(text, PRIVILEGED) {
        Some(word) => Err(format!(
            "Choose another {noun}. This one looks like “{word}”, which is reserved for the owners of an organization."
        )),
        None => Ok(()),
    }
}

/// Checks a slug: `[a-z0-9](-?[a-z0-9])*`, at most 64 characters, not a reserved
/// word, and not a look-alike of a privileged word. Surrounding white space is
/// removed.
///
/// # Errors
/// The message for the form or API field.
pub fn slug(text: &str) -> Result<String, String> {
    slug_of("slug", text)
}

/// The same for a slug that is called otherwise: a `username`.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn slug_of(noun: &str, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(enter(noun));
    }
    let fits = text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--");
    if !fits {
        return Err(format!(
            "Use only lower-case letters (a to z), digits and single hyphens between them in the {noun}, \
             and at most 64 characters."
        ));
    }
    if RESERVED.contains(&text) {
        return Err(format!("Choose another {noun}. “{text}” is reserved."));
    }
    if !PRIVILEGED.contains(&text) {
        check_unprivileged(noun, text)?;
    }
    Ok(text.to_owned())
}

/// Checks a name: 1 to 255 characters after trimming and normalization, at least
/// one of them visible, no line breaks, no deceptive characters.
///
/// # Errors
/// The message for the form or API field.
pub fn name(text: &str) -> Result<String, String> {
    name_of("name", text)
}

/// The same for a text that is called otherwise: an `audience`.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn name_of(noun: &str, text: &str) -> Result<String, String> {
    let text = nfc(text);
    let text = text.trim();
    match text.chars().count() {
        0 => Err(enter(noun)),
        1..=255 if text.chars().any(|c| c.is_control() || is_line_separator(c)) => {
            Err(format!("Remove line breaks and other control characters from the {noun}."))
        }
        1..=255 if text.chars().any(is_deceptive) => Err(invisible_characters(noun)),
        1..=255 if !text.chars().any(is_visible) => {
            Err(format!("Enter {} with at least one visible character.", with_article(noun)))
        }
        1..=255 => Ok(text.to_owned()),
        count => Err(too_long(noun, 255, count)),
    }
}

/// Whether a character is Unicode's line or paragraph separator.
const fn is_line_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

fn invisible_characters(noun: &str) -> String {
    format!("Remove invisible characters from the {noun}. They make it look like another text.")
}

/// The longest email address, in bytes (RFC 5321, 4.5.3.1.3).
const MAX_EMAIL_BYTES: usize = 254;

/// Checks that a text is exactly one email address: without a display name, a
/// list, a quoted part or an IP address in brackets. It does not check that the
/// mailbox exists.
///
/// # Errors
/// The message for the form or API field.
pub fn email(text: &str) -> Result<String, String> {
    let text = nfc(text);
    let text = text.trim();
    let options = email_address::Options::default()
        .without_display_text()
        .without_domain_literal()
        .with_no_minimum_sub_domains();
    let is_plain = !text.chars().any(|c| {
        c.is_whitespace() || c.is_control() || is_deceptive(c) || matches!(c, ',' | ';' | '"' | '<' | '>')
    });
    let is_address = text.len() <= MAX_EMAIL_BYTES
        && is_plain
        && email_address::EmailAddress::parse_with_options(text, options).is_ok();
    if is_address {
        Ok(text.to_owned())
    } else {
        Err("Enter one email address, like olive@example.com.".to_owned())
    }
}

/// Checks a text of several lines: at most `limit` characters after trimming,
/// possibly none; no control characters except line breaks and tabs, and no
/// deceptive characters. Line breaks become `\n`. The `noun` is what it is called in the sentence.
///
/// # Errors
/// The message for the form or API field.
pub fn multiline_text(noun: &str, text: &str, limit: usize) -> Result<String, String> {
    let text = nfc(text).trim().replace("\r\n", "\n").replace(is_line_separator, "\n");
    let count = text.chars().count();
    if count > limit {
        return Err(too_long(noun, limit, count));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(format!("Remove control characters from the {noun}."));
    }
    if text.chars().any(is_deceptive) {
        return Err(invisible_characters(noun));
    }
    Ok(text)
}

/// The largest count that pages show. Statements count to one more, which pages
/// show as `1,000+`.
pub const MOST: i64 = 1_000;

/// A count in words, limited to [`MOST`].
#[must_use]
pub fn count(count: i64) -> String {
    if count > MOST { "1,000+".to_owned() } else { count.to_string() }
}

/// A number with a comma between thousands: `1,284`.
#[must_use]
pub fn with_commas(number: impl std::fmt::Display) -> String {
    let (digits, mut text) = (number.to_string(), String::new());
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count in a row of a list, limited to `MOST`. The statement counts to one more
/// (`LIMIT 101`), so that a page of fifty rows does not count everything, and the
/// page shows `100+`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, sqlx::Type)]
#[sqlx(transparent)]
pub struct UpTo<const MOST: i64>(pub i64);

impl<const MOST: i64> std::fmt::Display for UpTo<MOST> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 > MOST { write!(f, "{MOST}+") } else { write!(f, "{}", self.0) }
    }
}

/// The form in which names are compared: normalized, trimmed and in lower case.
#[must_use]
pub fn casefold(text: &str) -> String {
    nfc(text).trim().to_lowercase()
}

/// A pattern for `LIKE … ESCAPE '\'` that finds `text` anywhere.
#[must_use]
pub fn contains_pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in casefold(text).chars() {
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
    fn thousands_are_separated() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(with_commas(number), expected);
        }
    }

    #[test]
    fn a_count_says_where_it_stops() {
        assert_eq!([0, 1, MOST, MOST + 1].map(count), ["0", "1", "1000", "1,000+"]);
        assert_eq!([0, 100, 101].map(|count| UpTo::<100>(count).to_string()), ["0", "100", "100+"]);
    }

    #[test]
    fn a_message_is_a_sentence_that_names_the_field_and_says_what_to_do() {
        for (message, expected) in [
            (name(" ").expect_err("refused"), "Enter a name."),
            (name_of("audience", "").expect_err("refused"), "Enter an audience."),
            (slug_of("username", "").expect_err("refused"), "Enter a username."),
            (slug("new").expect_err("refused"), "Choose another slug. “new” is reserved."),
            (
                name(&"a".repeat(256)).expect_err("refused"),
                "Shorten the name to at most 255 characters. It has 256.",
            ),
            (
                multiline_text("comment", "abcd", 3).expect_err("refused"),
                "Shorten the comment to at most 3 characters. It has 4.",
            ),
            (email("olive").expect_err("refused"), "Enter one email address, like olive@example.com."),
            (one_of(&["visible", "secret"]), "Use one of these values: visible, secret."),
            (taken("slug", "team"), "This slug is taken by another team. Choose another one."),
            (choose_of_organization("team"), "Choose a team of this organization."),
        ] {
            assert_eq!(message, expected);
        }
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
    fn a_name_is_normalized_and_can_be_seen_and_read_in_one_way() {
        // e and an acute accent, or one character.
        assert_eq!(name("Re\u{301}my"), Ok("R\u{e9}my".to_owned()));
        assert_eq!(casefold("RE\u{301}MY"), casefold("R\u{e9}my"));
        assert!(name(&"e\u{301}".repeat(255)).is_ok());
        for bad in [
            "\u{200d}",
            "\u{fe0f}\u{200d}",
            "\u{3164}",
            "\u{2800}\u{2800}",
            "\u{301}",
            "\u{e0061}",
            "\u{a0}",
            "\u{200e}",
            "a\u{202e}b",
            "a\u{202a}b",
            "a\u{2066}b",
            "a\u{2069}b",
            "a\u{2028}b",
            "a\u{2029}b",
            "op\u{200b}s",
            "op\u{ad}s",
            "\u{feff}ops",
            "op\u{2060}s",
            "a\u{0}b",
            "a\u{85}b",
        ] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        for good in [
            "👩\u{200d}💻 on call",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "🏳\u{fe0f}\u{200d}🌈",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "עברית",
            "العربية",
            "日本語",
            "?",
            "☕",
            "ο",
        ] {
            assert_eq!(name(good), Ok(good.to_owned()), "{good:?}");
        }
        assert_eq!(multiline_text("comment", "a\u{2028}b\r\nc", 9), Ok("a\nb\nc".to_owned()));
        assert!(multiline_text("comment", "a\u{202e}b", 9).is_err());
    }

    #[test]
    fn look_alikes_of_privileged_words_are_recognized() {
        for text in [
            "owners",
            "Owners",
            "OWNERS",
            " owners ",
            "\u{39f}wners",
            "\u{43e}wners",
            "0wners",
            "0WNERS",
            "ow\u{578}ers",
            "own-ers",
            "o w n e r s",
            "ＯＷＮＥＲＳ",
            "οwnеrѕ",
            "ownеr",
            "ow\u{200d}ners",
            "O\u{301}wners",
        ] {
            assert!(looks_like(text, PRIVILEGED).is_some(), "{text:?}");
        }
        for text in
            ["Platform", "Owners of payments", "owned", "power", "w", "", "日本語", "downers", "home owners"]
        {
            assert_eq!(looks_like(text, PRIVILEGED), None, "{text:?}");
        }
        assert_eq!(looks_like("Аdmin", ["admin"]), Some("admin"));
        assert_eq!(looks_like("ADMlN", ["admin"]), Some("admin"));
        for bad in ["0wner", "0wners", "own-er", "owner"] {
            assert!(slug(bad).is_err(), "{bad}");
        }
        assert!(slug("owners").is_ok(), "the owners team has it");
    }

    #[test]
    fn an_email_is_exactly_one_address() {
        for good in [
            "olive@example.com",
            " olive+ci@mail.example.co.uk ",
            "o.b@acme.test",
            "olive@localhost",
            "žofie@příklad.cz",
            "o'b@x.test",
        ] {
            assert_eq!(email(good), Ok(good.trim().to_owned()), "{good}");
        }
        for bad in [
            "",
            "olive",
            "@example.com",
            "olive@",
            "a@b@c",
            "a@example.com,b@example.com",
            "a@example.com;b@example.com",
            "Olive <olive@example.com>",
            "<olive@example.com>",
            "olive @example.com",
            "olive@exam ple.com",
            "\"a b\"@example.com",
            "olive@[127.0.0.1]",
            "olive@example..com",
            ".olive@example.com",
            "olive.@example.com",
            "olive@-example.com",
            "olive@example.com.",
            "a\u{202e}b@example.com",
            "olive@example.com\u{0}",
        ] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
        assert!(email(&format!("{}@example.com", "a".repeat(64))).is_ok());
        assert!(email(&format!("{}@example.com", "a".repeat(65))).is_err());
        assert!(email(&format!("a@{}.com", "b.".repeat(130))).is_err());
    }

    #[test]
    fn a_search_finds_its_own_wildcards_literally() {
        assert_eq!(contains_pattern("50%_A\\"), "%50\\%\\_a\\\\%");
    }
}
