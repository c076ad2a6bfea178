//! Joins of streams and tables, and unions, in a [`JobBuilder`](super::JobBuilder).

use std::time::Duration;

use serde_json::Value;

use super::builder::{InputField, NodeSpec, millis};
use super::spec::{self, JoinType, KeyColumn};
use super::stream::DataStream;

/// A join of two streams on the columns that [`JoinedStreams::on`] sets. By default, an inner join of all rows.
///
/// ```
/// use std::time::Duration;
/// use flowgate::job::{JobBuilder, spec::FileSource};
///
/// let job = JobBuilder::new("paid");
/// let second = Duration::from_secs(1);
/// let orders = job.source(FileSource::json("orders.jsonl", [("at", "timestamp"), ("id", "int64")])).name("orders");
/// let orders = orders.event_time("at", second);
/// let paid = job.source(FileSource::json("paid.jsonl", [("at", "timestamp"), ("order", "int64")])).name("paid");
/// let paid = paid.event_time("at", second);
/// orders.join(&paid).on([("id", "order")]).left().within(Duration::ZERO, 60 * second).stream().print("out");
///
/// let job = job.build().unwrap();
/// assert_eq!(job.operators["join"].inputs, ["orders", "paid"]);
/// ```
#[derive(Debug, Clone)]
#[must_use = "`stream` returns the rows of the join"]
pub struct JoinedStreams {
    left: DataStream,
    right: DataStream,
    operator: spec::Operator,
}

/// A join of a stream with a table file.
#[derive(Debug, Clone)]
#[must_use = "`stream` returns the rows of the join"]
pub struct LookupStream {
    stream: DataStream,
    operator: spec::Operator,
}

impl DataStream {
    /// Joins this stream, as the left one, with another.
    pub fn join(&self, right: &DataStream) -> JoinedStreams {
        let operator = spec::Operator { join: Some(JoinType::Inner), ..Default::default() };
        JoinedStreams { left: self.clone(), right: right.clone(), operator }
    }

    /// Joins this stream with a table that is read again when its file changes.
    pub fn lookup(&self, table: spec::LookupTable) -> LookupStream {
        let operator = spec::Operator { join: Some(JoinType::Inner), lookup: Some(table), ..Default::default() };
        LookupStream { stream: self.clone(), operator }
    }

    /// Unites the rows of this stream and of others, which have the same columns.
    pub fn union<'a>(&self, others: impl IntoIterator<Item = &'a DataStream>) -> DataStream {
        let others = others.into_iter().map(|stream| stream.upstream.clone());
        let all = std::iter::once(self.upstream.clone()).chain(others).collect();
        self.job.add_node("union", NodeSpec::Operator(spec::Operator::default()), all, InputField::Union)
    }
}

impl JoinedStreams {
    /// Sets the columns that must be equal: names, or pairs of names that differ.
    pub fn on(mut self, key: impl IntoIterator<Item = impl Into<KeyColumn>>) -> Self {
        self.operator.key = Some(key.into_iter().map(Into::into).collect());
        self
    }

    fn join_type(mut self, join: JoinType) -> Self {
        self.operator.join = Some(join);
        self
    }

    /// Emits pairs.
    pub fn inner(self) -> Self {
        self.join_type(JoinType::Inner)
    }

    /// Emits pairs, and the left rows without a pair.
    pub fn left(self) -> Self {
        self.join_type(JoinType::Left)
    }

    /// Emits pairs, and the right rows without a pair.
    pub fn right(self) -> Self {
        self.join_type(JoinType::Right)
    }

    /// Emits pairs, and the rows of both sides without a pair.
    pub fn full(self) -> Self {
        self.join_type(JoinType::Full)
    }

    /// Emits left rows that have a pair, once each.
    pub fn semi(self) -> Self {
        self.join_type(JoinType::Semi)
    }

    /// Emits left rows that have no pair.
    pub fn anti(self) -> Self {
        self.join_type(JoinType::Anti)
    }

    /// Matches right rows from `before` before the left row's event time to `after` after it.
    pub fn within(mut self, before: Duration, after: Duration) -> Self {
        self.operator.within = Some(spec::Within { before: Some(millis(before)), after: Some(millis(after)) });
        self
    }

    /// Matches rows within windows of this size that follow one another.
    pub fn tumbling(mut self, size: Duration) -> Self {
        self.operator.window = Some(spec::Window { tumbling: Some(millis(size).into()), ..Default::default() });
        self
    }

    /// Matches rows within windows of this size that overlap, one for each `every`.
    pub fn sliding(mut self, size: Duration, every: Duration) -> Self {
        let (sliding, every) = (Some(millis(size).into()), Some(millis(every).into()));
        self.operator.window = Some(spec::Window { sliding, every, ..Default::default() });
        self
    }

    /// Assigns rows to windows by the time at which they reach their source.
    pub fn processing_time(mut self) -> Self {
        if let Some(window) = &mut self.operator.window {
            window.time = Some(spec::WindowTime::Processing);
        }
        self
    }

    /// Sets how long after its end a window accepts further rows and emits their pairs.
    pub fn allowed_lateness(mut self, lateness: Duration) -> Self {
        self.operator.allowed_lateness = Some(millis(lateness));
        self
    }

    /// Sets how long a join of all rows keeps a row.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.operator.ttl = Some(millis(ttl));
        self
    }

    /// Sets a plugin's join function, which makes the results of pairs.
    pub fn function(mut self, plugin: impl Into<String>, function: impl Into<String>) -> Self {
        self.operator.plugin = Some(plugin.into());
        self.operator.function = Some(function.into());
        self
    }

    /// Sets the function's config.
    pub fn config(mut self, config: Value) -> Self {
        self.operator.config = Some(config);
        self
    }

    /// Sets what happens to pairs that the function fails.
    pub fn on_error(mut self, on_error: spec::OnError) -> Self {
        self.operator.on_error = Some(on_error);
        self
    }

    /// The rows of the join.
    pub fn stream(self) -> DataStream {
        let inputs = vec![self.left.upstream.clone(), self.right.upstream];
        self.left.job.add_node("join", NodeSpec::Operator(self.operator), inputs, InputField::Inputs)
    }
}

impl LookupStream {
    /// Sets the columns that must be equal: names, or pairs of names that differ, the stream's first.
    pub fn on(mut self, key: impl IntoIterator<Item = impl Into<KeyColumn>>) -> Self {
        self.operator.key = Some(key.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the rows that the join emits: inner, left, semi or anti.
    pub fn rows(mut self, join: JoinType) -> Self {
        self.operator.join = Some(join);
        self
    }

    /// The rows of the join.
    pub fn stream(self) -> DataStream {
        self.stream.job.add("lookup", NodeSpec::Operator(self.operator), Some(self.stream.upstream.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobBuilder;
    use crate::job::fake::same_graph;

    /// Goal: both ways of writing joins lead to the same graph.
    #[test]
    fn the_builder_and_the_job_file_make_the_same_graph() {
        let yaml = r#"
job: joins
sources:
  orders: { file: { path: orders.csv, format: csv, columns: { at: timestamp, user: text, id: int64 } }, event_time: { column: at, max_out_of_orderness: 1s } }
  paid: { file: { path: paid.csv, format: csv, columns: { at: timestamp, user: text, order: int64 } }, event_time: { column: at, max_out_of_orderness: 1s } }
operators:
  join: { inputs: [orders, paid], key: [user, { left: id, right: order }], join: left, within: { before: 0s, after: 60s } }
  join_2: { inputs: [orders, paid], key: [user], join: semi, window: { sliding: 10s, every: 5s, time: processing } }
  join_3: { inputs: [orders, paid], key: [user], join: inner, window: { tumbling: 10s }, allowed_lateness: 5s, plugin: text, function: pairs, on_error: fail }
  join_4: { inputs: [orders, paid], key: [user], join: inner, ttl: 60s }
  lookup: { input: orders, key: [{ left: user, right: name }], join: anti, lookup: { path: users.csv, format: csv, columns: { name: text, since: timestamp? } } }
  union: { union: [join_2, orders] }
sinks:
  a: { input: join, blackhole: {} }
  b: { input: join_3, blackhole: {} }
  c: { input: join_4, blackhole: {} }
  d: { input: lookup, blackhole: {} }
  e: { input: union, blackhole: {} }
  f: { input: join.late_right, blackhole: {} }
"#;
        let second = Duration::from_secs(1);
        let built = JobBuilder::new("joins");
        let source = |name: &str, id: &str| {
            let columns = [("at", "timestamp"), ("user", "text"), (id, "int64")];
            built.source(spec::FileSource::csv(format!("{name}.csv"), columns)).name(name).event_time("at", second)
        };
        let (orders, paid) = (source("orders", "id"), source("paid", "order"));
        let key: [KeyColumn; 2] = ["user".into(), ("id", "order").into()];
        let within = orders.join(&paid).on(key).left().within(Duration::ZERO, 60 * second).stream();
        let semi = orders.join(&paid).on(["user"]).semi().sliding(10 * second, 5 * second).processing_time().stream();
        let windows = orders.join(&paid).on(["user"]).tumbling(10 * second).allowed_lateness(5 * second);
        let pairs = windows.function("text", "pairs").on_error(spec::OnError::Fail).stream();
        let all = orders.join(&paid).on(["user"]).ttl(60 * second).stream();
        let users = spec::LookupTable::csv("users.csv", [("name", "text"), ("since", "timestamp?")]);
        let unknown = orders.lookup(users).on([("user", "name")]).rows(JoinType::Anti).stream();
        within.discard("a");
        pairs.discard("b");
        all.discard("c");
        unknown.discard("d");
        semi.union([&orders]).discard("e");
        within.side_output("late_right").discard("f");

        let graph = same_graph(&built, yaml);
        let columns = |name: &str, output: usize| {
            let node = graph.nodes.iter().find(|node| node.name == name).unwrap();
            node.outputs[output].schema.to_string()
        };
        assert_eq!(columns("join", 0), "at: timestamp, user: text, id: int64, right_at: timestamp?, order: int64?");
        assert_eq!(columns("join", 3), columns("paid", 0));
        assert_eq!(columns("join_2", 0), columns("orders", 0));
        assert_eq!(columns("lookup", 0), columns("orders", 0));
        assert!(columns("join_4", 0).ends_with("right_at: timestamp, order: int64"));
    }
}
