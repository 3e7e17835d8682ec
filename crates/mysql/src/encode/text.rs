//! Texts. A server in strict mode refuses what it would cut, but for blanks: those it cuts at the end, with a note.

use super::{Out, Refusal, Room, refuse};
use crate::charset::Charset;
use tidelock_model::{UuidText, Value};

impl Out<'_> {
    pub(super) fn text(
        &mut self,
        value: &Value<'_>,
        charset: &Charset,
        fixed: bool,
        room: Room,
    ) -> Result<(), Refusal> {
        let text = match *value {
            Value::Text(t) | Value::Json(t) | Value::Enum(t) | Value::Set(t) => t,
            Value::Uuid(u) => {
                return self.quoted(UuidText::new(&u).as_str());
            }
            _ => return refuse(value, "text"),
        };
        if fixed && text.ends_with(' ') {
            return Err(Refusal("a CHAR column would lose its trailing blanks".into()));
        }
        if text.ends_with(' ') {
            keeps_blanks(text, charset, room)?;
        }
        self.quoted(text)
    }
}

/// A VARCHAR has room for so many characters, a TEXT for so many octets.
fn keeps_blanks(text: &str, charset: &Charset, room: Room) -> Result<(), Refusal> {
    let longer = |most: u64, unit: &str| {
        Err(Refusal(format!("it is longer than {most} {unit}, and the column would cut its trailing blanks")))
    };
    match (room.length, room.octets) {
        (Some(most), _) if text.chars().count() as u64 > most => longer(most, "characters"),
        (_, Some(most)) if charset.octets(text) > most => longer(most, "octets"),
        _ => Ok(()),
    }
}
