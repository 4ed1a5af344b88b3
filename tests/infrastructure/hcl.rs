//! The HCL of the repository, parsed.

use std::path::{Path, PathBuf};

use ::hcl::expr::{Expression, ObjectKey};
use ::hcl::structure::{Block, Body, Structure};

/// A file.
pub(crate) struct File {
    /// Where it is, from the root of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) body: Body,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file with HCL, in the order of their paths.
pub(crate) fn all() -> Vec<File> {
    let (root, mut files) = (root(), Vec::new());
    let mut ahead = vec![root.join("infra"), root.join("environments")];
    while let Some(folder) = ahead.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder can be read") {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                ahead.extend((!path.ends_with(".terraform")).then_some(path));
            } else if path.to_str().is_some_and(|name| name.ends_with(".tf") || name.ends_with(".tfvars")) {
                let text = std::fs::read_to_string(&path).expect("a text");
                let shown = path.strip_prefix(&root).expect("under the root").display().to_string();
                let body = ::hcl::parse(&text).unwrap_or_else(|error| panic!("{shown}: {error}"));
                files.push(File { path: shown, text, body });
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(files.len() > 20, "too few files were found: is the walk right?");
    files
}

impl File {
    /// The folder, which is the module.
    pub(crate) fn module(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Its blocks of a kind.
    pub(crate) fn blocks(&self, kind: &str) -> impl Iterator<Item = &Block> {
        self.body.blocks().filter(move |block| block.identifier() == kind)
    }
}

/// The value of an attribute of a block.
pub(crate) fn attribute<'a>(body: &'a Body, name: &str) -> Option<&'a Expression> {
    body.attributes().find(|attribute| attribute.key() == name).map(::hcl::Attribute::expr)
}

/// The last label of a block: what it is called.
pub(crate) fn name(block: &Block) -> &str {
    block.labels().last().map_or("", ::hcl::BlockLabel::as_str)
}

/// The names and values of an object's members that are called by words.
pub(crate) fn members(expression: &Expression) -> Vec<(String, &Expression)> {
    let Expression::Object(object) = expression else { return Vec::new() };
    let name = |key: &ObjectKey| match key {
        ObjectKey::Identifier(identifier) => Some(identifier.to_string()),
        ObjectKey::Expression(Expression::String(text)) => Some(text.clone()),
        _ => None,
    };
    object.iter().filter_map(|(key, value)| Some((name(key)?, value))).collect()
}

/// Every expression in a body, and in each of them every one that it is made of.
pub(crate) fn expressions<'a>(body: &'a Body, visit: &mut impl FnMut(&'a Expression)) {
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => walk(attribute.expr(), visit),
            Structure::Block(block) => expressions(block.body(), visit),
        }
    }
}

fn walk<'a>(expression: &'a Expression, visit: &mut impl FnMut(&'a Expression)) {
    visit(expression);
    match expression {
        Expression::Array(elements) => elements.iter().for_each(|element| walk(element, visit)),
        Expression::Object(object) => object.iter().for_each(|(_, value)| walk(value, visit)),
        Expression::FuncCall(call) => call.args.iter().for_each(|argument| walk(argument, visit)),
        Expression::Parenthesis(inner) => walk(inner, visit),
        Expression::Conditional(conditional) => {
            for part in [&conditional.cond_expr, &conditional.true_expr, &conditional.false_expr] {
                walk(part, visit);
            }
        }
        Expression::ForExpr(each) => {
            walk(&each.collection_expr, visit);
            walk(&each.value_expr, visit);
            each.cond_expr.iter().for_each(|condition| walk(condition, visit));
        }
        Expression::Traversal(traversal) => walk(&traversal.expr, visit),
        _ => {}
    }
}

/// The words of a text: letters, digits and `_`.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_').filter(|word| !word.is_empty())
}
