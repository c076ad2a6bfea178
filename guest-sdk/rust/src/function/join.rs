//! Join functions: the trait behind `#[join]`, and the loop over the pairs of a batch.

use crate::column::batch::{Batch, bit};
use crate::failure::Failure;
use crate::function::answer::{Answer, RowFailure};
use crate::function::binding::{OutputSpec, Signature};
use crate::function::config::FromConfig;
use crate::function::output::TransformOutput;
use crate::function::side::SideOutputs;
use crate::row::contract::ReadRow;
use crate::schema::Field;

/// A function over the matched pairs of a join. Implemented by [`#[join]`](macro@crate::join) for a type with the function's
/// name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no join function",
    label = "no join function",
    note = "write `#[flowgate_sdk::join]` above the function"
)]
pub trait Join {
    /// The name under which a job finds it.
    const NAME: &'static str;
    /// Its doc comment.
    const DOC: &'static str;
    /// The type of its config parameter; `()` where it has none.
    type Config: FromConfig;
    /// Returns what it reads and writes.
    fn signature() -> Signature;
    /// Calls it for one batch of pairs.
    ///
    /// # Errors
    /// The function cannot continue at all: the job fails with this message.
    fn apply(config: &Self::Config, left: &Batch, right: &Batch) -> Result<Answer, String>;
}

/// One side of a pair: a row, or `Option` of one where an outer join may have no match.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read as one side of a pair",
    label = "a side is a row, or `Option` of one",
    note = "write `#[derive(flowgate_sdk::Row)]` on the struct, and take it by value; `Option` of it where an outer join may \
            have no match"
)]
pub trait JoinSide<'a>: Sized {
    /// Views over the side's columns.
    type Columns;
    /// The columns that it reads.
    fn fields() -> Vec<Field>;
    /// Returns the views. The batch's columns are those of `fields`.
    fn columns(batch: &'a Batch) -> Self::Columns;
    /// Reads the side of one pair.
    ///
    /// # Errors
    /// The side is present, but lacks a value that the row must have.
    fn read(columns: &Self::Columns, row: usize) -> Result<Self, Failure>;
}

impl<'a, R: ReadRow<'a>> JoinSide<'a> for R {
    type Columns = R::Columns;

    fn fields() -> Vec<Field> {
        R::FIELDS.to_vec()
    }

    #[inline(always)]
    fn columns(batch: &'a Batch) -> Self::Columns {
        R::columns(batch)
    }

    #[inline(always)]
    fn read(columns: &Self::Columns, row: usize) -> Result<Self, Failure> {
        Ok(<R as ReadRow>::read(columns, row))
    }
}

/// The columns of a side that may be absent.
#[doc(hidden)]
pub struct OptionalSide<'a, R: ReadRow<'a>> {
    columns: R::Columns,
    /// For each column, the rows that have a value; `None` = every row.
    validity: Vec<Option<&'a [u8]>>,
    /// Whether every row has every value.
    whole: bool,
}

/// A side is absent where none of its columns has a value.
impl<'a, R: ReadRow<'a>> JoinSide<'a> for Option<R> {
    type Columns = OptionalSide<'a, R>;

    fn fields() -> Vec<Field> {
        R::FIELDS.iter().map(|field| Field { nullable: true, ..field.clone() }).collect()
    }

    fn columns(batch: &'a Batch) -> Self::Columns {
        let validity: Vec<Option<&[u8]>> = batch.columns().iter().map(|column| column.validity.as_deref()).collect();
        let whole = validity.iter().all(Option::is_none);
        OptionalSide { columns: R::columns(batch), validity, whole }
    }

    #[inline(always)]
    fn read(side: &Self::Columns, row: usize) -> Result<Self, Failure> {
        if side.whole {
            return Ok(Some(R::read(&side.columns, row)));
        }
        let has = |validity: &Option<&[u8]>| validity.is_none_or(|bits| bit(bits, row));
        if !side.validity.iter().any(has) {
            return Ok(None);
        }
        match R::FIELDS.iter().zip(&side.validity).find(|(field, validity)| !field.nullable && !has(validity)) {
            None => Ok(Some(R::read(&side.columns, row))),
            Some((field, _)) => Err(Failure::new(format!(
                "the column `{}` has no value in a row that is there, but the function reads one from every row: filter such \
                 rows out before, or read the field as `Option<{}>`",
                field.name,
                field.data_type.rust_name()
            ))),
        }
    }
}

/// Returns what a join function reads and writes; of `function` only the type counts.
pub fn signature<'b, C, L, R, O, Kind, S, F>(_function: F, names: &[&'static str]) -> Signature
where
    C: 'b,
    L: JoinSide<'b>,
    R: JoinSide<'b>,
    O: TransformOutput<Kind>,
    S: SideOutputs,
    F: Fn(L, R, &'b C, &mut S) -> O,
{
    let main = OutputSpec { name: "", fields: O::FIELDS, passthrough: O::PASSTHROUGH };
    let outputs = std::iter::once(main).chain(S::specs(names)).collect();
    Signature { inputs: vec![L::fields(), R::fields()], outputs }
}

/// Calls a join function for every pair of a batch.
#[inline]
pub fn apply<'b, C, L, R, O, Kind, S, F>(
    function: F,
    config: &'b C,
    left: &'b Batch,
    right: &'b Batch,
) -> Result<Answer, String>
where
    L: JoinSide<'b>,
    R: JoinSide<'b>,
    O: TransformOutput<Kind>,
    S: SideOutputs,
    F: Fn(L, R, &'b C, &mut S) -> O,
{
    let pairs = left.rows();
    let (lefts, rights) = (L::columns(left), R::columns(right));
    let mut sink = O::sink(pairs, left.var_bytes() + right.var_bytes());
    let mut sides = S::new(left);
    let mut failures = Vec::new();
    for row in 0..pairs {
        sides.set_row(row as u32);
        let pair = L::read(&lefts, row).and_then(|left| Ok((left, R::read(&rights, row)?)));
        let done =
            pair.and_then(|(left, right)| function(left, right, config, &mut sides).deliver(row as u32, &mut sink));
        if let Err(failure) = done {
            sides.take_back(row as u32);
            failures.push(RowFailure { row: row as u32, message: failure.into_message() });
        }
    }
    let mut outputs = vec![O::finish(sink, pairs)];
    outputs.extend(sides.finish(pairs));
    Ok(Answer { outputs, failures })
}

#[cfg(test)]
mod tests {
    use crate::testing;
    use crate::{DataType, Failure, Field, Row, SideOutput};

    #[derive(Row)]
    struct Left {
        id: i64,
    }

    #[derive(Row)]
    struct Right<'a> {
        name: &'a str,
        size: Option<i64>,
    }

    #[derive(Row)]
    struct Nullable<'a> {
        name: Option<&'a str>,
        size: Option<i64>,
    }

    #[derive(Row)]
    #[row(passthrough)]
    struct Named {
        named: Option<String>,
    }

    #[crate::config]
    struct Limit {
        id_max: i64,
    }

    /// Returns names, with every kind of parameter that a join function may have.
    #[crate::join(name = "names-of")]
    fn name<'a>(
        left: Option<Left>,
        right: Option<Right<'a>>,
        limit: &Limit,
        alone: &mut SideOutput<Left>,
    ) -> Result<Named, Failure> {
        if left.as_ref().is_some_and(|left| left.id > limit.id_max) {
            alone.push(Left { id: 0 });
            return Err(Failure::new("too large"));
        }
        match (left, right) {
            (Some(left), None) => alone.push(left),
            (_, Some(right)) => return Ok(Named { named: Some(format!("{}{:?}", right.name, right.size)) }),
            (None, None) => {}
        }
        Ok(Named { named: None })
    }

    #[test]
    fn a_side_is_absent_where_it_has_no_value_at_all() {
        let right = |name, size| Some(Nullable { name, size });
        let pairs = [
            (Some(Left { id: 1 }), right(Some("a"), Some(2))),
            (Some(Left { id: 2 }), right(Some("b"), None)),
            (Some(Left { id: 3 }), None),
            (None, right(None, Some(4))),
            (Some(Left { id: 9 }), right(Some("c"), None)),
            (None, None),
        ];
        let out = testing::join::<name, _, _>(r#"{"id_max": 5}"#, pairs).unwrap();
        assert_eq!(out.selection(), [0, 1, 2, 5]);
        let names: Vec<_> = out.rows::<Named>().into_iter().map(|row| row.named).collect();
        assert_eq!(names, [Some("aSome(2)".into()), Some("bNone".into()), None, None]);
        assert_eq!(out.side("alone").selection(), [2]);
        let [(3, lacks), (4, large)] = out.failures() else { panic!("{:?}", out.failures()) };
        assert!(lacks.contains("the column `name` has no value in a row that is there"), "{lacks}");
        assert_eq!(large, "too large");
    }

    #[test]
    fn both_sides_are_checked_when_it_is_opened() {
        let fields = |names: &[&'static str]| -> Vec<Field> {
            names.iter().map(|name| Field::new(name, DataType::Int64, true)).collect()
        };
        let open = |left: &[Field], right: &[Field]| testing::open_join::<name>(r#"{"id_max": 5}"#, left, right);
        let problems = open(&fields(&["ids"]), &fields(&["name", "size"])).unwrap_err();
        assert!(problems[0].starts_with("input 1: there is no column `id`"), "{problems:?}");
        assert!(problems[1].starts_with("input 2: the column `name` is int64"), "{problems:?}");
        let text = [Field::new("name", DataType::Text, true), Field::new("size", DataType::Int64, true)];
        assert_eq!(open(&fields(&["id"]), &text), Ok(()));
    }
}
