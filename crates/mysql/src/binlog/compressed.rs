//! MariaDB's `log_bin_compress`: a header octet (`0x80`, algorithm, number of length octets), the length, and a zlib stream.
//!
//! A consumer that does not know these events sees no rows and no error; so they are either unpacked here, whole, or stop the stream.

use super::Reader;
use crate::codec::Fault;
use flate2::{Decompress, FlushDecompress, Status};

/// No event is larger: the protocol's own limit.
const LARGEST: usize = 1 << 30;

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
    out.reserve(length);
    let mut inflate = Decompress::new(true);
    let failed = Fault::new("a compressed event does not decompress");
    let status =
        inflate.decompress_vec(reader.0, out, FlushDecompress::Finish).map_err(|_| failed.clone())?;
    if status != Status::StreamEnd || out.len() != length {
        return Err(failed);
    }
    Ok(())
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
