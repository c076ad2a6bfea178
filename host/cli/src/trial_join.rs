//! One join function over the pairs of two files whose keys are equal, without a job.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt32Array, new_empty_array};
use clap::ValueEnum;
use serde_json::Value;

use super::error::CommandError;
use super::sample::{KeyArg, text_column};
use super::trial::{Given, Outcome, columns_read, offered, read_all};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{Field, Schema};
use flowgate_base::time::ProcessingTime;
use flowgate_connect::Connector;
use flowgate_connect::encode::json_row;
use flowgate_connect::source::Origin;
use flowgate_wall::binding::{FunctionInfo, OpenRequest};
use flowgate_wall::{CallContext, Function, Plugin};

/// Maximum pairs in one call: the rows of a usual batch.
const PAIRS_PER_CALL: usize = 8_192;

const LEFT: usize = 0;
const RIGHT: usize = 1;

/// Which rows a join function gets that have no match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SideJoin {
    /// None.
    Inner,
    /// Those of the first file.
    Left,
    /// Those of the second file.
    Right,
    /// Those of both.
    Full,
}

impl SideJoin {
    /// Whether rows of this side occur without a match.
    fn keeps(self, side: usize) -> bool {
        self == SideJoin::Full || self == if side == LEFT { SideJoin::Left } else { SideJoin::Right }
    }
}

/// A join function and its inputs.
pub(super) struct JoinTrial<'a> {
    pub(super) plugin: &'a Arc<Plugin>,
    pub(super) function: &'a FunctionInfo,
    /// The connectors, left and right.
    pub(super) connectors: Vec<Connector>,
    pub(super) config: Value,
    pub(super) key: &'a [KeyArg],
    pub(super) join: SideJoin,
    /// Processing time.
    pub(super) now: ProcessingTime,
}

/// All rows of a file.
struct Side {
    schema: Schema,
    columns: Vec<ArrayRef>,
    /// For each batch, the row at which it begins, and its origin.
    origins: Vec<(usize, Origin)>,
    /// The key of each row; `None` where a column of the key has no value.
    keys: Vec<Option<String>>,
}

/// A row of each side, or of one alone.
type Pair = (Option<u32>, Option<u32>);

impl JoinTrial<'_> {
    /// Reads both files, calls the function with their pairs, and collects its output.
    pub(super) fn run(self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let left = self.side(LEFT, &mut outcome)?;
        let right = self.side(RIGHT, &mut outcome)?;
        for key in self.key {
            let [l, r] = [&left, &right].map(|side| &side.schema);
            let types = [l.field(&key.columns[LEFT]), r.field(&key.columns[RIGHT])].map(|f| f.map(|f| f.data_type));
            if types[LEFT] != types[RIGHT] {
                return Err(CommandError::Arguments(format!(
                    "the key `{}` has another type in the first file than `{}` in the second",
                    key.columns[LEFT], key.columns[RIGHT]
                ))
                .into());
            }
        }
        let schemas = [self.seen(&left, LEFT), self.seen(&right, RIGHT)];
        let request = OpenRequest {
            operator: self.function.name.clone(),
            function: self.function.name.clone(),
            config: self.config.clone(),
            inputs: schemas.to_vec(),
            files: Default::default(),
        };
        let mut function =
            Function::open(self.plugin, request).map_err(|problems| CommandError::Function(problems.join("\n")))?;
        let reads = [columns_read(&function, LEFT, &schemas[LEFT])?, columns_read(&function, RIGHT, &schemas[RIGHT])?];
        let pairs = pairs(&left.keys, &right.keys, self.join);
        let context = CallContext { watermark: None, processing_time: self.now };
        for pairs in pairs.chunks(PAIRS_PER_CALL) {
            let of_left = taken(&left.columns, pairs.iter().map(|pair| pair.0).collect())?;
            let of_right = taken(&right.columns, pairs.iter().map(|pair| pair.1).collect())?;
            let chosen = |columns: &[ArrayRef], side: usize| -> Vec<ArrayRef> {
                reads[side].iter().filter_map(|column| columns.get(*column).cloned()).collect()
            };
            let answer = function.join(&chosen(&of_left, LEFT), &chosen(&of_right, RIGHT), pairs.len(), &context)?;
            let (schema, columns) = self.beside(&schemas, of_left, of_right);
            let given = Given { schema: &schema, columns: &columns, row_count: pairs.len() };
            outcome.add(&function.binding().outputs, &given, &answer)?;
            for failure in &answer.failures {
                let pair =
                    pairs.get(failure.row as usize).ok_or_else(|| Error::internal("a pair that is not there"))?;
                let places = [pair.0.and_then(|row| left.place(row)), pair.1.and_then(|row| right.place(row))];
                let places: Vec<String> = places.into_iter().flatten().collect();
                outcome.failures.push(format!("{}: {}", places.join(" with "), failure.message));
            }
        }
        Ok(outcome)
    }

    fn side(&self, side: usize, outcome: &mut Outcome) -> Result<Side> {
        let connector = self.connectors.get(side).ok_or_else(|| Error::internal("a join with one input"))?;
        let source = connector.source()?;
        let schema = offered(connector, &source.schema(), text_column(self.function, side).as_ref());
        let (mut parts, mut origins, mut row_count) = (vec![Vec::new(); schema.fields.len()], Vec::new(), 0);
        for rows in read_all(&*source)? {
            outcome.undecoded(&rows);
            origins.push((row_count, rows.origin));
            row_count += rows.row_count;
            parts.iter_mut().zip(rows.columns).for_each(|(part, column)| part.push(column));
        }
        let whole = |(part, field): (&Vec<ArrayRef>, &Field)| {
            let parts: Vec<&dyn Array> = part.iter().map(|column| &**column).collect();
            match parts.is_empty() {
                true => Ok(new_empty_array(&field.data_type.arrow())),
                false => arrow_select::concat::concat(&parts).map_err(|e| Error::internal(e.to_string())),
            }
        };
        let columns: Vec<ArrayRef> = parts.iter().zip(&schema.fields).map(whole).collect::<Result<_>>()?;
        let mut key_columns = Vec::new();
        for key in self.key {
            let name = &key.columns[side];
            let position = schema.index_of(name).ok_or_else(|| {
                let names: Vec<&str> = schema.fields.iter().map(|field| field.name.as_str()).collect();
                CommandError::Arguments(format!(
                    "there is no column `{name}` for the key; the rows have {}",
                    names.join(", ")
                ))
            })?;
            key_columns.push(columns[position].clone());
        }
        // Names do not matter: the texts of the values are compared.
        let numbered = key_columns.iter().zip(self.key).enumerate();
        let fields = numbered.filter_map(|(i, (_, key))| {
            Some(Field::nullable(i.to_string(), schema.field(&key.columns[side])?.data_type))
        });
        let key_schema = Schema::new(fields.collect());
        let key = |row: usize| {
            let whole = key_columns.iter().all(|column| column.is_valid(row));
            whole.then(|| json_row(&key_schema, &key_columns, row))
        };
        let keys = (0..row_count).map(key).collect();
        Ok(Side { schema, columns, origins, keys })
    }

    /// Returns a side's columns as the function sees them: nullable where rows of the other side occur without a match.
    fn seen(&self, rows: &Side, side: usize) -> Schema {
        let may_be_absent = self.join.keeps(1 - side);
        let field = |field: &Field| Field { nullable: field.nullable || may_be_absent, ..field.clone() };
        Schema::new(rows.schema.fields.iter().map(field).collect())
    }

    /// Returns the columns of both sides, for functions with passthrough: a key column of the same name on both sides occurs
    /// once.
    fn beside(&self, schemas: &[Schema; 2], left: Vec<ArrayRef>, right: Vec<ArrayRef>) -> (Schema, Vec<ArrayRef>) {
        let is_key_of_both = |name: &str| self.key.iter().any(|key| key.columns.iter().all(|column| column == name));
        let mut fields = schemas[LEFT].fields.clone();
        let mut columns = left;
        for (field, column) in schemas[RIGHT].fields.iter().zip(right) {
            if !is_key_of_both(&field.name) {
                fields.push(field.clone());
                columns.push(column);
            }
        }
        (Schema::new(fields), columns)
    }
}

impl Side {
    /// Returns where a row was read.
    fn place(&self, row: u32) -> Option<String> {
        let (first, origin) = self.origins.iter().rev().find(|(first, _)| *first <= row as usize)?;
        origin.place(row as usize - first)
    }
}

/// Returns pairs of rows with equal keys, in the order of the left ones, then of the right ones; a row without a key matches
/// nothing. Rows without a match follow, where the join keeps them.
fn pairs(left: &[Option<String>], right: &[Option<String>], join: SideJoin) -> Vec<Pair> {
    let mut of_key: HashMap<&str, Vec<u32>> = HashMap::new();
    for (row, key) in (0..).zip(right) {
        if let Some(key) = key {
            of_key.entry(key).or_default().push(row);
        }
    }
    let mut pairs = Vec::new();
    let mut left_alone = Vec::new();
    let mut right_alone = vec![true; right.len()];
    for (row, key) in (0..).zip(left) {
        match key.as_ref().and_then(|key| of_key.get(key.as_str())) {
            Some(matches) => {
                for other in matches {
                    right_alone[*other as usize] = false;
                    pairs.push((Some(row), Some(*other)));
                }
            }
            None => left_alone.push((Some(row), None)),
        }
    }
    if join.keeps(LEFT) {
        pairs.extend(left_alone);
    }
    if join.keeps(RIGHT) {
        pairs.extend((0..).zip(right_alone).filter(|(_, alone)| *alone).map(|(row, _)| (None, Some(row))));
    }
    pairs
}

/// Returns the values of these rows; an absent row has none.
fn taken(columns: &[ArrayRef], rows: Vec<Option<u32>>) -> Result<Vec<ArrayRef>> {
    let rows = UInt32Array::from(rows);
    let take = |column: &ArrayRef| arrow_select::take::take(column, &rows, None);
    columns.iter().map(take).collect::<std::result::Result<_, _>>().map_err(|e| Error::internal(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_equal_keys_are_pairs_and_the_others_come_where_the_join_keeps_them() {
        let keys = |keys: &[&str]| -> Vec<Option<String>> {
            keys.iter().map(|key| (!key.is_empty()).then(|| key.to_string())).collect()
        };
        let (left, right) = (keys(&["a", "b", "", "a"]), keys(&["c", "a", "", "a"]));
        let inner = [(Some(0), Some(1)), (Some(0), Some(3)), (Some(3), Some(1)), (Some(3), Some(3))];
        assert_eq!(pairs(&left, &right, SideJoin::Inner), inner);
        let of_left = [(Some(1), None), (Some(2), None)];
        let of_right = [(None, Some(0)), (None, Some(2))];
        assert_eq!(pairs(&left, &right, SideJoin::Left), [&inner[..], &of_left].concat());
        assert_eq!(pairs(&left, &right, SideJoin::Right), [&inner[..], &of_right].concat());
        assert_eq!(pairs(&left, &right, SideJoin::Full), [&inner[..], &of_left, &of_right].concat());
    }
}
