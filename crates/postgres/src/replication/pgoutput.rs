//! What `pgoutput` sends, protocol version 1: one message to one [`Message`], borrowed from its bytes.
//!
//! The bytes come from outside: every length is checked, what is left over is an error, and nothing here panics. A row's shape is checked
//! when its message is parsed, so that old and new row can be told apart; its text is looked at only when its fields are asked for.

use crate::Result;
use crate::error::protocol;
use crate::position::Lsn;
use tidelock_endpoint::EndpointError;

/// Microseconds from 1970 to 2000, where the server's clock begins.
pub(super) const EPOCH_2000: i64 = 946_684_800_000_000;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// A transaction, sent when it is committed.
    Begin {
        /// Where its commit record begins.
        final_lsn: Lsn,
        /// When it was committed: microseconds since 1970.
        time: i64,
        xid: u32,
    },
    Commit {
        /// Behind the commit record: where reading may resume.
        end: Lsn,
    },
    /// The transaction came to this server by replication.
    Origin,
    /// A name for a type of one of the next relation's columns.
    Type,
    /// What a relation's rows look like from here on.
    Relation(Relation),
    Insert {
        relation: u32,
        new: Tuple<'a>,
    },
    Update {
        relation: u32,
        old: Option<(OldKind, Tuple<'a>)>,
        new: Tuple<'a>,
    },
    Delete {
        relation: u32,
        old: (OldKind, Tuple<'a>),
    },
    Truncate {
        relations: Vec<u32>,
    },
    /// Written by `pg_logical_emit_message`.
    Logical {
        transactional: bool,
        prefix: &'a str,
        content: &'a [u8],
    },
}

/// How much of the old row is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OldKind {
    /// The columns of the replica identity; all others are NULL in the message, whatever they were.
    Key,
    /// All columns.
    Whole,
}

/// A relation as it is described before the first of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    pub id: u32,
    /// Empty for `pg_catalog`.
    pub schema: String,
    pub name: String,
    /// As `pg_class.relreplident`.
    pub identity: u8,
    pub columns: Vec<RelationColumn>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelationColumn {
    /// Part of the replica identity; with REPLICA IDENTITY FULL the server marks none or all.
    pub key: bool,
    pub name: String,
    pub type_oid: u32,
    pub typmod: i32,
}

/// A row, one field for each column of its relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tuple<'a> {
    count: u16,
    bytes: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    Null,
    /// A large value that the statement did not touch: not sent.
    Unchanged,
    Text(&'a str),
}

impl<'a> Message<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>> {
        let Some((&tag, rest)) = bytes.split_first() else {
            return Err(protocol("reading a pgoutput message: it is empty"));
        };
        let mut body = Reader { tag, rest };
        let message = match tag {
            b'B' => body.begin()?,
            b'C' => body.commit()?,
            b'O' => body.origin()?,
            b'Y' => body.named_type()?,
            b'R' => Message::Relation(body.relation()?),
            b'I' => body.insert()?,
            b'U' => body.update()?,
            b'D' => body.delete()?,
            b'T' => body.truncate()?,
            b'M' => body.logical()?,
            _ => return Err(body.fault("its kind is not known")),
        };
        if !body.rest.is_empty() {
            return Err(body.fault(&format!("{} bytes are left over", body.rest.len())));
        }
        Ok(message)
    }
}

impl<'a> Tuple<'a> {
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// The fields in the order of the relation's columns.
    pub fn fields(&self) -> Fields<'a> {
        Fields { left: self.count, rest: Reader { tag: b't', rest: self.bytes } }
    }
}

/// See [`Tuple::fields`].
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    left: u16,
    rest: Reader<'a>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.rest.field())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Fields<'_> {}

/// What is left of a message.
#[derive(Clone, Debug)]
struct Reader<'a> {
    tag: u8,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn begin(&mut self) -> Result<Message<'a>> {
        let (final_lsn, time, xid) = (self.lsn()?, self.u64()?.cast_signed(), self.u32()?);
        let time = time.checked_add(EPOCH_2000).ok_or_else(|| self.fault("its time is out of range"))?;
        Ok(Message::Begin { final_lsn, time, xid })
    }

    fn commit(&mut self) -> Result<Message<'a>> {
        let (_flags, _commit, end, _time) = (self.u8()?, self.lsn()?, self.lsn()?, self.u64()?);
        Ok(Message::Commit { end })
    }

    fn origin(&mut self) -> Result<Message<'a>> {
        let (_commit, _name) = (self.lsn()?, self.text()?);
        Ok(Message::Origin)
    }

    fn named_type(&mut self) -> Result<Message<'a>> {
        let (_oid, _schema, _name) = (self.u32()?, self.text()?, self.text()?);
        Ok(Message::Type)
    }

    fn relation(&mut self) -> Result<Relation> {
        let (id, schema, name) = (self.u32()?, self.text()?.to_owned(), self.text()?.to_owned());
        let identity = self.u8()?;
        let count = self.u16()?;
        let mut columns = Vec::new();
        for _ in 0..count {
            let (key, name) = (self.u8()? & 1 == 1, self.text()?.to_owned());
            let (type_oid, typmod) = (self.u32()?, self.u32()?.cast_signed());
            columns.push(RelationColumn { key, name, type_oid, typmod });
        }
        Ok(Relation { id, schema, name, identity, columns })
    }

    fn insert(&mut self) -> Result<Message<'a>> {
        let relation = self.u32()?;
        match self.u8()? {
            b'N' => Ok(Message::Insert { relation, new: self.tuple()? }),
            other => Err(self.unknown_row(other)),
        }
    }

    fn update(&mut self) -> Result<Message<'a>> {
        let relation = self.u32()?;
        let mut kind = self.u8()?;
        let mut old = None;
        if let Some(of) = old_kind(kind) {
            old = Some((of, self.tuple()?));
            kind = self.u8()?;
        }
        match kind {
            b'N' => Ok(Message::Update { relation, old, new: self.tuple()? }),
            other => Err(self.unknown_row(other)),
        }
    }

    fn delete(&mut self) -> Result<Message<'a>> {
        let relation = self.u32()?;
        let kind = self.u8()?;
        match old_kind(kind) {
            Some(of) => Ok(Message::Delete { relation, old: (of, self.tuple()?) }),
            None => Err(self.unknown_row(kind)),
        }
    }

    fn truncate(&mut self) -> Result<Message<'a>> {
        let (count, _options) = (self.u32()?, self.u8()?);
        let mut relations = Vec::new();
        for _ in 0..count {
            relations.push(self.u32()?);
        }
        Ok(Message::Truncate { relations })
    }

    fn logical(&mut self) -> Result<Message<'a>> {
        let (flags, _lsn, prefix) = (self.u8()?, self.lsn()?, self.text()?);
        let length = self.u32()?;
        Ok(Message::Logical { transactional: flags & 1 == 1, prefix, content: self.take(length as usize)? })
    }

    /// A row's shape: its fields are passed over one by one.
    fn tuple(&mut self) -> Result<Tuple<'a>> {
        let count = self.u16()?;
        let whole = self.rest;
        for _ in 0..count {
            match self.u8()? {
                b'n' | b'u' => {}
                b't' => {
                    let length = self.u32()?;
                    self.take(length as usize)?;
                }
                other => return Err(self.unknown_field(other)),
            }
        }
        Ok(Tuple { count, bytes: &whole[..whole.len() - self.rest.len()] })
    }

    fn field(&mut self) -> Result<Field<'a>> {
        match self.u8()? {
            b'n' => Ok(Field::Null),
            b'u' => Ok(Field::Unchanged),
            b't' => {
                let length = self.u32()?;
                let bytes = self.take(length as usize)?;
                Ok(Field::Text(self.utf8(bytes)?))
            }
            other => Err(self.unknown_field(other)),
        }
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.early())?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.early())?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    fn u8(&mut self) -> Result<u8> {
        self.array().map(|[b]| b)
    }

    #[inline]
    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn lsn(&mut self) -> Result<Lsn> {
        self.u64().map(Lsn)
    }

    /// A text that ends in a NUL.
    fn text(&mut self) -> Result<&'a str> {
        let end = memchr::memchr(0, self.rest).ok_or_else(|| self.early())?;
        let bytes = self.take(end)?;
        self.u8()?;
        self.utf8(bytes)
    }

    #[inline]
    fn utf8(&self, bytes: &'a [u8]) -> Result<&'a str> {
        std::str::from_utf8(bytes).map_err(|_| self.fault("a text in it is not UTF-8"))
    }

    #[cold]
    fn early(&self) -> EndpointError {
        self.fault("it ends early")
    }

    #[cold]
    fn unknown_row(&self, kind: u8) -> EndpointError {
        self.fault(&format!("a row of the unknown kind '{}'", kind.escape_ascii()))
    }

    #[cold]
    fn unknown_field(&self, kind: u8) -> EndpointError {
        self.fault(&format!("a field of the unknown kind '{}'", kind.escape_ascii()))
    }

    #[cold]
    fn fault(&self, what: &str) -> EndpointError {
        protocol(format!("reading a pgoutput message '{}': {what}", self.tag.escape_ascii()))
    }
}

fn old_kind(kind: u8) -> Option<OldKind> {
    match kind {
        b'K' => Some(OldKind::Key),
        b'O' => Some(OldKind::Whole),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidelock_endpoint::ErrorKind;

    /// A message put together by hand.
    struct Made(Vec<u8>);

    impl Made {
        fn new(tag: u8) -> Made {
            Made(vec![tag])
        }
        fn bytes(mut self, bytes: &[u8]) -> Made {
            self.0.extend(bytes);
            self
        }
        fn u16(self, n: u16) -> Made {
            self.bytes(&n.to_be_bytes())
        }
        fn u32(self, n: u32) -> Made {
            self.bytes(&n.to_be_bytes())
        }
        fn u64(self, n: u64) -> Made {
            self.bytes(&n.to_be_bytes())
        }
        fn text(self, text: &str) -> Made {
            self.bytes(text.as_bytes()).bytes(&[0])
        }
        fn row(self, fields: &[Field<'_>]) -> Made {
            fields.iter().fold(self.u16(fields.len() as u16), |made, field| match field {
                Field::Null => made.bytes(b"n"),
                Field::Unchanged => made.bytes(b"u"),
                Field::Text(text) => made.bytes(b"t").u32(text.len() as u32).bytes(text.as_bytes()),
            })
        }
    }

    const ROW: [Field<'static>; 4] = [Field::Text("7"), Field::Null, Field::Unchanged, Field::Text("käse")];
    const KEY: [Field<'static>; 2] = [Field::Text("6"), Field::Null];

    /// One of each kind.
    fn all() -> Vec<Vec<u8>> {
        vec![
            Made::new(b'B').u64(0x1_0000_0002).u64(1_000_000).u32(745).0,
            Made::new(b'C').bytes(&[0]).u64(5).u64(6).u64(7).0,
            Made::new(b'O').u64(5).text("from").0,
            Made::new(b'Y').u32(16_400).text("public").text("mood").0,
            relation(),
            Made::new(b'I').u32(9).bytes(b"N").row(&ROW).0,
            Made::new(b'U').u32(9).bytes(b"N").row(&ROW).0,
            Made::new(b'U').u32(9).bytes(b"K").row(&KEY).bytes(b"N").row(&ROW).0,
            Made::new(b'D').u32(9).bytes(b"O").row(&ROW).0,
            Made::new(b'T').u32(2).bytes(&[1]).u32(9).u32(10).0,
            Made::new(b'M').bytes(&[1]).u64(5).text("tidelock").u32(3).bytes(&[0, 255, 1]).0,
        ]
    }

    fn relation() -> Vec<u8> {
        let head = Made::new(b'R').u32(9).text("").text("t").bytes(b"d").u16(2);
        head.bytes(&[1]).text("id").u32(23).u32(u32::MAX).bytes(&[0]).text("v").u32(1043).u32(14).0
    }

    fn fields<'a>(tuple: &Tuple<'a>) -> Vec<Field<'a>> {
        let fields: Vec<_> = tuple.fields().map(Result::unwrap).collect();
        assert_eq!(fields.len(), tuple.len());
        fields
    }

    fn fault(bytes: &[u8]) -> String {
        let error = Message::parse(bytes).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Protocol);
        error.to_string()
    }

    #[test]
    fn a_transaction_begins_and_ends() {
        let all = all();
        let begin = Message::Begin { final_lsn: Lsn(0x1_0000_0002), time: 946_684_801_000_000, xid: 745 };
        assert_eq!(Message::parse(&all[0]).unwrap(), begin);
        assert_eq!(Message::parse(&all[1]).unwrap(), Message::Commit { end: Lsn(6) });
        assert_eq!(Message::parse(&all[2]).unwrap(), Message::Origin);
        assert_eq!(Message::parse(&all[3]).unwrap(), Message::Type);
    }

    #[test]
    fn a_relation_tells_its_columns() {
        let bytes = relation();
        let Message::Relation(relation) = Message::parse(&bytes).unwrap() else { panic!() };
        assert_eq!((relation.id, relation.schema.as_str(), relation.name.as_str()), (9, "", "t"));
        assert_eq!(relation.identity, b'd');
        let column =
            |key, name: &str, type_oid, typmod| RelationColumn { key, name: name.into(), type_oid, typmod };
        assert_eq!(relation.columns, [column(true, "id", 23, -1), column(false, "v", 1043, 14)]);
    }

    #[test]
    fn rows_are_told_field_by_field() {
        let all = all();
        let Message::Insert { relation: 9, new } = Message::parse(&all[5]).unwrap() else { panic!() };
        assert_eq!(fields(&new), ROW);
        let Message::Update { old: None, new, .. } = Message::parse(&all[6]).unwrap() else { panic!() };
        assert_eq!(fields(&new), ROW);
        let Message::Update { old: Some((OldKind::Key, old)), new, .. } = Message::parse(&all[7]).unwrap()
        else {
            panic!()
        };
        assert_eq!((fields(&old), fields(&new)), (KEY.to_vec(), ROW.to_vec()));
        let Message::Delete { old: (OldKind::Whole, old), .. } = Message::parse(&all[8]).unwrap() else {
            panic!()
        };
        assert_eq!(fields(&old), ROW);
    }

    #[test]
    fn truncations_and_logical_messages_are_read() {
        let all = all();
        assert_eq!(Message::parse(&all[9]).unwrap(), Message::Truncate { relations: vec![9, 10] });
        let logical = Message::Logical { transactional: true, prefix: "tidelock", content: &[0, 255, 1] };
        assert_eq!(Message::parse(&all[10]).unwrap(), logical);
    }

    #[test]
    fn every_message_that_is_cut_or_too_long_is_refused() {
        for message in all() {
            for end in 0..message.len() {
                fault(&message[..end]);
            }
            let longer = [&message[..], &[0]].concat();
            assert!(fault(&longer).contains("left over"), "{message:?}");
        }
    }

    #[test]
    fn what_is_unknown_is_refused_by_name() {
        assert!(fault(b"S\0\0\0\0\0").contains("'S'"));
        assert!(fault(&Made::new(b'I').u32(9).bytes(b"X").row(&ROW).0).contains("'X'"));
        assert!(fault(&Made::new(b'D').u32(9).bytes(b"N").row(&ROW).0).contains("'N'"));
        assert!(fault(&Made::new(b'I').u32(9).bytes(b"N").u16(1).bytes(b"b").u32(0).0).contains("'b'"));
        assert!(fault(&Made::new(b'B').u64(1).u64(i64::MAX as u64).u32(1).0).contains("time"));
        assert!(fault(&Made::new(b'O').u64(1).bytes(&[0xff, 0]).0).contains("UTF-8"));
    }

    #[test]
    fn a_field_that_is_not_utf8_is_refused_and_the_next_is_read() {
        let bytes = Made::new(b'I').u32(9).bytes(b"N").u16(2).bytes(b"t").u32(1).bytes(&[0xff]).bytes(b"n").0;
        let Message::Insert { new, .. } = Message::parse(&bytes).unwrap() else { panic!() };
        let mut fields = new.fields();
        assert_eq!(fields.next().unwrap().unwrap_err().kind, ErrorKind::Protocol);
        assert_eq!(fields.next().unwrap().unwrap(), Field::Null);
        assert!(fields.next().is_none());
    }

    /// Reads all that can be read of it.
    fn read(bytes: &[u8]) {
        let tuples = match Message::parse(bytes) {
            Ok(Message::Insert { new, .. }) => vec![new],
            Ok(Message::Update { old, new, .. }) => old.into_iter().map(|(_, t)| t).chain([new]).collect(),
            Ok(Message::Delete { old: (_, old), .. }) => vec![old],
            _ => Vec::new(),
        };
        for tuple in tuples {
            assert_eq!(tuple.fields().count(), tuple.len());
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(tag in prop::sample::select(&b"BCORYIUDTM"[..]), body: Vec<u8>) {
            read(&body);
            read(&[&[tag][..], &body].concat());
        }

        #[test]
        fn damaged_messages_never_panic(which: prop::sample::Index, at: prop::sample::Index, byte: u8) {
            let all = all();
            let mut message = all[which.index(all.len())].clone();
            let at = at.index(message.len());
            message[at] = byte;
            read(&message);
        }
    }
}
