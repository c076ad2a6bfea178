//! Join functions in tests.

use crate::column::batch::Batch;
use crate::function::join::Join;
use crate::function::plugin::{Call, Function};
use crate::row::contract::WriteRow;
use crate::schema::Field;
use crate::testing::gather::gather;
use crate::testing::transform::{TransformResult, batch, checked_batch, project};

/// Checks that a join function opens; the error is everything that is wrong, as the author of a job would see it.
///
/// # Errors
/// What is wrong with the config and the offered columns.
pub fn open_join<J: Join>(config: &str, left: &[Field], right: &[Field]) -> Result<(), Vec<String>> {
    Function::join::<J>().open(config, &[left.to_vec(), right.to_vec()]).map(drop)
}

/// Opens a join function with this config (JSON) and calls it with these pairs as one batch; `None` is a side without a
/// match. The given rows of the result are the pairs.
///
/// # Errors
/// What is wrong with the config and the columns, or why the function as a whole failed.
///
/// ```
/// use flowgate_sdk::{Row, testing};
///
/// #[derive(Row)]
/// struct Bid { price: i64 }
///
/// #[derive(Row)]
/// struct Auction { reserve: i64 }
///
/// #[derive(Row)]
/// struct Over { over: Option<i64> }
///
/// #[flowgate_sdk::join]
/// fn over(bid: Bid, auction: Option<Auction>) -> Over {
///     Over { over: auction.map(|auction| bid.price - auction.reserve) }
/// }
///
/// let pairs = [(Some(Bid { price: 7 }), Some(Auction { reserve: 5 })), (Some(Bid { price: 7 }), None)];
/// let out = testing::join::<over, _, _>("{}", pairs).unwrap();
/// assert_eq!(out.rows::<Over>().iter().map(|row| row.over).collect::<Vec<_>>(), [Some(2), None]);
/// ```
pub fn join<J: Join, L: WriteRow, R: WriteRow>(
    config: &str,
    pairs: impl IntoIterator<Item = (Option<L>, Option<R>)>,
) -> Result<TransformResult, Vec<String>> {
    let (left, right): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let (left, right) = (side(left), side(right));
    let opened = Function::join::<J>().open(config, &[left.1.clone(), right.1.clone()])?;
    let Call::Join(apply) = &opened.call else { unreachable!("a join function was opened") };
    let pairs = left.0.rows();
    let left = project(left.0, &left.1, &opened.binding.inputs[0]);
    let right = project(right.0, &right.1, &opened.binding.inputs[1]);
    let answer = apply(&left, &right).map_err(|problem| vec![problem])?;
    Ok(TransformResult::new(answer, opened.binding, pairs))
}

/// Returns the rows of one side, and their columns: nullable where a row is absent.
fn side<R: WriteRow>(rows: Vec<Option<R>>) -> (Batch, Vec<Field>) {
    let mut present = 0;
    let positions: Vec<Option<usize>> = rows
        .iter()
        .map(|row| {
            present += usize::from(row.is_some());
            row.is_some().then(|| present - 1)
        })
        .collect();
    let absent = present < rows.len();
    let fields = R::FIELDS.iter().map(|field| Field { nullable: field.nullable || absent, ..field.clone() });
    let fields: Vec<Field> = fields.collect();
    let rows = batch(rows.into_iter().flatten());
    let columns = rows.columns().iter().map(|column| gather(column, &positions)).collect();
    (checked_batch(positions.len(), columns, &fields), fields)
}
