//! What was measured, as a table: on the terminal, and in docs/bench.md, where each measurement has a place of its own between two marks.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Part;
use super::figures::Judged;
use crate::run::root;

/// The page.
pub const PAGE: &str = "docs/bench.md";

/// The results of one measurement.
pub struct Table {
    /// Which measurement.
    pub part: Part,
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    remarks: Vec<String>,
    missed: usize,
}

impl Table {
    /// With these columns.
    pub fn new(part: Part, heads: &[&str]) -> Table {
        let heads = heads.iter().map(|head| (*head).to_owned()).collect();
        Table { part, heads, rows: Vec::new(), remarks: Vec::new(), missed: 0 }
    }

    /// Adds a row; cells with a floor are [`Judged`].
    pub fn row(&mut self, cells: Vec<Judged>) {
        self.missed += cells.iter().filter(|cell| cell.missed).count();
        self.rows.push(cells.into_iter().map(|cell| cell.text).collect());
    }

    /// Adds what could not be measured, which misses every floor.
    pub fn failure(&mut self, what: &str, error: &anyhow::Error) {
        let text = format!("**{what} FAILED**: {}", format!("{error:#}").replace('\n', " "));
        if !self.remarks.contains(&text) {
            self.missed += 1;
            self.remarks.push(text);
        }
    }

    /// How many floors were missed.
    pub fn missed(&self) -> usize {
        self.missed
    }

    /// The table in Markdown, its columns in line.
    pub fn markdown(&self) -> String {
        let all = || std::iter::once(&self.heads).chain(&self.rows);
        let width = |i: usize| all().map(|row| row[i].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let rule = widths.iter().map(|width| "-".repeat(*width)).collect();
        let mut text = line(&self.heads) + &line(&rule);
        text.extend(self.rows.iter().map(line));
        if !self.remarks.is_empty() {
            text.push('\n');
        }
        text.extend(self.remarks.iter().map(|remark| format!("* {remark}\n")));
        text
    }
}

/// On what, and when, something was measured.
pub fn circumstances(versions: &str, stolen: f64, command: &str) -> String {
    let model = first_after("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = first_after("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or_else(|| "?".to_owned(), |kib| format!("{:.0}", kib * 1024.0 / 1e9));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let day = said("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default();
    let commit =
        said("git", &["rev-parse", "--short", "HEAD"]).map(|id| format!(", commit {id}")).unwrap_or_default();
    format!(
        "{day}{commit}; {cores} × {model}, {memory} GB; {versions}; others had at most {:.0} % of the processors. Measure again: `{command}`.",
        stolen * 100.0
    )
}

fn first_after(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(root()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Puts the tables into the page, each in its own place.
pub fn write(tables: &[Table], circumstances: &str) -> Result<()> {
    let path = root().join(PAGE);
    let doing = || format!("writing {}", path.display());
    let mut page = fs::read_to_string(&path).with_context(doing)?;
    for table in tables {
        page = replaced(&page, table.part.name(), &format!("{circumstances}\n\n{}", table.markdown()))
            .with_context(doing)?;
    }
    fs::write(Path::new(&path), page).with_context(doing)
}

/// The page with another text between the marks called `name`.
fn replaced(page: &str, name: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name}: written by cargo x bench -->"), format!("<!-- /{name} -->"));
    let (Some(from), Some(to)) = (page.find(&begin), page.find(&end)) else {
        bail!("the page has no place for it: {begin} and {end} on lines of their own");
    };
    let from = from + begin.len();
    if from > to {
        bail!("the page has {end} before {begin}");
    }
    Ok(format!("{}\n\n{}\n{}", &page[..from], text.trim_end(), &page[to..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = "a\n<!-- x: written by cargo x bench -->\nold\n<!-- /x -->\nb\n";
        let new = replaced(page, "x", "new\n").unwrap_or_default();
        assert_eq!(new, "a\n<!-- x: written by cargo x bench -->\n\nnew\n<!-- /x -->\nb\n");
        assert_eq!(replaced(&new, "x", "new").unwrap_or_default(), new);
        assert!(replaced(page, "y", "").is_err());
    }

    #[test]
    fn the_page_has_a_place_for_every_measurement() {
        let page = fs::read_to_string(root().join(PAGE)).unwrap_or_default();
        for part in Part::ALL {
            assert!(replaced(&page, part.name(), "").is_ok(), "{}", part.name());
        }
    }
}
