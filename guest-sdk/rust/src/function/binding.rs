//! What a function reads and writes, and whether it fits the columns that a job offers.

use crate::schema::Field;

/// What a function reads and writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// The columns that it reads, of each of its inputs.
    pub inputs: Vec<Vec<Field>>,
    /// The outputs, the main one first.
    pub outputs: Vec<OutputSpec>,
}

/// One output.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputSpec {
    /// Empty for the main output.
    pub name: &'static str,
    /// The columns that the function makes.
    pub fields: &'static [Field],
    /// Whether the input's other columns are forwarded next to them.
    pub passthrough: bool,
}

/// One output of an opened function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OutputBinding {
    /// Empty for the main output.
    pub name: String,
    /// The columns that the function makes.
    pub columns: Vec<Field>,
    /// Whether the input's other columns are forwarded next to them.
    pub passthrough: bool,
}

/// What an opened function reads and writes (`operator.wit`).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Binding {
    /// The columns that it reads, of each of its inputs.
    pub inputs: Vec<Vec<Field>>,
    /// The outputs, the main one first.
    pub outputs: Vec<OutputBinding>,
    /// The state that a process function keeps for each key.
    pub state: Vec<StateSpec>,
}

/// What a slot of state holds; numbered as in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StateKind {
    /// One value per key.
    Value,
    /// Entries per key.
    Map,
    /// Elements per key.
    List,
}

/// One slot of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSpec {
    /// Unique within the function. State survives an update of the plugin under this name.
    pub name: &'static str,
    /// What it holds.
    pub kind: StateKind,
    /// The version of the encoding of its values.
    pub version: u32,
    /// Milliseconds after the last write at which the host may forget; `None` = never.
    pub ttl_ms: Option<u64>,
}

impl From<Signature> for Binding {
    fn from(signature: Signature) -> Self {
        let outputs = signature.outputs.into_iter().map(|output| OutputBinding {
            name: output.name.to_owned(),
            columns: output.fields.to_vec(),
            passthrough: output.passthrough,
        });
        Binding { inputs: signature.inputs, outputs: outputs.collect(), state: Vec::new() }
    }
}

/// Returns everything that is wrong with the offered columns for a function that reads `wanted`, a list for each input.
pub(crate) fn problems(wanted: &[Vec<Field>], offered: &[Vec<Field>]) -> Vec<String> {
    if wanted.len() != offered.len() {
        let inputs = if wanted.len() == 1 { "one input" } else { "two inputs" };
        return vec![format!("the function has {inputs}, and the job gives it {}", offered.len())];
    }
    let one = wanted.len() == 1;
    let mut problems = Vec::new();
    for (number, (wanted, offered)) in (1..).zip(wanted.iter().zip(offered)) {
        let of_input = wanted.iter().filter_map(|field| problem(field, offered));
        problems.extend(of_input.map(|problem| if one { problem } else { format!("input {number}: {problem}") }));
    }
    problems
}

/// Returns what is wrong with the offered columns for a function that reads this one.
pub(crate) fn problem(wanted: &Field, offered: &[Field]) -> Option<String> {
    let name = &wanted.name;
    let Some(found) = offered.iter().find(|field| field.name == *name) else {
        let mut message = format!("there is no column `{name}` ({} is wanted)", wanted.data_type);
        if offered.is_empty() {
            message += "; the input has no columns";
        } else {
            let columns: Vec<String> = offered.iter().map(Field::to_string).collect();
            message += &format!("; the input has {}", columns.join(", "));
        }
        if let Some(nearest) = nearest(name, offered) {
            message += &format!("; did you mean `{nearest}`?");
        }
        return Some(message);
    };
    if found.data_type != wanted.data_type {
        return Some(format!(
            "the column `{name}` is {}, but the function reads {}: give it a column of type {}, or read the field as `{}`",
            found.data_type,
            wanted.data_type,
            wanted.data_type,
            found.data_type.rust_name(),
        ));
    }
    (found.nullable && !wanted.nullable).then(|| {
        format!(
            "the column `{name}` may have no value, but the function reads one from every row: filter such rows out \
             before, or read the field as `Option<{}>`",
            wanted.data_type.rust_name()
        )
    })
}

/// Returns the offered name of which `name` may be a misspelling.
fn nearest<'a>(name: &str, offered: &'a [Field]) -> Option<&'a str> {
    let distances = offered.iter().map(|field| (distance(name, &field.name), &*field.name));
    distances.min().filter(|(distance, _)| *distance <= name.chars().count().max(3) / 3).map(|(_, name)| name)
}

/// Levenshtein's distance: the number of characters to insert, delete or replace to turn one into the other; letter case is
/// ignored.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DataType::*;

    const OFFERED: &[Field] =
        &[Field::new("line", Text, false), Field::new("count", Int64, true), Field::new("when", Timestamp, false)];

    #[test]
    fn everything_wrong_is_said_at_once() {
        let wanted = [
            Field::new("lien", Text, false),
            Field::new("count", Int64, false),
            Field::new("when", Int64, false),
            Field::new("line", Text, true),
        ];
        assert_eq!(
            problems(&[wanted.to_vec()], &[OFFERED.to_vec()]),
            [
                "there is no column `lien` (text is wanted); the input has line: text, count: int64?, when: timestamp",
                "the column `count` may have no value, but the function reads one from every row: filter such rows out \
                 before, or read the field as `Option<i64>`",
                "the column `when` is timestamp, but the function reads int64: give it a column of type int64, or read \
                 the field as `Timestamp`",
            ]
        );
    }

    #[test]
    fn the_nearest_name_is_suggested() {
        assert_eq!(nearest("lines", OFFERED), Some("line"));
        assert_eq!(nearest("Line", OFFERED), Some("line"));
        assert_eq!(nearest("coumt", OFFERED), Some("count"));
        assert_eq!(nearest("path", OFFERED), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn the_number_of_inputs_is_checked() {
        assert_eq!(problems(&[vec![]], &[vec![], vec![]]), ["the function has one input, and the job gives it 2"]);
        assert_eq!(problems(&[vec![], vec![]], &[vec![]]), ["the function has two inputs, and the job gives it 1"]);
        let a = vec![Field::new("a", Text, false)];
        let missing = "there is no column `a` (text is wanted); the input has no columns";
        assert_eq!(problems(std::slice::from_ref(&a), &[vec![]]), [missing]);
        assert_eq!(problems(&[a.clone(), a.clone()], &[a, vec![]]), [format!("input 2: {missing}")]);
    }
}
