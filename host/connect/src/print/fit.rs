//! The widths of the columns of a table.

use flowgate_base::schema::DataType;

/// The known widths of a column, in terminal cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    name: usize,
    /// The widest value so far.
    widest: usize,
    /// Whether its values may be broken into several lines: texts; not numbers, times, `true` and `false`.
    wraps: bool,
}

/// Minimum cells of a text column in which wrapped values can be read.
const WRAPPED_CELLS_MIN: usize = 16;
/// Minimum cells of a column at which its name is broken.
const NAME_CELLS_MIN: usize = 12;

impl Column {
    /// Creates a column without values; its name has `name` cells.
    pub(super) fn new(name: usize, data_type: DataType) -> Self {
        let wraps = matches!(data_type, DataType::Text | DataType::Bytes | DataType::Json);
        Column { name, widest: 0, wraps }
    }

    /// Widens it for a value of this number of cells.
    pub(super) fn widen(&mut self, cells: usize) {
        self.widest = self.widest.max(cells);
    }

    fn wanted(&self) -> usize {
        self.widest.max(self.name)
    }

    /// Returns the minimum cells with which it can be read.
    fn least(&self) -> usize {
        let value = if self.wraps { self.widest.min(WRAPPED_CELLS_MIN) } else { self.widest };
        value.max(self.name.min(NAME_CELLS_MIN))
    }
}

/// Returns the cells of each column, so that all fit into a line of `line` cells with `gap` cells between them: the widest
/// columns are narrowed first. `None` where some column would be too narrow to be read. Without a `line`, each has its widest.
pub(super) fn widths(columns: &[Column], gap: usize, line: Option<usize>) -> Option<Vec<usize>> {
    let gaps = gap * columns.len().saturating_sub(1);
    let room = line.map_or(usize::MAX, |line| line.saturating_sub(gaps));
    let capped = |cap: usize| columns.iter().map(move |column| column.wanted().min(cap).max(column.least()));
    let fits = |cap: &usize| capped(*cap).fold(0, usize::saturating_add) <= room;
    let widest = columns.iter().map(Column::wanted).max().unwrap_or(0);
    // The greatest cap with which all fit. A cap beyond a line's cells fits only where the widest does.
    let cap = std::iter::once(widest).chain((0..=room.min(widest)).rev()).find(fits)?;
    Some(capped(cap).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: usize, widest: usize, data_type: DataType) -> Column {
        let mut column = Column::new(name, data_type);
        column.widen(widest);
        column
    }

    #[test]
    fn the_widest_give_way_first() {
        let columns = [
            column(4, 100, DataType::Text),
            column(5, 6, DataType::Int64),
            column(3, 40, DataType::Json),
            column(4, 24, DataType::Timestamp),
        ];
        assert_eq!(widths(&columns, 2, None), Some(vec![100, 6, 40, 24]));
        assert_eq!(widths(&columns, 2, Some(176)), Some(vec![100, 6, 40, 24]));
        assert_eq!(widths(&columns, 2, Some(80)), Some(vec![22, 6, 22, 24]));
        assert_eq!(widths(&columns, 2, Some(68)), Some(vec![16, 6, 16, 24]));
        // In fewer cells, a text could not be read; a time is not broken.
        assert_eq!(widths(&columns, 2, Some(67)), None);
    }

    #[test]
    fn long_names_over_short_values_are_broken() {
        let columns = vec![column(30, 3, DataType::Int64); 5];
        assert_eq!(widths(&columns, 2, Some(80)), Some(vec![14; 5]));
        assert_eq!(widths(&columns, 2, Some(60)), None);
    }

    #[test]
    fn a_table_without_columns_fits() {
        assert_eq!(widths(&[], 2, Some(1)), Some(Vec::new()));
    }
}
