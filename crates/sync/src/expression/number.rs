//! Decimals in expressions: a value of our own beside CEL's.
//!
//! Two numbers are compared by their digits, whatever kind they are of; a double counts as the shortest digits that mean it, so that `price == 0.1` asks for what it says.
//! Nothing is added or multiplied: who wants that writes `double(price)`, and has said what becomes of the digits.

use cel::common::traits::Comparer;
use cel::common::types::{CelBool, CelDouble, CelInt, CelString, CelUInt, DYN_TYPE, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use std::any::Any;
use std::cmp::Ordering;
use tidelock_model::Decimal;

/// Equality that knows decimals on both sides: CEL asks only the left one.
pub const EQUAL: &str = "@equal";

/// Makes a decimal of a text.
pub const DECIMAL_OF: &str = "decimal";

static DECIMAL: Type = Type::new_unspecified_type("decimal");

/// A decimal as a value of CEL.
#[derive(Clone, Debug)]
pub struct Number(Box<str>);

impl Number {
    /// Its digits.
    pub fn decimal(&self) -> Decimal<'_> {
        Decimal::parse(&self.0).expect("it was made of a decimal")
    }

    fn of(value: &dyn Val) -> Option<Number> {
        if let Some(number) = value.downcast_ref::<Number>() {
            Some(number.clone())
        } else if let Some(int) = value.downcast_ref::<CelInt>() {
            Some(Number::from(*int.inner()))
        } else if let Some(uint) = value.downcast_ref::<CelUInt>() {
            Some(Number::from(*uint.inner()))
        } else {
            let double = *value.downcast_ref::<CelDouble>()?.inner();
            match double {
                x if x.is_nan() => None,
                x if x == f64::INFINITY => Some(Number("Infinity".into())),
                x if x == f64::NEG_INFINITY => Some(Number("-Infinity".into())),
                // Never with an exponent.
                x => Some(Number(x.to_string().into())),
            }
        }
    }
}

impl From<i64> for Number {
    fn from(int: i64) -> Number {
        Number(int.to_string().into())
    }
}

impl From<u64> for Number {
    fn from(int: u64) -> Number {
        Number(int.to_string().into())
    }
}

impl From<Decimal<'_>> for Number {
    fn from(decimal: Decimal<'_>) -> Number {
        Number(decimal.as_str().into())
    }
}

impl Val for Number {
    fn get_type(&self) -> &Type {
        &DECIMAL
    }

    fn cel_type() -> &'static Type {
        &DECIMAL
    }

    fn as_comparer(&self) -> Option<&dyn Comparer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        self.compare(other).is_ok_and(Ordering::is_eq)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Number {}

impl Comparer for Number {
    fn compare(&self, other: &dyn Val) -> Result<Ordering, ExecutionError> {
        match Number::of(other) {
            Some(other) => Ok(self.decimal().compare(other.decimal())),
            None => {
                let got = other.get_type().name().to_owned();
                Err(ExecutionError::UnexpectedType { got, want: "a number".to_owned() })
            }
        }
    }
}

/// Tells CEL what is done with decimals.
pub fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(EQUAL, "equal_any", vec![DYN_TYPE, DYN_TYPE], |arguments| {
        let [a, b] = &arguments[..] else { return Err(ExecutionError::missing_argument_or_target()) };
        let equal = if b.downcast_ref::<Number>().is_some() { b.equals(&**a) } else { a.equals(&**b) };
        Ok(CowVal::owned(CelBool::from(equal)))
    })?;
    env.add_overload(DECIMAL_OF, "string_to_decimal", vec![STRING_TYPE], |arguments| {
        let text = arguments.first().and_then(|a| a.downcast_ref::<CelString>());
        let decimal = text.and_then(|text| Decimal::parse(text.inner()));
        let none = || ExecutionError::function_error(DECIMAL_OF, "it is no number");
        decimal.map(|d| CowVal::owned(Number::from(d))).ok_or_else(none)
    })?;
    env.add_overload("double", "decimal_to_double", vec![DECIMAL.to_owned()], |arguments| {
        let text = &number(&arguments)?.0;
        let double = text.parse::<f64>().map_err(|e| ExecutionError::function_error("double", e))?;
        Ok(CowVal::owned(CelDouble::from(double)))
    })?;
    env.add_overload("int", "decimal_to_int", vec![DECIMAL.to_owned()], |arguments| {
        let whole = number(&arguments)?.0.split('.').next().unwrap_or_default();
        let int = whole.parse::<i64>().map_err(|e| ExecutionError::function_error("int", e))?;
        Ok(CowVal::owned(CelInt::from(int)))
    })?;
    env.add_overload("string", "decimal_to_string", vec![DECIMAL.to_owned()], |arguments| {
        Ok(CowVal::owned(CelString::from(number(&arguments)?.0.to_string())))
    })
}

fn number<'a>(arguments: &'a [CowVal<'_, '_>]) -> Result<&'a Number, ExecutionError> {
    let first = arguments.first().and_then(|a| a.downcast_ref::<Number>());
    first.ok_or_else(ExecutionError::missing_argument_or_target)
}
