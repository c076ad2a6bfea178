//! Which outputs and columns of two versions are compared. Pure.
//!
//! Outputs and columns are matched by name. A column that passes through in both versions is not compared: it is that of the given row.

use crate::job::graph::{Node, PairColumn, PairOutput};
use flowgate_base::schema::Field;

/// What is compared.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// The outputs.
    pub(crate) outputs: Vec<ComparedOutput>,
    /// What is not compared, and why: a sentence each.
    pub(crate) notes: Vec<String>,
}

/// An output of both versions.
#[derive(Debug, PartialEq)]
pub(crate) struct ComparedOutput {
    /// Its name; empty for the main one.
    pub(crate) name: String,
    /// Its position among the outputs of the version of the job, and of the new one.
    pub(crate) at: [usize; 2],
    /// The columns.
    pub(crate) columns: Vec<ComparedColumn>,
}

/// A column of an output of both versions.
#[derive(Debug, PartialEq)]
pub(crate) struct ComparedColumn {
    /// The column.
    pub(crate) field: Field,
    /// Its position in the output of the version of the job, and of the new one.
    pub(crate) at: [usize; 2],
}

/// Returns what is compared of two versions of a node's function. `of` are the outputs of each version's node.
pub(crate) fn compared(nodes: [&Node; 2], of: [&[PairOutput]; 2]) -> Compared {
    let mut compared = Compared::default();
    let name = |version: usize, output: &PairOutput| {
        nodes[version].outputs.get(output.output).map_or("", |output| output.name.as_str())
    };
    for (at, old) in of[0].iter().enumerate() {
        let called = name(0, old);
        match of[1].iter().enumerate().find(|(_, new)| name(1, new) == called) {
            Some((new_at, new)) => {
                let columns = columns(nodes, [old, new], &shown(called), &mut compared.notes);
                compared.outputs.push(ComparedOutput { name: called.into(), at: [at, new_at], columns });
            }
            None => compared.notes.push(format!("the new version does not have {}, which nobody reads", shown(called))),
        }
    }
    for new in of[1].iter().filter(|new| of[0].iter().all(|old| name(0, old) != name(1, new))) {
        compared.notes.push(format!("only the new version has {}, which is not compared", shown(name(1, new))));
    }
    compared
}

fn shown(output: &str) -> String {
    if output.is_empty() { "the main output".into() } else { format!("the output `{output}`") }
}

fn columns(nodes: [&Node; 2], of: [&PairOutput; 2], output: &str, notes: &mut Vec<String>) -> Vec<ComparedColumn> {
    let fields = |version: usize| {
        nodes[version].outputs.get(of[version].output).map_or(&[][..], |output| &output.schema.fields[..])
    };
    let mut compared = Vec::new();
    for (at, field) in fields(0).iter().enumerate() {
        let found = fields(1).iter().enumerate().find(|(_, new)| new.name == field.name);
        let Some((new_at, new)) = found else {
            notes.push(format!("the new version does not have the column `{}` of {output}", field.name));
            continue;
        };
        if new.data_type != field.data_type {
            let (is, was) = (new.data_type, field.data_type);
            notes.push(format!("the column `{}` of {output} was {was} and is {is}: it is not compared", field.name));
            continue;
        }
        let passes = |version: usize, at: usize| match of[version].columns.get(at) {
            Some(PairColumn::Made(_)) | None => None,
            Some(origin) => Some(*origin),
        };
        if passes(0, at).is_none() || passes(0, at) != passes(1, new_at) {
            compared.push(ComparedColumn { field: field.clone(), at: [at, new_at] });
        }
    }
    for new in fields(1).iter().filter(|new| fields(0).iter().all(|old| old.name != new.name)) {
        notes.push(format!("only the new version has the column `{}` of {output}", new.name));
    }
    compared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::graph::{NodeKind, Output, UnionNode};
    use flowgate_base::schema::{DataType, Schema};

    fn node(outputs: &[(&str, &[(&str, DataType)])]) -> Node {
        let output = |(name, columns): &(&str, &[(&str, DataType)])| Output {
            name: (*name).into(),
            schema: Schema::new(columns.iter().map(|(name, of)| Field::new(*name, *of)).collect()),
            has_event_time: false,
        };
        let kind = NodeKind::Union(UnionNode { event_time: None });
        Node { name: "f".into(), kind, inputs: Vec::new(), outputs: outputs.iter().map(output).collect() }
    }

    #[test]
    fn outputs_and_columns_are_matched_by_name() {
        let (int, text) = (DataType::Int64, DataType::Text);
        let old =
            node(&[("", &[("x", int), ("y", int), ("z", int), ("gone", int)]), ("errors", &[]), ("a", &[("v", text)])]);
        let new = node(&[("", &[("y", int), ("x", int), ("z", text), ("more", int)]), ("errors", &[]), ("b", &[])]);
        let pass = PairColumn::Left;
        let made = PairColumn::Made;
        let of_old = [
            PairOutput { output: 0, columns: vec![pass(0), made(0), made(1), made(2)] },
            PairOutput { output: 2, columns: vec![made(0)] },
        ];
        let of_new = [
            PairOutput { output: 2, columns: vec![] },
            PairOutput { output: 0, columns: vec![made(0), pass(0), made(1), made(2)] },
        ];
        let compared = compared([&old, &new], [&of_old, &of_new]);
        let y = ComparedColumn { field: Field::new("y", int), at: [1, 0] };
        assert_eq!(compared.outputs, [ComparedOutput { name: String::new(), at: [0, 1], columns: vec![y] }]);
        let expected = [
            "the column `z` of the main output was int64 and is text: it is not compared",
            "the new version does not have the column `gone` of the main output",
            "only the new version has the column `more` of the main output",
            "the new version does not have the output `a`, which nobody reads",
            "only the new version has the output `b`, which is not compared",
        ];
        assert_eq!(compared.notes, expected);
    }

    #[test]
    fn a_column_that_one_version_passes_on_and_the_other_makes_is_compared() {
        let of = node(&[("", &[("x", DataType::Int64)])]);
        let [passes, makes] =
            [PairColumn::Left(0), PairColumn::Made(0)].map(|column| [PairOutput { output: 0, columns: vec![column] }]);
        assert_eq!(compared([&of, &of], [&passes, &makes]).outputs[0].columns.len(), 1);
        assert_eq!(compared([&of, &of], [&makes, &makes]).outputs[0].columns.len(), 1);
        assert_eq!(compared([&of, &of], [&passes, &passes]).outputs[0].columns.len(), 0);
    }
}
