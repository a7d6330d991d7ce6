//! Finds the conditions that refuse something, and says how each is switched off.
//!
//! A mutant makes one condition weaker: what it refuses is let through. The
//! condition stays in the source, beside a call of `crate::mutants::keep` with
//! the mutant's number. While no mutant is chosen the product behaves as
//! before, so the whole tree is compiled once for all mutants; and `keep` is
//! called only where the mutant would make a difference, which tells the tests
//! that can notice it.

use std::ops::Range;

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Stmt, UnOp};

/// One condition, switched off.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The source file, from the root of the repository.
    pub file: String,
    /// The function that it is in.
    pub function: String,
    /// The line, from 1.
    pub line: usize,
    /// The condition as it is written, with single spaces.
    pub condition: String,
    /// What becomes of it.
    pub change: Change,
}

/// What becomes of a condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It never holds.
    Never,
    /// It always holds.
    Always,
    /// The statement refuses nothing.
    Skipped,
}

impl Change {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Always => "always",
            Self::Skipped => "skipped",
        }
    }
}

/// Text around a range of a source.
struct Edit {
    range: Range<usize>,
    before: String,
    after: String,
}

/// The mutants of one source file, numbered from `first`, and the source with
/// all of them in it. Those in `left_out` do not compile.
pub fn instrument(file: &str, source: &str, first: usize, left_out: &[usize]) -> (Vec<Mutant>, String) {
    let parsed = syn::parse_file(source).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut finder = Finder {
        file,
        source,
        first,
        left_out,
        functions: Vec::new(),
        gives_list: false,
        mutants: Vec::new(),
        edits: Vec::new(),
        done: Vec::new(),
    };
    finder.visit_file(&parsed);
    (finder.mutants, apply(source, &finder.edits))
}

fn apply(source: &str, edits: &[Edit]) -> String {
    // At one place: what ends there before what begins there, inner before outer at the end.
    let mut inserts: Vec<(usize, bool, i64, usize, &str)> = Vec::new();
    for (number, edit) in edits.iter().enumerate() {
        let width = i64::try_from(edit.range.len()).expect("a short source");
        inserts.push((edit.range.start, true, -width, number, &edit.before));
        inserts.push((edit.range.end, false, width, edits.len() - number, &edit.after));
    }
    inserts.sort_unstable();
    let mut result = String::new();
    let mut at = 0;
    for (position, _, _, _, text) in inserts {
        result.push_str(&source[at..position]);
        result.push_str(text);
        at = position;
    }
    result.push_str(&source[at..]);
    result
}

struct Finder<'a> {
    file: &'a str,
    source: &'a str,
    first: usize,
    left_out: &'a [usize],
    functions: Vec<String>,
    /// Whether the function gives a list.
    gives_list: bool,
    mutants: Vec<Mutant>,
    edits: Vec<Edit>,
    /// Conditions that were looked at with the branch that they lead to.
    done: Vec<Range<usize>>,
}

impl Finder<'_> {
    fn text(&self, span: Span) -> &str {
        &self.source[span.byte_range()]
    }

    fn add(&mut self, span: Span, change: Change, edit: impl FnOnce(usize) -> (String, String)) {
        let number = self.first + self.mutants.len();
        let condition = self.text(span).split_whitespace().collect::<Vec<_>>().join(" ");
        self.mutants.push(Mutant {
            file: self.file.to_owned(),
            function: self.functions.last().cloned().unwrap_or_default(),
            line: span.start().line,
            condition,
            change,
        });
        if !self.left_out.contains(&number) {
            let (before, after) = edit(number);
            self.edits.push(Edit { range: span.byte_range(), before, after });
        }
    }

    fn never(&mut self, expr: &Expr) {
        let chain = has_let(expr);
        self.add(expr.span(), Change::Never, |number| {
            let keep = format!("&& crate::mutants::keep({number})");
            if chain { (String::new(), format!(" {keep}")) } else { ("((".into(), format!(") {keep})")) }
        });
    }

    fn always(&mut self, expr: &Expr) {
        if has_let(expr) {
            return;
        }
        self.add(expr.span(), Change::Always, |number| {
            ("((".into(), format!(") || !crate::mutants::keep({number}))"))
        });
    }

    /// A condition under which something is refused: each part of it, left out.
    fn weaken_refusal(&mut self, expr: &Expr) {
        self.done.push(expr.span().byte_range());
        match expr {
            Expr::Paren(inner) => self.weaken_refusal(&inner.expr),
            Expr::Unary(not) if matches!(not.op, UnOp::Not(_)) && is_compound(&not.expr) => {
                self.weaken_allowance(&not.expr);
            }
            Expr::Binary(or) if matches!(or.op, BinOp::Or(_)) => {
                self.weaken_refusal(&or.left);
                self.weaken_refusal(&or.right);
            }
            Expr::Binary(and) if matches!(and.op, BinOp::And(_)) => {
                self.never(expr);
                for part in parts_of_and(and) {
                    self.done.push(part.span().byte_range());
                    if is_or(part) {
                        self.weaken_refusal(part);
                    }
                }
            }
            _ => self.never(expr),
        }
    }

    /// A condition under which something is allowed: each part of it, left out.
    fn weaken_allowance(&mut self, expr: &Expr) {
        self.done.push(expr.span().byte_range());
        match expr {
            Expr::Paren(inner) => self.weaken_allowance(&inner.expr),
            Expr::Unary(not) if matches!(not.op, UnOp::Not(_)) && is_compound(&not.expr) => {
                self.weaken_refusal(&not.expr);
            }
            Expr::Binary(and) if matches!(and.op, BinOp::And(_)) => {
                self.weaken_allowance(&and.left);
                self.weaken_allowance(&and.right);
            }
            Expr::Binary(or) if matches!(or.op, BinOp::Or(_)) => {
                for side in [&or.left, &or.right] {
                    self.done.push(side.span().byte_range());
                    if is_compound(side) {
                        self.weaken_allowance(side);
                    }
                }
            }
            _ => self.always(expr),
        }
    }

    fn refuses(&self, span: Span) -> bool {
        let text = self.text(span);
        let inner = text.trim_matches(|c: char| "{}; \n".contains(c));
        let alone =
            ["None", "false", "Ok(None)", "Ok(false)", "return None", "return false", "return Ok(None)"];
        alone.contains(&inner)
            || inner.ends_with("return None")
            || inner.ends_with("return false")
            || inner.ends_with("return Ok(None)")
            || REFUSALS.iter().any(|word| text.contains(word))
    }
}

/// What the sources write where they refuse.
const REFUSALS: [&str; 12] = [
    "Err(",
    "Refused(",
    "Refusal::",
    "Hidden",
    "refuse(",
    "refused(",
    "REFUSED",
    "mistakes.",
    "Error::",
    "Permissions::NONE",
    "Blocked",
    "bad(",
];

/// Functions that refuse by their result alone.
const CHECKS: [&str; 11] = [
    "ensure",
    "check",
    "authorize",
    "verify",
    "admit",
    "into_result",
    "refuse",
    "mark_used",
    "limit",
    "affects",
    "fits",
];

fn is_or(expr: &Expr) -> bool {
    match expr {
        Expr::Paren(inner) => is_or(&inner.expr),
        Expr::Binary(binary) => matches!(binary.op, BinOp::Or(_)),
        _ => false,
    }
}

fn is_compound(expr: &Expr) -> bool {
    match expr {
        Expr::Paren(inner) => is_compound(&inner.expr),
        Expr::Binary(binary) => matches!(binary.op, BinOp::Or(_) | BinOp::And(_)),
        _ => false,
    }
}

fn parts_of_and(and: &syn::ExprBinary) -> Vec<&Expr> {
    let mut parts = match &*and.left {
        Expr::Binary(left) if matches!(left.op, BinOp::And(_)) => parts_of_and(left),
        left => vec![left],
    };
    parts.push(&and.right);
    parts
}

fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

/// The function that a call calls.
fn called(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Await(it) => called(&it.base),
        Expr::MethodCall(call) if call.method == "map_err" => called(&call.receiver),
        Expr::MethodCall(call) => Some(call.method.to_string()),
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        },
        _ => None,
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|it| it.is_ident("test")))
    })
}

impl Finder<'_> {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        // `keep` is no constant function; a filter that is empty refuses nothing.
        if signature.constness.is_some() || signature.ident == "is_empty" {
            return;
        }
        self.functions.push(signature.ident.to_string());
        self.gives_list = self.text(signature.output.span()).contains("Vec<");
        if let syn::ReturnType::Type(_, kind) = &signature.output
            && self.text(kind.span()) == "bool"
            && let Some(Stmt::Expr(tail, None)) = block.stmts.last()
            && !matches!(tail, Expr::Match(_) | Expr::If(_) | Expr::Block(_) | Expr::Lit(_))
        {
            self.never(tail);
            if !is_compound(tail) {
                self.always(tail);
                self.done.push(tail.span().byte_range());
            }
        }
        visit::visit_block(self, block);
        self.functions.pop();
    }

    /// Whether whatever is compared here decides about access. Elsewhere only
    /// what leads to a refusal does.
    fn is_of_rules(&self) -> bool {
        ["src/access/", "src/audit/privileges.rs", "src/protocols/", "src/tokens/"]
            .iter()
            .any(|part| self.file.starts_with(part))
    }

    fn closure_of(&mut self, call: &syn::ExprMethodCall) {
        if !self.is_of_rules() {
            return;
        }
        let method = call.method.to_string();
        if !matches!(method.as_str(), "filter" | "retain" | "is_some_and" | "is_none_or" | "is_ok_and") {
            return;
        }
        if let Some(Expr::Closure(closure)) = call.args.first()
            && !matches!(&*closure.body, Expr::Block(_) | Expr::Match(_) | Expr::If(_))
            && !self.done.contains(&closure.body.span().byte_range())
        {
            self.weaken_allowance(&closure.body);
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}

    fn visit_expr_if(&mut self, it: &'ast syn::ExprIf) {
        let otherwise = it.else_branch.as_ref().map(|(_, expr)| expr.span());
        if self.refuses(it.then_branch.span()) {
            self.weaken_refusal(&it.cond);
        } else if otherwise.is_some_and(|span| self.refuses(span)) {
            self.weaken_allowance(&it.cond);
        }
        visit::visit_expr_if(self, it);
    }

    fn visit_expr_match(&mut self, it: &'ast syn::ExprMatch) {
        for (place, arm) in it.arms.iter().enumerate() {
            let refuses = self.refuses(arm.body.span());
            let later = &it.arms[place + 1..];
            let takes_rest = |arm: &syn::Arm| match &arm.pat {
                syn::Pat::Wild(_) => true,
                // `None` is read as a name, too.
                syn::Pat::Ident(name) => name.ident.to_string().starts_with(char::is_lowercase),
                _ => false,
            };
            match &arm.pat {
                syn::Pat::Guard(it) if refuses => self.weaken_refusal(&it.guard),
                syn::Pat::Guard(it) if later.iter().any(|arm| self.refuses(arm.body.span())) => {
                    self.weaken_allowance(&it.guard);
                }
                syn::Pat::Guard(_) => {}
                _ if refuses && later.last().is_some_and(takes_rest) => {
                    self.add(arm.pat.span(), Change::Never, |number| {
                        (String::new(), format!(" if crate::mutants::keep({number})"))
                    });
                }
                _ => {}
            }
        }
        visit::visit_expr_match(self, it);
    }

    fn visit_expr_binary(&mut self, it: &'ast syn::ExprBinary) {
        let known = self.done.contains(&it.span().byte_range()) || !self.is_of_rules();
        if !known && matches!(it.op, BinOp::And(_)) {
            for part in parts_of_and(it) {
                self.weaken_allowance(part);
            }
            self.done.push(it.left.span().byte_range());
        }
        visit::visit_expr_binary(self, it);
    }

    fn visit_expr_method_call(&mut self, it: &'ast syn::ExprMethodCall) {
        self.closure_of(it);
        if self.is_of_rules()
            && (it.method == "then_some" || it.method == "then")
            && !self.done.contains(&it.receiver.span().byte_range())
        {
            self.weaken_allowance(&it.receiver);
        }
        visit::visit_expr_method_call(self, it);
    }

    fn visit_expr_call(&mut self, it: &'ast syn::ExprCall) {
        if let Expr::Path(path) = &*it.func
            && path.path.is_ident("sql")
            && let Some(Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. })) = it.args.first()
        {
            self.statement(text);
        }
        visit::visit_expr_call(self, it);
    }

    fn visit_stmt(&mut self, it: &'ast Stmt) {
        if let Stmt::Expr(Expr::Try(asked), Some(_)) = it
            && called(&asked.expr).is_some_and(|name| CHECKS.iter().any(|check| name.starts_with(check)))
        {
            self.add(asked.expr.span(), Change::Skipped, |number| {
                let kept = format!("Err(error) if crate::mutants::keep({number}) => Err(error)");
                ("match ".into(), format!(" {{ {kept}, _ => Ok(()) }}"))
            });
        }
        visit::visit_stmt(self, it);
    }
}

impl Finder<'_> {
    /// Conditions of a statement that ask for a state: what has ended, was
    /// replaced or is another version is refused by them.
    fn statement(&mut self, literal: &syn::LitStr) {
        let span = literal.span();
        let raw = self.text(span).to_owned();
        // What a list leaves out is refused to nobody.
        if self.gives_list && raw.starts_with("\"SELECT") && !self.is_of_rules() {
            return;
        }
        let mut before = String::new();
        for (start, end) in states(&raw) {
            let number = self.first + self.mutants.len();
            let condition = raw[start..end].to_owned();
            self.mutants.push(Mutant {
                file: self.file.to_owned(),
                function: self.functions.last().cloned().unwrap_or_default(),
                line: span.start().line,
                condition: condition.clone(),
                change: Change::Always,
            });
            if !self.left_out.contains(&number) {
                let text = format!("{}({condition} OR 1 = 1){}", &raw[..start], &raw[end..]);
                before += &format!("_ if !crate::mutants::keep({number}) => {text},\n");
            }
        }
        if !before.is_empty() {
            let before = format!("match () {{ {before} _ => ");
            self.edits.push(Edit { range: span.byte_range(), before, after: " }".into() });
        }
    }
}

/// Where a statement asks for a state after `AND` or `WHERE`.
fn states(statement: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for word in ["AND ", "WHERE "] {
        for (at, _) in statement.match_indices(word) {
            let start = at + word.len();
            let rest = &statement[start..];
            let end = ["AND ", ")", "ORDER ", "LIMIT ", "OR ", "\"", "\\", "GROUP ", "RETURNING "]
                .iter()
                .filter_map(|stop| rest.find(stop))
                .min()
                .unwrap_or(rest.len());
            let condition = rest[..end].trim_end();
            let simple = !condition.contains(['(', '{']);
            let state = condition.ends_with("IS NULL")
                || condition.ends_with("IS NOT NULL")
                || ["version = ", "_at > ", "_at <= ", "until > "].iter().any(|it| condition.contains(it));
            if simple && state {
                found.push((start, start + condition.len()));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}
