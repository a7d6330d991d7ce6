//! The imports of `src/` point in one direction: between the folders, in the
//! order below, and between the files, without a cycle anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

use crate::house::sources;

/// The modules of the library; each may import those before it.
const ORDER: &[&str] = &[
    "config",
    "platform",
    "access",
    "principals",
    "audit",
    "quotas",
    "authn",
    "verification",
    "state",
    "callers",
    "usage",
    "cleanup",
    "ui",
    "grants",
    "tokens",
    "directory",
    "organizations",
    "teams",
    "projects",
    "permission_sets",
    "identity_providers",
    "service_accounts",
    "service_tokens",
    "services",
    "people",
    "audit_log",
    "access_explorer",
    "account",
    "overview",
    "search",
    "styleguide",
    "sign_in",
    "protocols",
    "api_reference",
    "app",
    "cli",
];

/// A path like `access::decide::Decision`, without `crate`.
type ModulePath = Vec<String>;

/// A source file as far as imports are concerned.
#[derive(Default)]
struct Module {
    /// Every path that it names, from the root of the library.
    uses: Vec<ModulePath>,
    /// What it exports under another module's name: name and path.
    exports: BTreeMap<String, ModulePath>,
    /// Whether it holds nothing but modules and imports. Such a file stands for
    /// the modules that it exports, and is no file of its own here.
    is_facade: bool,
}

/// Finds the paths of one file.
struct Finder {
    own: ModulePath,
    found: Module,
}

impl Finder {
    /// A path from the root of the library, if it begins like one of ours.
    fn absolute(&self, path: &[String]) -> Option<ModulePath> {
        let mut base = self.own.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => return Some(path[1..].to_vec()),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            _ => return None,
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    fn add(&mut self, path: &[String]) {
        self.found.uses.extend(self.absolute(path));
    }

    /// The paths in a macro's arguments, which are not parsed.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.add(&std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.add(&std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.add(&path);
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// Every path of a `use`, with the name that it is known by afterwards.
fn flatten(tree: &UseTree, prefix: &[String], all: &mut Vec<(String, ModulePath)>) {
    let with = |name: String| prefix.iter().cloned().chain([name]).collect::<Vec<_>>();
    match tree {
        UseTree::Path(path) => flatten(&path.tree, &with(path.ident.to_string()), all),
        UseTree::Name(name) if name.ident == "self" => {
            all.push((prefix.last().cloned().unwrap_or_default(), prefix.to_vec()));
        }
        UseTree::Name(name) => all.push((name.ident.to_string(), with(name.ident.to_string()))),
        UseTree::Rename(rename) if rename.ident == "self" => {
            all.push((rename.rename.to_string(), prefix.to_vec()));
        }
        UseTree::Rename(rename) => all.push((rename.rename.to_string(), with(rename.ident.to_string()))),
        UseTree::Glob(_) => all.push((String::new(), prefix.to_vec())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, prefix, all)),
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(module) if is_for_tests(&module.attrs) => {}
            Item::Use(import) => {
                let mut all = Vec::new();
                flatten(&import.tree, &[], &mut all);
                for (name, path) in all {
                    // A child of this module, named without `self`.
                    let path = self
                        .absolute(&path)
                        .unwrap_or_else(|| self.own.iter().cloned().chain(path.iter().cloned()).collect());
                    if !matches!(import.vis, Visibility::Inherited) {
                        self.found.exports.insert(name, path.clone());
                    }
                    self.found.uses.push(path);
                }
            }
            other => visit::visit_item(self, other),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.add(&parts);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

/// All files of the library by the path of their module.
fn modules() -> BTreeMap<String, Module> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = BTreeMap::new();
    for file in sources() {
        let path = file.strip_prefix(&root).expect("inside").with_extension("");
        let mut own: ModulePath = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if own.last().is_some_and(|name| name == "mod") {
            own.pop();
        }
        if matches!(own.last().map(String::as_str), Some("main" | "lib")) && own.len() == 1 {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a source");
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let is_facade = syntax.items.iter().all(|item| matches!(item, Item::Mod(_) | Item::Use(_)));
        let mut finder = Finder { own: own.clone(), found: Module { is_facade, ..Module::default() } };
        finder.visit_file(&syntax);
        all.insert(own.join("::"), finder.found);
    }
    all
}

/// The file that defines what a path names, also where others export it.
fn file_of(path: &[String], all: &BTreeMap<String, Module>, depth: usize) -> Option<String> {
    (1..=path.len()).rev().find_map(|length| {
        let name = path[..length].join("::");
        let module = all.get(&name)?;
        let exported = path.get(length).and_then(|next| module.exports.get(next)).filter(|_| depth < 6);
        match exported {
            Some(exported) if exported.as_slice() != path => {
                let path: ModulePath = exported.iter().chain(&path[length + 1..]).cloned().collect();
                file_of(&path, all, depth + 1).or(Some(name))
            }
            _ => Some(name),
        }
    })
}

/// The files that each file imports.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let all = modules();
    let is_file = |name: &String| !all[name].is_facade;
    all.iter()
        .filter(|(name, _)| is_file(name))
        .map(|(name, module)| {
            let used = module.uses.iter().filter_map(|path| file_of(path, &all, 0));
            (name.clone(), used.filter(|used| used != name && is_file(used)).collect())
        })
        .collect()
}

#[test]
fn each_folder_imports_only_those_below_it() {
    let layer = |module: &str| {
        let folder = module.split("::").next().unwrap_or_default();
        ORDER
            .iter()
            .position(|known| *known == folder)
            .unwrap_or_else(|| panic!("{folder} has no place in the order"))
    };
    let imports = imports();
    assert!(imports.len() > 150 && imports.values().map(BTreeSet::len).sum::<usize>() > 1_000);
    for (own, used) in &imports {
        for other in used {
            assert!(layer(other) <= layer(own), "{own} imports {other}, which is above it");
        }
    }
}

#[test]
fn no_file_imports_itself_through_others() {
    let imports = imports();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    // Files without imports that are not done are done, until none is left.
    loop {
        let ready: Vec<&str> = imports
            .iter()
            .filter(|(own, used)| {
                !done.contains(own.as_str()) && used.iter().all(|it| done.contains(it.as_str()))
            })
            .map(|(own, _)| own.as_str())
            .collect();
        if ready.is_empty() {
            break;
        }
        done.extend(ready);
    }
    let left: Vec<&String> = imports.keys().filter(|own| !done.contains(own.as_str())).collect();
    assert!(left.is_empty(), "these files import one another, or files that do: {left:#?}");
}
