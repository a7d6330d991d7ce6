//! Reads every SQL statement from the sources of the library, so that other tests
//! can prepare and explain them. A statement is a literal in `sql("…")`, or a macro
//! that expands to one. This module expands such macros as the compiler does; it
//! knows the fragments `expr`, `literal` and `ident`, and no repetitions.

use std::collections::HashMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::house::sources;

type Tokens = Vec<TokenTree>;

/// The rules of each macro: pattern and result.
type Macros = HashMap<String, Vec<(Tokens, Tokens)>>;

/// Every statement of the sources.
pub fn statements() -> Vec<String> {
    let files: Vec<Tokens> = sources()
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("a source").parse::<TokenStream>().expect("tokens"))
        .map(|tokens| tokens.into_iter().collect())
        .collect();
    let mut macros = Macros::new();
    for file in &files {
        find_macros(file, &mut macros);
    }
    assert!(macros.len() >= 10, "{:?}", macros.keys());
    let mut found = Vec::new();
    for file in &files {
        find_statements(file, &macros, &mut found);
    }
    found
}

/// The tokens of a group with these brackets.
fn group(token: Option<&TokenTree>, brackets: Delimiter) -> Option<Tokens> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == brackets => {
            Some(group.stream().into_iter().collect())
        }
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, text: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == text)
}

fn is_ident(token: Option<&TokenTree>, text: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == text)
}

/// Adds the definitions of macros, without those that repeat something.
fn find_macros(tokens: &[TokenTree], macros: &mut Macros) {
    for (at, token) in tokens.iter().enumerate() {
        if is_ident(Some(token), "macro_rules")
            && let Some(TokenTree::Ident(name)) = tokens.get(at + 2)
            && let Some(TokenTree::Group(body)) = tokens.get(at + 3)
            && !body.stream().to_string().replace(' ', "").contains("$(")
        {
            let body: Tokens = body.stream().into_iter().collect();
            // A rule is a pattern, `=>` and a result; rules end with `;`.
            let rules =
                body.windows(4).filter(|rule| is_punct(rule.get(1), '=') && is_punct(rule.get(2), '>'));
            let inner = |token| {
                [Delimiter::Parenthesis, Delimiter::Brace].into_iter().find_map(|it| group(token, it))
            };
            let rules = rules
                .map(|rule| (inner(rule.first()).expect("a pattern"), inner(rule.get(3)).expect("a result")));
            assert!(
                macros.insert(name.to_string(), rules.collect()).is_none(),
                "two macros are named {name}!"
            );
        } else if let TokenTree::Group(inner) = token {
            find_macros(&inner.stream().into_iter().collect::<Tokens>(), macros);
        }
    }
}

/// The macro call that the tokens begin with, expanded.
fn expand(tokens: &[TokenTree], macros: &Macros) -> Option<Tokens> {
    let [TokenTree::Ident(name), mark, given, ..] = tokens else { return None };
    let rules = macros.get(&name.to_string()).filter(|_| is_punct(Some(mark), '!'))?;
    let given = group(Some(given), Delimiter::Parenthesis)?;
    let (result, bound) =
        rules.iter().find_map(|(pattern, result)| Some((result, bind(pattern, &given)?))).unwrap_or_else(
            || panic!("no rule of {name}! matches {}", given.into_iter().collect::<TokenStream>()),
        );
    Some(replace(result, &bound))
}

/// What the variables of a pattern stand for, if the tokens match it.
fn bind(mut pattern: &[TokenTree], mut given: &[TokenTree]) -> Option<HashMap<String, Tokens>> {
    let mut bound = HashMap::new();
    while let Some(first) = pattern.first() {
        if let (true, [_, name, _, kind, rest @ ..]) = (is_punct(Some(first), '$'), pattern) {
            let many = match kind.to_string().as_str() {
                "literal" => usize::from(matches!(given.first(), Some(TokenTree::Literal(_)))),
                "ident" => usize::from(matches!(given.first(), Some(TokenTree::Ident(_)))),
                "expr" if is_punct(given.first(), '@') => 0,
                "expr" => given.iter().position(|token| is_punct(Some(token), ',')).unwrap_or(given.len()),
                kind => panic!("the fragment {kind}"),
            };
            let (taken, left) = given.split_at(many);
            if taken.is_empty() {
                return None;
            }
            bound.insert(name.to_string(), taken.to_vec());
            (pattern, given) = (rest, left);
        } else {
            given.first().filter(|token| token.to_string() == first.to_string())?;
            (pattern, given) = (&pattern[1..], &given[1..]);
        }
    }
    given.is_empty().then_some(bound)
}

/// The result of a rule with its variables replaced.
fn replace(result: &[TokenTree], bound: &HashMap<String, Tokens>) -> Tokens {
    let mut made = Tokens::new();
    let mut at = 0;
    while let Some(token) = result.get(at) {
        let name = result.get(at + 1).map(ToString::to_string).unwrap_or_default();
        match (token, bound.get(&name)) {
            (TokenTree::Punct(mark), Some(tokens)) if mark.as_char() == '$' => {
                made.extend_from_slice(tokens);
                at += 1;
            }
            (TokenTree::Group(inner), _) => {
                let tokens: Tokens = inner.stream().into_iter().collect();
                let stream = replace(&tokens, bound).into_iter().collect();
                made.push(TokenTree::Group(proc_macro2::Group::new(inner.delimiter(), stream)));
            }
            _ => made.push(token.clone()),
        }
        at += 1;
    }
    made
}

/// Adds the text of each `sql(…)`, also of those in macros that are called.
fn find_statements(tokens: &[TokenTree], macros: &Macros, found: &mut Vec<String>) {
    for (at, token) in tokens.iter().enumerate() {
        if is_ident(tokens.get(at), "sql")
            && let Some(argument) = group(tokens.get(at + 1), Delimiter::Parenthesis)
        {
            let text = text(&argument, macros);
            let is_macro = is_punct(argument.get(1), '!');
            assert!(text.is_some() || !is_macro, "{}", argument.into_iter().collect::<TokenStream>());
            found.extend(text);
        }
        if is_ident(tokens.get(at), "macro_rules") {
            continue;
        }
        if let Some(expanded) = expand(&tokens[at..], macros) {
            find_statements(&expanded, macros, found);
        } else if let TokenTree::Group(inner) = token
            && !(at >= 3 && is_ident(tokens.get(at - 3), "macro_rules"))
        {
            find_statements(&inner.stream().into_iter().collect::<Tokens>(), macros, found);
        }
    }
}

/// The text that an expression is: a literal, `concat!` of texts, or a macro that
/// makes one of these.
fn text(tokens: &[TokenTree], macros: &Macros) -> Option<String> {
    match tokens {
        [argument @ .., comma] if is_punct(Some(comma), ',') => text(argument, macros),
        [literal @ TokenTree::Literal(_)] => {
            syn::parse2::<syn::LitStr>(literal.clone().into()).ok().map(|literal| literal.value())
        }
        [name, mark, parts] if is_ident(Some(name), "concat") && is_punct(Some(mark), '!') => {
            let parts = group(Some(parts), Delimiter::Parenthesis)?;
            let parts = parts.split(|token| is_punct(Some(token), ','));
            parts.filter(|part| !part.is_empty()).map(|part| text(part, macros)).collect()
        }
        _ => text(&expand(tokens, macros)?, macros),
    }
}
