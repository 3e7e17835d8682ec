//! Expressions over a row, in CEL: what `where` and `compute` are made of.
//!
//! A column is a variable of its own name. What CEL has no value for (JSON, arrays, intervals, …) is refused when the job is planned. CEL has no decimals: they are
//! values of our own (see `number`), compared digit by digit, because a double would take `0.1` and `0.10000000000000000001` for one.
//!
//! One base context serves all rows and all jobs; a row is an inner scope of it that looks values up in the row's own buffer, so that texts are not copied.

mod literals;
mod number;
mod result;
mod rewrite;
mod trial;

pub use result::{Kind, as_value};
pub use trial::{Trial, trial};

use cel::common::types::{CelBool, CelBytes, CelDouble, CelInt, CelNull, CelString, CelTimestamp, CelUInt};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError, IdedExpr, Value as CelValue};
use chrono::DateTime as Moment;
use number::Number;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use tidelock_model::{Date, DateTime, Slot, Table, Timestamp, Value};

/// Seconds from 1970-01-01 to 2000-01-01.
const EPOCH_SECONDS: i64 = 946_684_800;
const DAY_SECONDS: i64 = 86_400;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib().with_optional_support(false);
    number::declare(&mut env).expect("no function of the standard library has these types");
    Arc::new(env)
});
static BASE: LazyLock<Context<'static, 'static>> = LazyLock::new(|| Context::with_env(ENV.clone()));

/// An expression over the rows of one table.
pub struct Expression {
    /// As the user wrote it.
    pub text: String,
    tree: IdedExpr,
    inputs: Vec<Input>,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

/// A column that an expression names.
#[derive(Clone, Debug)]
struct Input {
    name: String,
    place: usize,
    kind: Kind,
    nullable: bool,
}

/// Why a text is no expression, in one line; `None` for one that is well written. Whether its columns are there shows when a job is planned.
pub fn misspelt(text: &str) -> Option<String> {
    parse(text).err()
}

fn parse(text: &str) -> Result<IdedExpr, String> {
    ENV.parser().parse(text).map_err(|faults| {
        let Some(fault) = faults.errors.first() else { return "it cannot be read".to_owned() };
        // What the parser would have liked is a list of its own words.
        let what =
            fault.msg.trim_start_matches("Syntax error: ").split(" expecting ").next().unwrap_or_default();
        match what.contains("<EOF>") {
            true => "it ends too early".to_owned(),
            false => format!("{} at column {}", what.trim(), fault.pos.1),
        }
    })
}

impl Expression {
    /// An expression over the images of `table`; else everything that is wrong with it.
    pub fn new(text: &str, table: &Table) -> Result<Expression, Vec<String>> {
        let mut tree = parse(text).map_err(|fault| vec![fault])?;
        let mut names = BTreeSet::new();
        rewrite::free_names(&tree, &mut Vec::new(), &mut names);
        let (mut inputs, mut faults) = (Vec::new(), Vec::new());
        for name in names {
            match input(&name, table) {
                Ok(Some(input)) => inputs.push(input),
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        let made = tree.references().has_function(number::DECIMAL_OF);
        if made || inputs.iter().any(|i| matches!(i.kind, Kind::Decimal | Kind::Any)) {
            faults.extend(rewrite::for_decimals(&mut tree).err());
            faults.extend(literals::rounded(text));
        }
        if faults.is_empty() { Ok(Expression { text: text.to_owned(), tree, inputs }) } else { Err(faults) }
    }

    /// The same over the images of another version of the table; else the column that is not there, or is of another kind.
    pub fn at(&self, table: &Table) -> Result<Expression, String> {
        let mut inputs = Vec::with_capacity(self.inputs.len());
        for old in &self.inputs {
            match input(&old.name, table)? {
                Some(new) if new.kind == old.kind => inputs.push(new),
                _ => return Err(format!("column {} has another type", old.name)),
            }
        }
        Ok(Expression { text: self.text.clone(), tree: self.tree.clone(), inputs })
    }

    /// How many of its columns were sent: none, some, or all.
    pub fn sent(&self, slots: &[Slot<'_>]) -> Sent {
        let sent = self.inputs.iter().filter(|i| !matches!(slots.get(i.place), Some(Slot::NotSent) | None));
        match sent.count() {
            n if n == self.inputs.len() => Sent::All,
            0 => Sent::None,
            _ => Sent::Some,
        }
    }

    /// Evaluates it for a row all of whose columns that it names were sent, and hands the value over.
    pub fn evaluate<T>(
        &self,
        slots: &[Slot<'_>],
        take: impl FnOnce(&dyn Val) -> Result<T, String>,
    ) -> Result<T, String> {
        for input in &self.inputs {
            if let Some(Slot::Value(value)) = slots.get(input.place) {
                representable(value).map_err(|what| format!("column {} is {what}", input.name))?;
            }
        }
        let row = Row { inputs: &self.inputs, slots };
        let mut scope = BASE.new_inner_scope();
        scope.set_variable_resolver(&row);
        let value = CelValue::resolve_val(&self.tree, &scope).map_err(told)?;
        take(value.as_ref())
    }

    /// Evaluates a condition.
    pub fn holds(&self, slots: &[Slot<'_>]) -> Result<bool, String> {
        self.evaluate(slots, |value| match value.downcast_ref::<CelBool>() {
            Some(answer) => Ok(*answer.inner()),
            None => Err(format!("it gives {}, not true or false", value.get_type().name())),
        })
    }
}

/// How many of an expression's columns an image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// None of them, and it names some.
    None,
    /// Some of them.
    Some,
    /// All of them.
    All,
}

/// The column of this name; `None` for a name of CEL's own, such as `int`.
fn input(name: &str, table: &Table) -> Result<Option<Input>, String> {
    let Some(place) = table.column(name) else {
        if ENV.types().find_type(name).is_some() {
            return Ok(None);
        }
        let has: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        return Err(format!("it names {name}, which is no column of the log; there are: {}", has.join(", ")));
    };
    let column = &table.columns[place];
    let kind = Kind::of(&column.data_type)
        .ok_or_else(|| format!("column {name} is {}, which expressions cannot reckon with", column.native))?;
    Ok(Some(Input { name: name.to_owned(), place, kind, nullable: column.nullable }))
}

/// A row as CEL sees it.
struct Row<'r> {
    inputs: &'r [Input],
    slots: &'r [Slot<'r>],
}

impl VariableResolver for Row<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let input = self.inputs.iter().find(|i| i.name == name)?;
        match self.slots.get(input.place)? {
            Slot::Value(value) => seen(value, input.kind),
            Slot::NotSent => None,
        }
    }
}

/// A value as CEL has it; a text stays where it is.
fn seen<'b>(value: &'b Value<'b>, kind: Kind) -> Option<CowVal<'b, 'b>> {
    Some(match value {
        Value::Null => CowVal::owned(CelNull),
        Value::Bool(b) => CowVal::owned(CelBool::from(*b)),
        Value::Int(i) if kind == Kind::Decimal => CowVal::owned(Number::from(*i)),
        Value::Int(i) => CowVal::owned(CelInt::from(*i)),
        Value::UInt(u) if kind == Kind::Decimal => CowVal::owned(Number::from(*u)),
        // A whole number of up to 32 bits is one like any other.
        Value::UInt(u) if kind == Kind::Int => CowVal::owned(CelInt::from(i64::try_from(*u).ok()?)),
        Value::UInt(u) => CowVal::owned(CelUInt::from(*u)),
        Value::Decimal(d) => CowVal::owned(Number::from(*d)),
        Value::Float32(x) => CowVal::owned(CelDouble::from(f64::from(*x))),
        Value::Float64(x) => CowVal::owned(CelDouble::from(*x)),
        Value::Text(t) | Value::Enum(t) | Value::Set(t) => CowVal::owned(CelString::from(*t)),
        Value::Bytes(b) => CowVal::owned(CelBytes::from(*b)),
        Value::Uuid(_) => CowVal::owned(CelString::from(value.to_string())),
        Value::Date(_) | Value::DateTime(_) | Value::Timestamp(_) => {
            CowVal::owned(CelTimestamp::from(moment(value)?.fixed_offset()))
        }
        _ => return None,
    })
}

/// A day or a date and time without a zone is taken as UTC.
fn moment(value: &Value<'_>) -> Option<Moment<chrono::Utc>> {
    match value {
        Value::Date(Date::Day(day)) => Moment::from_timestamp(i64::from(*day) * DAY_SECONDS, 0),
        Value::DateTime(DateTime::Micros(m)) | Value::Timestamp(Timestamp::Micros(m)) => {
            let seconds = m.div_euclid(1_000_000) + EPOCH_SECONDS;
            Moment::from_timestamp(seconds, (m.rem_euclid(1_000_000) * 1000) as u32)
        }
        _ => None,
    }
}

fn representable(value: &Value<'_>) -> Result<(), String> {
    match value {
        Value::Date(_) | Value::DateTime(_) | Value::Timestamp(_) if moment(value).is_none() => {
            Err(format!("{value}, which is no moment that expressions know"))
        }
        Value::Bits(_) | Value::Time(_) | Value::Interval(_) | Value::Json(_) => Err(unknown(value)),
        Value::Array(_) | Value::Geometry(_) => Err(unknown(value)),
        _ => Ok(()),
    }
}

fn unknown(value: &Value<'_>) -> String {
    format!("a value of the kind {}, which expressions cannot reckon with", value.kind())
}

/// What went wrong, by the kinds of the values and never by the values themselves: these may be what a mask hides.
fn told(error: ExecutionError) -> String {
    match error {
        ExecutionError::UnsupportedBinaryOperator(operation, a, b) => {
            format!("there is no `{operation}` of {} and {}", kind_of(&a), kind_of(&b))
        }
        ExecutionError::ValuesNotComparable(a, b) => {
            format!("{} cannot be compared with {}", kind_of(&a), kind_of(&b))
        }
        ExecutionError::Overflow(operation, ..) => format!("the result of `{operation}` is out of range"),
        ExecutionError::DivisionByZero(_) => "a division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "a remainder by zero".to_owned(),
        ExecutionError::FunctionError { function, .. } => {
            format!("`{function}` cannot do it with what it is given")
        }
        ExecutionError::NoSuchOverload(overload) => overload.to_string(),
        ExecutionError::UndeclaredReference(name) => format!("there is no `{name}`"),
        ExecutionError::UnexpectedType { got, want } => format!("found {got} where {want} is needed"),
        _ => "its operands do not fit".to_owned(),
    }
}

fn kind_of(value: &CelValue) -> String {
    match value {
        CelValue::Float(_) => "double".to_owned(),
        other => other.type_of().to_string(),
    }
}

#[cfg(test)]
mod tests;
