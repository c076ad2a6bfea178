//! Transforms: the trait behind `#[transform]`, and the loop over the rows of a batch.

use crate::column::batch::Batch;
use crate::function::answer::{Answer, RowFailure};
use crate::function::binding::{OutputSpec, Signature};
use crate::function::config::FromConfig;
use crate::function::output::TransformOutput;
use crate::function::side::SideOutputs;
use crate::row::contract::ReadRow;

/// A function from rows to rows. Implemented by [`#[transform]`](macro@crate::transform) for a type with the function's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no transform",
    label = "no transform",
    note = "write `#[flowgate_sdk::transform]` above the function"
)]
pub trait Transform {
    /// The name under which a job finds it.
    const NAME: &'static str;
    /// Its doc comment.
    const DOC: &'static str;
    /// The type of its config parameter; `()` where it has none.
    type Config: FromConfig;
    /// Returns what it reads and writes.
    fn signature() -> Signature;
    /// Calls it for one batch, of the columns that the signature names.
    ///
    /// # Errors
    /// The function cannot continue at all: the job fails with this message.
    fn apply(config: &Self::Config, batch: &Batch) -> Result<Answer, String>;
}

/// Returns what a function over rows reads and writes; of `function` only the type counts.
pub fn signature<'b, C, R, O, Kind, S, F>(_function: F, names: &[&'static str]) -> Signature
where
    C: 'b,
    R: ReadRow<'b>,
    O: TransformOutput<Kind>,
    S: SideOutputs,
    F: Fn(R, &'b C, &mut S) -> O,
{
    let main = OutputSpec { name: "", fields: O::FIELDS, passthrough: O::PASSTHROUGH };
    let outputs = std::iter::once(main).chain(S::specs(names)).collect();
    Signature { inputs: vec![R::FIELDS.to_vec()], outputs }
}

/// Calls a function over rows for every row of a batch.
#[inline]
pub fn apply<'b, C, R, O, Kind, S, F>(function: F, config: &'b C, batch: &'b Batch) -> Result<Answer, String>
where
    R: ReadRow<'b>,
    O: TransformOutput<Kind>,
    S: SideOutputs,
    F: Fn(R, &'b C, &mut S) -> O,
{
    let rows = batch.rows();
    let columns = R::columns(batch);
    let mut sink = O::sink(rows, batch.var_bytes());
    let mut sides = S::new(batch);
    let mut failures = Vec::new();
    for row in 0..rows {
        sides.set_row(row as u32);
        let output = function(R::read(&columns, row), config, &mut sides);
        if let Err(failure) = output.deliver(row as u32, &mut sink) {
            sides.take_back(row as u32);
            failures.push(RowFailure { row: row as u32, message: failure.into_message() });
        }
    }
    let mut outputs = vec![O::finish(sink, rows)];
    outputs.extend(sides.finish(rows));
    Ok(Answer { outputs, failures })
}
