//! Values that are passed over: those of columns that the server computes.

use super::table_map::Wire;
use super::{Reader, decimal};
use crate::codec::Fault;

/// Leaves one value behind.
pub(crate) fn pass(wire: Wire, r: &mut Reader<'_>) -> Result<(), Fault> {
    let malformed = Fault::new("a malformed table map");
    let fraction = |digits: u8| usize::from(digits.div_ceil(2).min(3));
    let octets = match wire {
        Wire::Int(n) | Wire::Enum(n) => usize::from(n),
        Wire::Set(n) => usize::from(n.min(8)),
        Wire::Float | Wire::OldTimestamp => 4,
        Wire::Double | Wire::OldDateTime => 8,
        Wire::Year => 1,
        Wire::Date | Wire::OldTime => 3,
        Wire::DateTime(digits) => 5 + fraction(digits),
        Wire::Timestamp(digits) => 4 + fraction(digits),
        Wire::Time(digits) => 3 + fraction(digits),
        Wire::Bit(bits) => usize::from(bits.div_ceil(8)),
        Wire::Decimal { precision, scale } => {
            decimal::octets(precision.into(), scale.into()).ok_or(malformed)?
        }
        Wire::Var { most } => return r.sized(if most > 255 { 2 } else { 1 }).map(drop),
        Wire::Blob(n) | Wire::Json(n) | Wire::Geometry(n) if (1..=4).contains(&n) => {
            return r.sized(n.into()).map(drop);
        }
        Wire::Blob(_) | Wire::Json(_) | Wire::Geometry(_) => return Err(malformed),
    };
    r.take(octets).map(drop)
}
