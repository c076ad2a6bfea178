//! Tables of text that fit the terminal.

use unicode_width::UnicodeWidthStr;

use flowgate_base::shown;

/// Cells between two columns.
const GAP: usize = 2;

/// The narrowest column that is cut, in cells.
const CUT_MIN: usize = 8;

/// Maximum bytes of a cell.
const CELL_BYTES_MAX: usize = 1_024;

/// What marks a cell that was cut.
const CUT: char = '…';

/// Returns a table with its head, a line for each row. Numbers are at the right of their column. If a line is longer than `cells`,
/// the widest columns are cut.
pub(super) fn table(head: &[&str], rows: &[Vec<String>], cells: Option<u16>) -> String {
    let safe = |cell: &String| shown::one_line(cell, CELL_BYTES_MAX);
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(safe).collect()).collect();
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit() || ",.-".contains(c));
    let column = |at: usize| rows.iter().filter_map(move |row| row.get(at)).map(String::as_str);
    let right: Vec<bool> = (0..head.len()).map(|at| column(at).all(is_number)).collect();
    let width = |at: usize| column(at).chain([head[at]]).map(UnicodeWidthStr::width).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..head.len()).map(width).collect();
    if let Some(cells) = cells {
        narrow(&mut widths, cells.into());
    }
    let line = |row: &[&str]| {
        let mut text = String::new();
        for (at, cell) in row.iter().enumerate() {
            let cell = cut(cell, widths[at]);
            let blanks = " ".repeat(widths[at] - cell.width());
            let gap = if at == 0 { 0 } else { GAP };
            text += &" ".repeat(gap);
            text += &if right[at] { blanks + &cell } else { cell + &blanks };
        }
        format!("{}\n", text.trim_end())
    };
    let mut text = line(head);
    for row in &rows {
        text += &line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    text
}

/// Removes the columns in which all rows have nothing: `0`, `-` or no text.
pub(super) fn without_empty<'a>(head: &[&'a str], rows: Vec<Vec<String>>) -> (Vec<&'a str>, Vec<Vec<String>>) {
    let has_something =
        |at: usize| rows.iter().any(|row| row.get(at).is_some_and(|cell| !["", "0", "-"].contains(&cell.as_str())));
    let kept: Vec<usize> = (0..head.len()).filter(|at| *at == 0 || has_something(*at)).collect();
    let row = |row: &Vec<String>| kept.iter().filter_map(|at| row.get(*at).cloned()).collect();
    (kept.iter().map(|at| head[*at]).collect(), rows.iter().map(row).collect())
}

/// Makes the widest columns narrower until a line fits, or no column can be cut.
fn narrow(widths: &mut [usize], cells: usize) {
    loop {
        let line = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let Some(widest) = widths.iter_mut().max() else { return };
        if line <= cells || *widest <= CUT_MIN {
            return;
        }
        *widest -= 1;
    }
}

/// Returns a text of at most `cells` cells.
fn cut(text: &str, cells: usize) -> String {
    if text.width() <= cells {
        return text.into();
    }
    let mut short = String::new();
    for c in text.chars() {
        if short.width() + c.to_string().width() + 1 > cells {
            break;
        }
        short.push(c);
    }
    short.push(CUT);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_string()).collect()).collect()
    }

    #[test]
    fn columns_are_aligned_and_numbers_are_at_the_right() {
        let rows = rows(&[&["hits", "1,500", "a"], &["漢字", "3", "b"]]);
        assert_eq!(
            table(&["operator", "in", "note"], &rows, None),
            "operator     in  note\nhits      1,500  a\n漢字          3  b\n"
        );
    }

    #[test]
    fn a_table_fits_the_terminal() {
        let rows = rows(&[&["a", "a long text that is wide", "another long text"]]);
        let text = table(&["x", "y", "z"], &rows, Some(30));
        assert!(text.lines().all(|line| line.width() <= 30), "{text}");
        assert_eq!(text.matches(CUT).count(), 2, "{text}");
    }

    #[test]
    fn control_characters_are_shown_and_have_no_effect() {
        assert_eq!(table(&["x"], &rows(&[&["a\u{1b}[2Jb\nc"]]), None), "x\na\\u{1b}[2Jb c\n");
    }

    #[test]
    fn columns_without_anything_are_left_out() {
        let (head, rows) = without_empty(&["x", "errors", "late"], rows(&[&["a", "0", "0"], &["b", "0", "2"]]));
        assert_eq!((head, rows[1].join(" ")), (vec!["x", "late"], "b 2".into()));
    }
}
