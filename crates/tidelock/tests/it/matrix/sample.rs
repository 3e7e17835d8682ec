//! What is tried: a native type, and values of it with what is hard about each.

/// A column's type, and values to put into it.
pub struct Sample {
    /// As the source spells it in `CREATE TABLE`.
    pub native: &'static str,
    /// How both sides are asked what they hold.
    pub class: Class,
    /// Values.
    pub values: &'static [Edge],
}

pub const fn sample(native: &'static str, class: Class, values: &'static [Edge]) -> Sample {
    Sample { native, class, values }
}

/// One value: the source's literal, and what about it not every database can hold.
pub struct Edge(pub &'static str, pub Hazard);

/// What kind of value it is, and so how it is rendered by a query at either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Bool,
    Int,
    /// `YEAR`: a number, whatever it looks like.
    Year,
    Decimal,
    Float,
    /// Compared octet by octet, in UTF-8.
    Text,
    Bytes,
    /// With their number, where that is fixed.
    Bits(u32),
    Date,
    Time,
    /// With an offset.
    TimeZone,
    DateTime,
    /// At UTC.
    Instant,
    Interval,
    Uuid,
    /// Equal when a database that knows JSON says so.
    Json,
    Array,
    /// Only its own engine knows it.
    Native,
    /// Only its own engine knows it, and it has no text.
    Geometry,
    /// SQLite: the storage class counts as well.
    Any,
}

/// What is hard about a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hazard {
    Plain,
    /// A date or time before or after all.
    Infinite,
    /// Before the year 1.
    BeforeChrist,
    /// After the year 9999.
    After9999,
    /// Of a floating-point number or a decimal.
    NotANumber,
    /// Of a floating-point number or a decimal.
    InfiniteNumber,
    /// The sign of zero.
    NegativeZero,
    /// More digits than MySQL's decimals have.
    Wide,
    /// U+0000 inside a text.
    Nul,
    /// `0000-00-00`, or a month or day of zero.
    NoDay,
    /// A time that is no time of day.
    Span,
    /// JSON in which a number is more than a double holds.
    WideJson,
    /// JSON in which a name comes twice.
    TwiceNamed,
    /// JSON in more levels than MariaDB looks at.
    Deep,
    /// An interval before or after all.
    InfiniteSpan,
    /// A text that is none in its own database's encoding.
    NotUtf8,
}
