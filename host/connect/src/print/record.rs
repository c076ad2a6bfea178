//! A row as a record: a line for each of its columns, like `\x` in psql and `\G` in mysql.

use unicode_width::UnicodeWidthStr;

use super::cell::wrapped;

/// Between a name and its value.
const GAP: &str = "  ";
/// Cells of a line where the terminal's are not known, and the minimum: in a narrower one, the terminal breaks lines.
const LINE_CELLS: usize = 80;
const LINE_CELLS_MIN: usize = 20;

/// Appends a row under a rule with its number.
pub(super) fn print(number: u64, names: &[&str], values: &[&str], line_cells: Option<usize>, out: &mut Vec<u8>) {
    let line = line_cells.unwrap_or(LINE_CELLS).max(LINE_CELLS_MIN);
    // Long names are broken, so that values keep most of the line.
    let name_cells = names.iter().map(|name| name.width()).max().unwrap_or(0).min(line / 3);
    let value_cells = line - name_cells - GAP.len();
    let title = format!("── row {number} ");
    let rule = "─".repeat(line.saturating_sub(title.width()));
    out.extend_from_slice(format!("{title}{rule}\n").as_bytes());
    for (name, value) in names.iter().zip(values) {
        let (names, values) = (wrapped(name, name_cells), wrapped(value, value_cells));
        for i in 0..names.len().max(values.len()) {
            let name = names.get(i).copied().unwrap_or_default();
            let value = values.get(i).copied().unwrap_or_default();
            let pad = name_cells.saturating_sub(name.width());
            let line = format!("{name}{:pad$}{GAP}{value}", "");
            out.extend_from_slice(line.trim_end().as_bytes());
            out.push(b'\n');
        }
    }
}
