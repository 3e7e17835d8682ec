//! Trying an expression with values of its columns' kinds, before there is a row: what cannot work for any row is told when the job is planned.
//!
//! CEL's library has no type checker. Every part of the tree is evaluated by itself, so that what stands behind `&&` or in the other branch of a condition is
//! tried too. What fails for these values only (a text that is no number, a division) is no fault.

use super::number::{DECIMAL_OF, EQUAL};
use super::result::Kind;
use super::{BASE, Expression, Input, Row, rewrite, told};
use cel::common::ast::Expr;
use cel::common::ast::operators::{
    CONDITIONAL, EQUALS, GREATER, GREATER_EQUALS, IN, LESS, LESS_EQUALS, LOGICAL_AND, LOGICAL_NOT,
    LOGICAL_OR, NOT_EQUALS,
};
use cel::{ExecutionError, IdedExpr, Value as CelValue};
use std::collections::BTreeSet;
use tidelock_model::{Date, Decimal, Slot, Value};

/// What a trial found.
#[derive(Debug, Default)]
pub struct Trial {
    /// What cannot work for any row.
    pub faults: Vec<String>,
    /// What it gives; `None` where that cannot be told beforehand.
    pub gives: Option<Kind>,
    /// Columns that may be NULL, and with which it fails then.
    pub fails_with_null: Vec<String>,
}

/// Tries an expression.
pub fn trial(expression: &Expression) -> Trial {
    let slots = samples(&expression.inputs);
    let mut trier = Trier { expression, slots: &slots, faults: Vec::new() };
    trier.visit(&expression.tree);
    let gives = trier.gives(&expression.tree);
    let faults = trier.faults;
    let mut fails_with_null = Vec::new();
    for input in expression.inputs.iter().filter(|i| i.nullable && faults.is_empty()) {
        let mut slots = slots.clone();
        slots[input.place] = Slot::Value(Value::Null);
        let trier = Trier { expression, slots: &slots, faults: Vec::new() };
        if trier.fails(&expression.tree, &input.name) {
            fails_with_null.push(input.name.clone());
        }
    }
    Trial { faults, gives, fails_with_null }
}

/// One value of each column's kind.
fn samples(inputs: &[Input]) -> Vec<Slot<'static>> {
    let columns = inputs.iter().map(|i| i.place + 1).max().unwrap_or(0);
    let mut slots = vec![Slot::NotSent; columns];
    for input in inputs {
        slots[input.place] = Slot::Value(match input.kind {
            Kind::Bool => Value::Bool(true),
            Kind::Int => Value::Int(1),
            Kind::UInt => Value::UInt(1),
            Kind::Double => Value::Float64(1.0),
            Kind::Decimal => Value::Decimal(Decimal::parse("1.0").expect("it is one")),
            Kind::Text => Value::Text("1"),
            Kind::Bytes => Value::Bytes(b"1"),
            Kind::Moment => Value::Date(Date::Day(0)),
            Kind::Null | Kind::Any => Value::Null,
        });
    }
    slots
}

struct Trier<'e> {
    expression: &'e Expression,
    slots: &'e [Slot<'static>],
    faults: Vec<String>,
}

impl Trier<'_> {
    /// Whether this part may be told of: nothing in it is decided value by value.
    fn is_known(&self, tree: &IdedExpr) -> bool {
        let any = |name: &str| self.expression.inputs.iter().any(|i| i.name == name && i.kind == Kind::Any);
        match &tree.expr {
            Expr::Ident(name) => !any(name),
            Expr::Comprehension(_) => false,
            _ => rewrite::children(tree).into_iter().all(|child| self.is_known(child)),
        }
    }

    fn kind(&self, tree: &IdedExpr) -> Result<Kind, ExecutionError> {
        let row = Row { inputs: &self.expression.inputs, slots: self.slots };
        let mut scope = BASE.new_inner_scope();
        scope.set_variable_resolver(&row);
        CelValue::resolve_val(tree, &scope).map(|value| Kind::of_value(value.as_ref()))
    }

    /// Tries all parts, the inner ones first; a part is not blamed for what is wrong inside of it.
    fn visit(&mut self, tree: &IdedExpr) {
        let before = self.faults.len();
        rewrite::children(tree).into_iter().for_each(|child| self.visit(child));
        if self.faults.len() > before || !self.is_known(tree) {
            return;
        }
        if let Err(error) = self.kind(tree)
            && is_of_types(&error)
        {
            let hint = if is_reckoning(tree) && self.has_decimals(tree) {
                "; decimals are only compared: write `double(column)` to reckon with one"
            } else {
                ""
            };
            self.faults.push(told(error) + hint);
            return;
        }
        let Expr::Call(call) = &tree.expr else { return };
        match (call.func_name.as_str(), &call.args[..]) {
            (EQUALS | NOT_EQUALS | EQUAL, [a, b]) => {
                if let (Some(a), Some(b)) = (self.gives(a), self.gives(b))
                    && a != b
                    && !(a.is_number() && b.is_number())
                    && a != Kind::Null
                    && b != Kind::Null
                {
                    self.faults.push(format!("{} is never equal to {}", a.name(), b.name()));
                }
            }
            (LOGICAL_AND | LOGICAL_OR, [a, b]) => {
                for part in [a, b] {
                    if let Some(kind) = self.gives(part).filter(|k| *k != Kind::Bool) {
                        self.faults.push(format!("{} is neither true nor false", kind.name()));
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether it fails for these values of `column`. Of `&&` and `||` only the side that names it counts: the other one may decide by itself, or not.
    fn fails(&self, tree: &IdedExpr, column: &str) -> bool {
        if let Expr::Call(call) = &tree.expr
            && let (LOGICAL_AND | LOGICAL_OR, [a, b]) = (call.func_name.as_str(), &call.args[..])
            && names(a, column) != names(b, column)
        {
            return self.fails(if names(a, column) { a } else { b }, column);
        }
        self.kind(tree).is_err_and(|e| is_of_types(&e))
    }

    fn has_decimals(&self, tree: &IdedExpr) -> bool {
        rewrite::children(tree).into_iter().any(|c| self.kind(c).is_ok_and(|k| k == Kind::Decimal))
    }

    /// What a part gives, as far as that is the same for all rows.
    fn gives(&self, tree: &IdedExpr) -> Option<Kind> {
        if let Expr::Call(call) = &tree.expr {
            match (call.func_name.as_str(), &call.args[..]) {
                (
                    EQUALS | NOT_EQUALS | EQUAL | LESS | LESS_EQUALS | GREATER | GREATER_EQUALS | IN
                    | LOGICAL_AND | LOGICAL_OR | LOGICAL_NOT,
                    _,
                ) => return Some(Kind::Bool),
                (CONDITIONAL, [_, yes, no]) => {
                    return match (self.gives(yes)?, self.gives(no)?) {
                        (Kind::Null, other) | (other, Kind::Null) => Some(other),
                        (a, b) => (a == b).then_some(a),
                    };
                }
                ("string", [_]) => return Some(Kind::Text),
                (DECIMAL_OF, [_]) => return Some(Kind::Decimal),
                ("int", [_]) => return Some(Kind::Int),
                ("uint", [_]) => return Some(Kind::UInt),
                ("double", [_]) => return Some(Kind::Double),
                ("timestamp", [_]) => return Some(Kind::Moment),
                _ => {}
            }
        }
        if !self.is_known(tree) {
            return None;
        }
        self.kind(tree).ok().filter(|kind| *kind != Kind::Any)
    }
}

fn names(tree: &IdedExpr, column: &str) -> bool {
    let mut all = BTreeSet::new();
    rewrite::free_names(tree, &mut Vec::new(), &mut all);
    all.contains(column)
}

fn is_reckoning(tree: &IdedExpr) -> bool {
    matches!(&tree.expr, Expr::Call(call) if matches!(call.func_name.as_str(), "_+_" | "_-_" | "_*_" | "_/_" | "_%_" | "-_"))
}

/// An error that comes of the kinds of values, not of these values.
fn is_of_types(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::NoSuchOverload(_)
        | ExecutionError::UndeclaredReference(_)
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnexpectedType { .. }
        | ExecutionError::NotSupportedAsMethod { .. }
        | ExecutionError::UnsupportedTargetType { .. }
        | ExecutionError::MissingArgumentOrTarget
        | ExecutionError::InvalidArgumentCount { .. } => true,
        // A pattern or number that cannot be read is one for no row.
        ExecutionError::FunctionError { function, .. } => matches!(function.as_str(), "matches" | DECIMAL_OF),
        _ => false,
    }
}
