//! The set of transactions that a place in the log stands for, in each product's own spelling.
//!
//! MySQL: intervals for each source, and with tags (8.3 and later) for each source and tag: `uuid:1-5:7,uuid:tag:1-3`.
//! MariaDB: the last number of each domain: `0-1-12026,1-7-3`. The set is kept beside the file and offset of a position: it tells whether the log at
//! that place is still the one the position was taken from, and it is what a later fail-over to a replica needs.

use std::collections::BTreeMap;
use std::fmt;
use tidelock_model::UuidText;

/// A set of transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GtidSet {
    /// Inclusive intervals by source and tag.
    MySql(BTreeMap<(String, String), Vec<(u64, u64)>>),
    /// Domain → server and sequence.
    MariaDb(BTreeMap<u32, (u32, u64)>),
}

impl GtidSet {
    pub fn empty(mariadb: bool) -> GtidSet {
        if mariadb { GtidSet::MariaDb(BTreeMap::new()) } else { GtidSet::MySql(BTreeMap::new()) }
    }

    /// Reads what `gtid_executed` or `gtid_binlog_pos` tells; `None` for anything else.
    pub fn parse(text: &str, mariadb: bool) -> Option<GtidSet> {
        let mut set = GtidSet::empty(mariadb);
        for entry in text.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            if mariadb {
                let mut parts = entry.split('-');
                let (domain, server, number) = (parts.next()?, parts.next()?, parts.next()?);
                if parts.next().is_some() {
                    return None;
                }
                set.add_mariadb(domain.parse().ok()?, server.parse().ok()?, number.parse().ok()?);
                continue;
            }
            let mut parts = entry.split(':').map(str::trim);
            let source = parts.next()?.to_ascii_lowercase();
            let mut tag = String::new();
            for part in parts {
                if !part.starts_with(|c: char| c.is_ascii_digit()) {
                    tag = part.to_owned();
                    continue;
                }
                let (first, last) = part.split_once('-').unwrap_or((part, part));
                let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
                if first > last {
                    return None;
                }
                set.add(&source, &tag, first, last);
            }
        }
        Some(set)
    }

    /// MySQL: one transaction more.
    pub fn add_mysql(&mut self, uuid: &[u8; 16], tag: &str, number: u64) {
        self.add(UuidText::new(uuid).as_str(), tag, number, number);
    }

    /// MariaDB: the domain's last transaction.
    pub fn add_mariadb(&mut self, domain: u32, server: u32, number: u64) {
        if let GtidSet::MariaDb(last) = self {
            last.insert(domain, (server, number));
        }
    }

    fn add(&mut self, source: &str, tag: &str, first: u64, last: u64) {
        let GtidSet::MySql(sources) = self else { return };
        let intervals = sources.entry((source.to_owned(), tag.to_owned())).or_default();
        if let Some(end) = intervals.last_mut()
            && first == end.1.saturating_add(1)
        {
            end.1 = last;
            return;
        }
        intervals.push((first, last));
        intervals.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(intervals.len());
        for (first, last) in intervals.drain(..) {
            match merged.last_mut() {
                Some(end) if first <= end.1.saturating_add(1) => end.1 = end.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        *intervals = merged;
    }
}

/// As the server prints it, without blanks.
impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GtidSet::MariaDb(domains) => {
                for (i, (domain, (server, number))) in domains.iter().enumerate() {
                    write!(f, "{}{domain}-{server}-{number}", if i == 0 { "" } else { "," })?;
                }
            }
            GtidSet::MySql(sources) => {
                let mut last = "";
                for (i, ((source, tag), intervals)) in sources.iter().enumerate() {
                    if last != source {
                        write!(f, "{}{source}", if i == 0 { "" } else { "," })?;
                        last = source;
                    }
                    if !tag.is_empty() {
                        write!(f, ":{tag}")?;
                    }
                    for (first, last) in intervals {
                        if first == last { write!(f, ":{first}")? } else { write!(f, ":{first}-{last}")? }
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_mysql_are_read_merged_and_printed_with_tags() {
        let text =
            "0f1e2d3c-0000-0000-0000-000000000001:1-5:7:nightly:1-3,\n0f1e2d3c-0000-0000-0000-000000000002:4";
        let mut set = GtidSet::parse(text, false).unwrap();
        assert_eq!(set.to_string(), text.replace('\n', ""));
        let mut uuid = [0; 16];
        uuid[..4].copy_from_slice(&[0x0f, 0x1e, 0x2d, 0x3c]);
        uuid[15] = 1;
        set.add_mysql(&uuid, "", 6);
        set.add_mysql(&uuid, "nightly", 4);
        assert!(
            set.to_string().starts_with("0f1e2d3c-0000-0000-0000-000000000001:1-7:nightly:1-4,"),
            "{set}"
        );
    }

    #[test]
    fn sets_of_mariadb_keep_the_last_of_each_domain() {
        let mut set = GtidSet::parse("1-7-3,0-1-12026", true).unwrap();
        set.add_mariadb(0, 2, 12027);
        assert_eq!(set.to_string(), "0-2-12027,1-7-3");
        assert_eq!(GtidSet::parse("x", true), None);
    }
}
