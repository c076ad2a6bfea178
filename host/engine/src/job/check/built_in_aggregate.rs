//! Calls of built-in aggregates.

use serde_json::Value;

use super::column::find;
use super::expression::Argument;
use crate::job::graph::Aggregate;
use crate::job::problem::{At, Problem, suggestion};
use flowgate_base::schema::{DataType, Field, Schema};

/// An aggregate: its name, its columns for messages, their least and greatest number, its setting besides `filter`.
type Form = (&'static str, &'static str, usize, usize, Option<&'static str>);

const FORMS: [Form; 13] = [
    ("count", "no column or one", 0, 1, None),
    ("sum", "one column", 1, 1, None),
    ("min", "one column", 1, 1, None),
    ("max", "one column", 1, 1, None),
    ("avg", "one column", 1, 1, None),
    ("first", "one column", 1, 1, None),
    ("last", "one column", 1, 1, None),
    ("distinct", "one column", 1, 1, None),
    ("approx_distinct", "one column", 1, 1, None),
    ("quantile", "one column", 1, 1, Some("q")),
    ("arg_max", "two columns: a value, and that by which it is chosen", 2, 2, None),
    ("arg_min", "two columns: a value, and that by which it is chosen", 2, 2, None),
    ("top_k", "two columns: a value, and that by which it is chosen", 2, 2, Some("k")),
];

/// The names of the built-in aggregates.
pub fn aggregate_names() -> impl Iterator<Item = &'static str> {
    FORMS.iter().map(|form| form.0)
}

/// The greatest `k` of `top_k`: each key keeps `k` values.
const K_MAX: u64 = 1_000;

/// A call of a built-in aggregate.
pub(super) struct BuiltInCall<'a> {
    pub(super) function: &'a str,
    pub(super) arguments: &'a [Argument],
    pub(super) settings: Option<&'a Value>,
    pub(super) input_name: &'a str,
    pub(super) input: &'a Schema,
    pub(super) at: &'a At,
}

impl BuiltInCall<'_> {
    /// Returns the aggregate, its filter, and the field of its result, without a name.
    pub(super) fn check(&self) -> Result<(Aggregate, Option<usize>, Field), Problem> {
        let Some((_, takes, least, most, setting)) = FORMS.iter().find(|f| f.0 == self.function) else {
            let names = FORMS.map(|f| f.0);
            let help = format!(
                "{}; a plugin's aggregate is `plugin:NAME/{}(...)`",
                suggestion(self.function, "aggregates", names).trim_end_matches('?'),
                self.function
            );
            return Err(self.wrong(0, format!("unknown aggregate `{}`", self.function)).help(help));
        };
        if !(*least..=*most).contains(&self.arguments.len()) {
            let given = self.arguments.len();
            return Err(self.wrong(0, format!("`{}` takes {takes}, {given} given", self.function)));
        }
        let filter = self.settings(*setting)?;
        let (aggregate, field) = self.aggregate()?;
        // A key may have no row that passes the filter.
        let nullable = field.nullable || (filter.is_some() && !self.counts());
        Ok((aggregate, filter, Field { nullable, ..field }))
    }

    fn counts(&self) -> bool {
        matches!(self.function, "count" | "distinct" | "approx_distinct" | "top_k")
    }

    fn wrong(&self, at: usize, message: impl Into<String>) -> Problem {
        Problem::error(self.at.clone(), message.into()).at_offset(at)
    }

    /// Checks the names of the settings; returns the column of `filter`.
    fn settings(&self, own: Option<&str>) -> Result<Option<usize>, Problem> {
        let mut filter = None;
        for (name, value) in self.settings.and_then(Value::as_object).into_iter().flatten() {
            if name == "filter" {
                let column = value.as_str().ok_or_else(|| self.wrong(0, "`filter` is a column's name"))?;
                let position = find(self.input, column, &format!("`{}`", self.input_name), self.at.clone())?;
                let field = &self.input.fields[position];
                if field.data_type != DataType::Boolean {
                    let message = format!("`filter` takes a boolean column, but `{column}` is {}", field.type_name());
                    return Err(self.wrong(0, message));
                }
                filter = Some(position);
            } else if Some(name.as_str()) != own {
                let known = match own {
                    Some(own) => format!("its settings: `{own}` and `filter`"),
                    None => "its setting: `filter`".to_string(),
                };
                return Err(self.wrong(0, format!("`{}` has no setting `{name}`", self.function)).help(known));
            }
        }
        Ok(filter)
    }

    fn setting(&self, name: &str) -> Option<&Value> {
        self.settings?.get(name)
    }

    fn column(&self, position: usize) -> Result<(usize, &Field), Problem> {
        let argument = &self.arguments[position];
        let column = find(self.input, &argument.column, &format!("`{}`", self.input_name), self.at.clone())
            .map_err(|problem| problem.at_offset(argument.at))?;
        Ok((column, &self.input.fields[column]))
    }

    /// Returns a column whose type is `right`; `wants` describes such a column.
    fn typed(&self, position: usize, wants: &str, right: fn(DataType) -> bool) -> Result<(usize, &Field), Problem> {
        let (column, field) = self.column(position)?;
        if right(field.data_type) {
            return Ok((column, field));
        }
        let message = format!("`{}` takes {wants}, but `{}` is {}", self.function, field.name, field.type_name());
        Err(self.wrong(self.arguments[position].at, message))
    }

    fn number(&self, position: usize) -> Result<(usize, &Field), Problem> {
        let right = |t| matches!(t, DataType::Int64 | DataType::Float64);
        self.typed(position, "an int64 or float64 column", right)
    }

    fn ordered(&self, position: usize) -> Result<(usize, &Field), Problem> {
        let right = |t| !matches!(t, DataType::Json | DataType::Bytes);
        self.typed(position, "a column that has an order", right)
    }

    fn aggregate(&self) -> Result<(Aggregate, Field), Problem> {
        let result = |field: &Field, data_type| Field { name: String::new(), data_type, nullable: field.nullable };
        let same = |field: &Field| result(field, field.data_type);
        let int = Field::new("", DataType::Int64);
        Ok(match self.function {
            "count" if self.arguments.is_empty() => (Aggregate::Count(None), int),
            "count" => (Aggregate::Count(Some(self.column(0)?.0)), int),
            "sum" => self.number(0).map(|(c, f)| (Aggregate::Sum(c), same(f)))?,
            "avg" => self.number(0).map(|(c, f)| (Aggregate::Avg(c), result(f, DataType::Float64)))?,
            "min" => self.ordered(0).map(|(c, f)| (Aggregate::Min(c), same(f)))?,
            "max" => self.ordered(0).map(|(c, f)| (Aggregate::Max(c), same(f)))?,
            "first" => self.column(0).map(|(c, f)| (Aggregate::First(c), same(f)))?,
            "last" => self.column(0).map(|(c, f)| (Aggregate::Last(c), same(f)))?,
            "distinct" => (Aggregate::Distinct(self.column(0)?.0), int),
            "approx_distinct" => (Aggregate::ApproxDistinct(self.column(0)?.0), int),
            "quantile" => {
                let q = self.setting("q").and_then(Value::as_f64).filter(|q| (0.0..=1.0).contains(q));
                let wrong =
                    || self.wrong(0, "`quantile` needs `q`, a number from 0 to 1").help("`quantile(size, q=0.95)`");
                let q = q.ok_or_else(wrong)?;
                self.number(0).map(|(column, f)| (Aggregate::Quantile { column, q }, result(f, DataType::Float64)))?
            }
            "top_k" => {
                let k = self.setting("k").and_then(Value::as_u64).filter(|k| (1..=K_MAX).contains(k));
                let wrong = || {
                    let message = format!("`top_k` needs `k`, a whole number from 1 to {K_MAX}");
                    self.wrong(0, message).help("`top_k(path, size, k=3)`")
                };
                let k = k.ok_or_else(wrong)? as u32;
                let (value, _) = self.column(0)?;
                let (by, _) = self.ordered(1)?;
                (Aggregate::TopK { value, by, k }, Field::new("", DataType::Json))
            }
            function => {
                let (value, field) = self.typed(0, "a column that is no json", |t| t != DataType::Json)?;
                let (by, of) = self.ordered(1)?;
                let nullable = field.nullable || of.nullable;
                let field = Field { nullable, ..same(field) };
                (Aggregate::ArgExtreme { value, by, greatest: function == "arg_max" }, field)
            }
        })
    }
}
