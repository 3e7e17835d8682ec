//! The tree of an expression: which names are free in it, and what decimals need.

use super::number::EQUAL;
use cel::IdedExpr;
use cel::common::ast::operators::{
    EQUALS, GREATER, GREATER_EQUALS, IN, LESS, LESS_EQUALS, LOGICAL_NOT, LOGICAL_OR, NOT_EQUALS,
};
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue};
use std::collections::BTreeSet;

/// Names that no part of the expression itself binds. `bound` are those bound around `tree`.
pub fn free_names(tree: &IdedExpr, bound: &mut Vec<String>, names: &mut BTreeSet<String>) {
    match &tree.expr {
        Expr::Ident(name) => {
            let plain = name.trim_start_matches('.');
            if !bound.iter().any(|b| b == plain) {
                names.insert(plain.to_owned());
            }
        }
        Expr::Comprehension(inner) => {
            free_names(&inner.iter_range, bound, names);
            let before = bound.len();
            bound.push(inner.iter_var.clone());
            bound.extend(inner.iter_var2.clone());
            bound.push(inner.accu_var.clone());
            for part in [&inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result] {
                free_names(part, bound, names);
            }
            bound.truncate(before);
        }
        _ => children(tree).into_iter().for_each(|child| free_names(child, bound, names)),
    }
}

/// What stands directly below; nothing of a comprehension, whose parts have names of their own.
pub fn children(tree: &IdedExpr) -> Vec<&IdedExpr> {
    match &tree.expr {
        Expr::Call(call) => call.target.iter().map(|t| &**t).chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|e| entry(&e.expr)).collect(),
        Expr::Struct(made) => made.entries.iter().flat_map(|e| entry(&e.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
        _ => Vec::new(),
    }
}

fn entry(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(pair) => vec![&pair.key, &pair.value],
    }
}

/// Makes the tree right for decimals, of which CEL knows nothing: `1 == price` would be false in silence, as a whole number is equal to none of them.
///
/// Equality becomes a function that looks at both sides, `x in [a, b]` becomes such equalities, and a constant on the left of a comparison goes to the right. A list or
/// map anywhere else would compare its elements by CEL's own rule, and is refused.
pub fn for_decimals(tree: &mut IdedExpr) -> Result<(), String> {
    if let Expr::Call(call) = &mut tree.expr {
        match (call.func_name.as_str(), &mut call.args[..]) {
            (EQUALS, [_, _]) => call.func_name = EQUAL.to_owned(),
            (NOT_EQUALS, [_, _]) => {
                call.func_name = EQUAL.to_owned();
                let equal = IdedExpr { id: tree.id, expr: std::mem::take(&mut tree.expr) };
                tree.expr = called(LOGICAL_NOT, vec![equal]);
            }
            (LESS | LESS_EQUALS | GREATER | GREATER_EQUALS, [a, b]) if is_constant(a) => {
                std::mem::swap(a, b);
                call.func_name = turned(&call.func_name).to_owned();
            }
            (IN, [wanted, IdedExpr { expr: Expr::List(list), .. }]) => {
                let wanted = &*wanted;
                let equal = |e: &IdedExpr| IdedExpr {
                    id: e.id,
                    expr: called(EQUAL, vec![wanted.clone(), e.clone()]),
                };
                let all = list.elements.iter().map(equal);
                let either = |a, b| IdedExpr { id: tree.id, expr: called(LOGICAL_OR, vec![a, b]) };
                let none = IdedExpr { id: tree.id, expr: Expr::Literal(LiteralValue::Boolean(false.into())) };
                let any = all.reduce(either).unwrap_or(none);
                tree.expr = any.expr;
            }
            _ => {}
        }
    }
    match &mut tree.expr {
        Expr::List(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Comprehension(_) => {
            Err("lists and maps do not go together with decimals, but for `column in [1, 2]`".to_owned())
        }
        Expr::Call(call) => {
            call.target.iter_mut().map(|t| &mut **t).chain(&mut call.args).try_for_each(for_decimals)
        }
        Expr::Select(select) => for_decimals(&mut select.operand),
        _ => Ok(()),
    }
}

fn called(name: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args })
}

fn is_constant(tree: &IdedExpr) -> bool {
    matches!(tree.expr, Expr::Literal(_))
}

fn turned(comparison: &str) -> &'static str {
    match comparison {
        LESS => GREATER,
        LESS_EQUALS => GREATER_EQUALS,
        GREATER => LESS,
        _ => LESS_EQUALS,
    }
}
