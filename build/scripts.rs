//! Joins the modules of `static/js` into one script and minifies it: white
//! space and comments go, nothing is rewritten. `app.js` names the modules in
//! their order. A module imports and exports nothing, so a block around each
//! keeps its names apart from those of the others.

use std::fs;
use std::path::Path;

use oxc_allocator::Allocator;
use oxc_ast::ast::{Program, Statement};
use oxc_codegen::{Codegen, CodegenOptions};
use oxc_diagnostics::{Diagnostics, LabeledSpan};
use oxc_parser::Parser;
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;

use crate::{Result, at, read_sources};

/// The minified script, a module itself.
pub fn join(folder: &Path) -> Result<String> {
    let first = folder.join("app.js");
    let source = fs::read_to_string(&first).map_err(at(&first))?;
    let mut joined = String::new();
    for (path, source) in read_sources(&first, &list_imports(&first, &source)?)? {
        joined += &format!("{{{}}}", minify(&path, &source)?);
    }
    Ok(joined)
}

/// The modules that `app.js` imports.
fn list_imports(path: &Path, source: &str) -> Result<Vec<String>> {
    let allocator = Allocator::default();
    let import = |statement: &Statement| match statement {
        Statement::ImportDeclaration(it) if it.specifiers.is_none() => {
            Ok(it.source.value.trim_start_matches("./").to_owned())
        }
        _ => Err(format!("{}: holds nothing but `import \"./name.js\"`", path.display())),
    };
    parse(path, source, &allocator)?.body.iter().map(import).collect()
}

fn minify(path: &Path, source: &str) -> Result<String> {
    let allocator = Allocator::default();
    let program = parse(path, source, &allocator)?;
    if program.body.iter().any(Statement::is_module_declaration) {
        return Err(format!("{}: a module must not import or export", path.display()));
    }
    Ok(Codegen::new().with_options(CodegenOptions::minify()).build(&program).code)
}

fn parse<'a>(path: &Path, source: &'a str, allocator: &'a Allocator) -> Result<Program<'a>> {
    let parsed = Parser::new(allocator, source, SourceType::mjs()).parse();
    refuse(path, source, &parsed.diagnostics)?;
    let checked = SemanticBuilder::new().with_check_syntax_error(true).build(&parsed.program);
    refuse(path, source, &checked.diagnostics)?;
    drop(checked);
    Ok(parsed.program)
}

/// The first mistake, with its line and column.
fn refuse(path: &Path, source: &str, mistakes: &Diagnostics) -> Result<()> {
    let Some(mistake) = mistakes.errors().next() else { return Ok(()) };
    let offset = mistake.labels.first().map_or(0, LabeledSpan::offset) as usize;
    let before = source.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    Err(format!("{}:{line}:{column}: {mistake}", path.display()))
}
