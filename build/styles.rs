//! Joins the files of `static/css` into one style sheet and minifies it.
//! `app.css` names the files in their order, which decides between rules of
//! equal weight: it stays as it is. No rule is rewritten for older browsers.
//! A browser skips what it does not understand; here it ends the build.

use std::fs;
use std::path::Path;

use lightningcss::declaration::DeclarationBlock;
use lightningcss::properties::Property;
use lightningcss::properties::custom::{Token, TokenList, TokenOrValue};
use lightningcss::rules::{CssRule, CssRuleList};
use lightningcss::stylesheet::{MinifyOptions, ParserOptions, PrinterOptions, StyleSheet};

use crate::{Result, at, read_sources};

/// The minified style sheet.
pub fn join(folder: &Path) -> Result<String> {
    let first = folder.join("app.css");
    let source = fs::read_to_string(&first).map_err(at(&first))?;
    let mut joined = String::new();
    for (path, source) in read_sources(&first, &list_imports(&first, &source)?)? {
        joined += &minify(&path, &source)?;
    }
    Ok(joined)
}

/// The files that `app.css` imports.
fn list_imports(path: &Path, source: &str) -> Result<Vec<String>> {
    let import = |rule: &CssRule| match rule {
        CssRule::Import(import) => Ok(import.url.to_string()),
        _ => Err(format!("{}: holds nothing but imports", path.display())),
    };
    parse(path, source)?.rules.0.iter().map(import).collect()
}

fn minify(path: &Path, source: &str) -> Result<String> {
    let (open, closed) = (source.matches('{').count(), source.matches('}').count());
    if open != closed {
        return Err(format!("{}: {open} braces open and {closed} close", path.display()));
    }
    let mut sheet = parse(path, source)?;
    check_rules(&sheet.rules).map_err(|(line, message)| format!("{}:{line}: {message}", path.display()))?;
    sheet.minify(MinifyOptions::default()).map_err(at(path))?;
    let printed = sheet.to_css(PrinterOptions { minify: true, ..Default::default() });
    Ok(printed.map_err(at(path))?.code)
}

fn parse<'i>(path: &Path, source: &'i str) -> Result<StyleSheet<'i>> {
    StyleSheet::parse(source, ParserOptions::default()).map_err(|error| match error.loc {
        Some(place) => format!("{}:{}:{}: {}", path.display(), place.line + 1, place.column, error.kind),
        None => format!("{}: {}", path.display(), error.kind),
    })
}

/// Looks for values that a browser would skip. The error has the line of the rule.
fn check_rules(rules: &CssRuleList) -> std::result::Result<(), (u32, String)> {
    rules.0.iter().try_for_each(|rule| match rule {
        CssRule::Media(media) => check_rules(&media.rules),
        CssRule::Container(container) => check_rules(&container.rules),
        CssRule::Style(style) => {
            check_declarations(&style.declarations).map_err(|message| (style.loc.line + 1, message))
        }
        _ => Ok(()),
    })
}

fn check_declarations(block: &DeclarationBlock) -> Result<()> {
    let values = block.declarations.iter().chain(&block.important_declarations);
    values.into_iter().try_for_each(|property| match property {
        Property::Unparsed(it) if !is_for_the_browser(&it.value) => {
            Err(format!("`{}` has a value that it does not take", it.property_id.name()))
        }
        Property::Unparsed(it) if is_two_declarations(&it.value) => {
            Err(format!("a semicolon is missing after `{}`", it.property_id.name()))
        }
        Property::Custom(it) if is_two_declarations(&it.value) => {
            Err(format!("a semicolon is missing after `{}`", it.name.as_ref()))
        }
        _ => Ok(()),
    })
}

/// Whether a value is known in the browser alone: `inherit`, or one with a variable.
fn is_for_the_browser(value: &TokenList) -> bool {
    value.0.iter().any(|token| match token {
        TokenOrValue::Var(_) => true,
        TokenOrValue::Function(function) => is_for_the_browser(&function.arguments),
        TokenOrValue::Token(Token::Ident(word)) => word.as_ref() == "inherit" && value.0.len() == 1,
        _ => false,
    })
}

/// Whether a value goes on into the next line, with a property's name and a colon.
fn is_two_declarations(value: &TokenList) -> bool {
    value.0.iter().any(|token| matches!(token, TokenOrValue::Token(Token::Colon)))
}
