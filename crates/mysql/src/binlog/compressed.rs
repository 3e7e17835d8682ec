//! MariaDB's `log_bin_compress`: a header octet (`0x80`, algorithm, number of length octets), the length, and a zlib stream.
//!
//! A consumer that does not know these events sees no rows and no error; so they are either unpacked here, whole, or stop the stream.

use super::Reader;
use crate::codec::Fault;
use flate2::{Decompress, FlushDecompress, Status};

/// No event is larger: the protocol's own limit.
const LARGEST: usize = 1 << 30;

/// Room that is made at once, whatever length is told: what is not there yet gets none.
const STEP: usize = 64 << 10;

/// Unpacks into `out`, which is cleared first.
pub(crate) fn unpack(packed: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut reader = Reader(packed);
    let head = reader.byte()?;
    let length_octets = usize::from(head & 7);
    if head & 0x80 == 0 || head >> 4 & 7 != 0 || !(1..=4).contains(&length_octets) {
        return Err(Fault::new("a compressed event of an unknown kind"));
    }
    let length = reader.be(length_octets)? as usize;
    if length > LARGEST {
        return Err(Fault::new("a compressed event is larger than 1 GiB"));
    }
    out.clear();
    let mut inflate = Decompress::new(true);
    let failed = Fault::new("a compressed event does not decompress");
    loop {
        // As much again as came so far. One octet at least, for what is more than was told, and for the stream's end.
        out.reserve((length - out.len()).min(out.len().max(STEP)).max(1));
        let (taken, given) = (inflate.total_in(), out.len());
        let rest = reader.0.get(taken as usize..).unwrap_or_default();
        let status = inflate.decompress_vec(rest, out, FlushDecompress::None).map_err(|_| failed.clone())?;
        let stuck = inflate.total_in() == taken && out.len() == given;
        match status {
            Status::StreamEnd if out.len() == length => return Ok(()),
            Status::Ok if !stuck && out.len() <= length => {}
            _ => return Err(failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn pack(data: &[u8]) -> Vec<u8> {
        let mut out = vec![0x82, (data.len() >> 8) as u8, data.len() as u8];
        let mut zlib = flate2::write::ZlibEncoder::new(&mut out, flate2::Compression::default());
        zlib.write_all(data).unwrap();
        zlib.finish().unwrap();
        out
    }

    #[test]
    fn what_was_packed_is_unpacked_and_damage_is_found() {
        let data: Vec<u8> = (0..5000_u32).map(|i| (i % 7) as u8).collect();
        let (mut packed, mut out) = (pack(&data), Vec::new());
        unpack(&packed, &mut out).unwrap();
        assert_eq!(out, data);
        assert!(unpack(&packed[..packed.len() - 9], &mut out).is_err());
        packed[2] ^= 1;
        assert!(unpack(&packed, &mut out).is_err());
        assert!(unpack(&[], &mut out).is_err());
    }
}
