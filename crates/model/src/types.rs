use serde::{Deserialize, Serialize};

/// The neutral type of a column: what may stand in it, whatever the engine calls it.
///
/// It travels with the [`Table`](crate::Table). The engine's own spelling is kept beside it in
/// [`Column::native`](crate::Column::native), so that the same engine on the other side can use it word for word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// True or false.
    Bool,
    /// A whole number of 8, 16, 24, 32 or 64 bits.
    Int {
        /// Width in bits.
        bits: u8,
        /// No negative numbers, twice the positive range.
        unsigned: bool,
    },
    /// An exact decimal number. Without precision any number of digits on both sides of the point.
    Decimal {
        /// Number of significant digits, all in all.
        precision: Option<u16>,
        /// Digits after the point (may be negative at PostgreSQL); meaningless without precision.
        scale: i16,
    },
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary64.
    Float64,
    /// Characters.
    Text {
        /// Most characters (not bytes); none: no limit but the engine's.
        length: Option<u32>,
        /// Padded with blanks to its length (`CHAR(n)`).
        fixed: bool,
    },
    /// Octets.
    Bytes {
        /// Most octets; none: no limit but the engine's.
        length: Option<u32>,
        /// Padded with zero octets to its length (`BINARY(n)`).
        fixed: bool,
    },
    /// A string of bits.
    Bits {
        /// Most bits; none: no limit but the engine's.
        length: Option<u32>,
        /// May be shorter than its length.
        varying: bool,
    },
    /// A calendar day.
    Date,
    /// A time of day or, at MySQL, a signed span of up to 838 hours.
    Time {
        /// Digits of the fraction of a second, 0–6.
        fraction: u8,
        /// Carries an offset from UTC (`timetz`).
        zone: bool,
    },
    /// A civil date and time, without a zone.
    DateTime {
        /// Digits of the fraction of a second, 0–6.
        fraction: u8,
    },
    /// An instant.
    Timestamp {
        /// Digits of the fraction of a second, 0–6.
        fraction: u8,
    },
    /// Months, days and microseconds, each of its own.
    Interval,
    /// 128 bits, as RFC 9562 writes them.
    Uuid,
    /// A JSON text.
    Json,
    /// An array of any number of dimensions.
    Array {
        /// The type of its elements.
        element: Box<Type>,
    },
    /// One of these labels.
    Enum {
        /// In the order in which the engine sorts them.
        labels: Vec<String>,
    },
    /// Any number of these labels (MySQL `SET`); no label holds a comma.
    Set {
        /// In the engine's order.
        labels: Vec<String>,
    },
    /// A year as MySQL has it: 0, or 1901–2155.
    Year,
    /// A geometry in well-known binary.
    Geometry,
    /// Any value at all, decided value by value (an SQLite column without a declared type).
    Any,
    /// A type that only its own engine knows; its values travel as the text which that engine prints and reads.
    Native {
        /// The engine, by its name in [`Capabilities`](../tidelock_endpoint/struct.Capabilities.html).
        engine: String,
        /// The type, as that engine spells it.
        name: String,
    },
}

impl Type {
    /// A signed whole number of so many bits.
    pub fn int(bits: u8) -> Type {
        Type::Int { bits, unsigned: false }
    }

    /// Text without a limit.
    pub fn text() -> Type {
        Type::Text { length: None, fixed: false }
    }

    /// Octets without a limit.
    pub fn bytes() -> Type {
        Type::Bytes { length: None, fixed: false }
    }
}
