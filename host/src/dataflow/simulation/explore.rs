//! Goes through the orders in which messages can arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;

use super::script::{self, Script};
use super::stage::{self, Seen};
use crate::connector::encode::json_row;
use crate::dataflow::batch::Batch;
use crate::dataflow::build::Opened;
use crate::dataflow::engine::Route;
use crate::dataflow::message::{Envelope, Message};
use crate::dataflow::watermark::{Activity, Signal};
use crate::dataflow::worker::open;
use crate::error::Result;
use crate::job::check::{Surroundings, check};
use crate::job::graph::{JobGraph, NodeKind};
use crate::job::load::{Document, Language, load};
use crate::plugin::{Limits, Plugins};
use crate::schema::Schema;

/// What an operator sent on a worker, by output.
type Sent = Rc<Vec<Vec<Envelope>>>;

/// What was sent so far, by operator and worker: one of the courses that things can take.
type Course = Vec<Vec<Sent>>;

/// How far to go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Orders of arrival at one operator that are all tried; of more, as many are drawn.
    pub(super) orders_max: usize,
    /// Courses that are followed; of more, as many are drawn.
    pub(super) courses_max: usize,
    /// What draws.
    pub(super) seed: u64,
}

/// A job that is simulated.
pub(super) struct Simulated {
    graph: JobGraph,
    opened: Opened,
    operators: Vec<Seen>,
}

/// What came out, over all courses.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    /// The rows of each sink, sorted; each course's once.
    pub(super) rows: BTreeSet<BTreeMap<String, Vec<String>>>,
    /// Orders of arrival that were tried.
    pub(super) orders: usize,
    /// Whether these were all that there are.
    pub(super) all: bool,
}

impl Simulated {
    /// Checks a job and opens it. Its sources follow scripts; their connectors do not matter. Sinks are blackholes.
    pub(super) fn new(text: &str, parallelism: usize, base: &Path) -> Self {
        let (name, language) = ("job.yaml".into(), Language::Yaml);
        let loaded = load(Document { name, text: text.into(), language, base: base.into() }, &[], &|_| None);
        assert!(loaded.problems.is_empty(), "{}", loaded.report(&[], false));
        let mut plugins = Plugins::new(Limits::default()).unwrap();
        let around = Surroundings { base: base.into(), ..Surroundings::default() };
        let mut graph = check(&loaded.job.unwrap(), &around, &mut plugins).unwrap().graph;
        graph.parallelism = parallelism;
        let opened = open(&graph, &plugins, &mut |_, _| unreachable!("a blackhole is not opened")).unwrap();
        let operators = stage::operators(&graph, &opened);
        Simulated { graph, opened, operators }
    }

    /// The rows of the sinks, in every course that things can take, within bounds. `scripts`: by source, one for each worker.
    ///
    /// # Panics
    /// Where an invariant of the protocol of time does not hold on a channel.
    pub(super) fn explore(&self, scripts: &BTreeMap<&str, Vec<Script>>, bounds: Bounds) -> Outcomes {
        let mut outcomes = Outcomes { all: true, ..Outcomes::default() };
        let mut random = Random(bounds.seed | 1);
        let mut courses: Vec<Course> = vec![Vec::new()];
        for (number, operator) in self.operators.iter().enumerate() {
            courses.iter_mut().for_each(|course| course.push(Vec::new()));
            for worker in 0..self.graph.parallelism {
                let mut further: BTreeMap<String, Course> = BTreeMap::new();
                for course in &courses {
                    for sent in self.of(number, worker, course, scripts, bounds, &mut random, &mut outcomes) {
                        self.check_channels(operator, &sent);
                        let mut course = course.clone();
                        course[number].push(Rc::new(sent));
                        further.insert(fingerprint(&course), course);
                    }
                }
                courses = further.into_values().collect();
                while courses.len() > bounds.courses_max {
                    outcomes.all = false;
                    courses.swap_remove(random.below(courses.len()));
                }
            }
        }
        for course in &courses {
            outcomes.rows.insert(self.rows(course).expect("rows can be written"));
        }
        outcomes
    }

    /// What an operator may send on a worker.
    #[allow(clippy::too_many_arguments)] // One caller.
    fn of(
        &self,
        number: usize,
        worker: usize,
        course: &Course,
        scripts: &BTreeMap<&str, Vec<Script>>,
        bounds: Bounds,
        random: &mut Random,
        outcomes: &mut Outcomes,
    ) -> Vec<Vec<Vec<Envelope>>> {
        let operator = &self.operators[number];
        if let Some(node) = operator.source {
            let NodeKind::Source(spec) = &self.graph.nodes[node].kind else { unreachable!("a source") };
            let schema = &self.graph.nodes[node].outputs[0].schema;
            let script = &scripts[operator.name.as_str()][worker];
            return vec![script::messages(script, schema, spec.event_time.as_ref(), worker)];
        }
        let channels = self.channels(operator, worker, course);
        let lengths: Vec<usize> = channels.iter().map(|(_, messages)| messages.len()).collect();
        let orders = match orders(&lengths, bounds.orders_max) {
            Some(all) => all,
            None => {
                outcomes.all = false;
                (0..bounds.orders_max).map(|_| random.order(&lengths)).collect()
            }
        };
        outcomes.orders += orders.len();
        let mut different = BTreeMap::new();
        for order in orders {
            let mut next = vec![0; channels.len()];
            let arriving = order.into_iter().map(|channel| {
                let (input, messages) = &channels[channel];
                next[channel] += 1;
                (*input, messages[next[channel] - 1].clone())
            });
            let sent = stage::run(&self.graph, &self.opened, (number, worker), arriving);
            different.entry(sent.iter().map(|sent| text_of(sent)).collect::<Vec<_>>()).or_insert(sent);
        }
        different.into_values().collect()
    }

    /// What comes to an operator on a worker: for each channel its input, and its messages in order.
    fn channels(&self, operator: &Seen, worker: usize, course: &Course) -> Vec<(usize, Vec<Envelope>)> {
        let mut channels = Vec::new();
        for (input, ((from, output), route)) in operator.inputs.iter().enumerate() {
            let sent = |sender: usize| course[*from][sender][*output].iter();
            match route {
                Route::Local => channels.push((input, sent(worker).cloned().collect())),
                Route::Addressed => {
                    let to_me =
                        |sender| sent(sender).filter(|envelope| envelope.to as usize == worker).cloned().collect();
                    channels.extend((0..self.graph.parallelism).map(|sender| (input, to_me(sender))));
                }
            }
        }
        channels
    }

    /// T1, T3, T4 and T5, on each channel of what an operator has sent.
    fn check_channels(&self, operator: &Seen, sent: &[Vec<Envelope>]) {
        // These make rows; others pass rows on, which may have been late already.
        let makes = |kind: &NodeKind| match kind {
            NodeKind::Window(spec) => !spec.marks_results,
            NodeKind::Join(_) => true,
            _ => false,
        };
        let node = self.graph.nodes.iter().find(|node| node.name == operator.name);
        let makes_rows = node.is_some_and(|node| makes(&node.kind));
        for (output, (route, sent)) in operator.outputs.iter().zip(sent).enumerate() {
            let receivers = if *route == Route::Addressed { self.graph.parallelism } else { 1 };
            for to in 0..receivers {
                let mut last = Signal::START;
                for envelope in sent.iter().filter(|envelope| receivers == 1 || envelope.to as usize == to) {
                    let at = format!("`{}` output {output}: {}", operator.name, text_of(sent));
                    assert!(!last.is_end(), "T5: behind the end: {at}");
                    match &envelope.message {
                        Message::Signal { signal, .. } => {
                            assert!(signal.watermark >= last.watermark, "T1: {at}");
                            last = *signal;
                        }
                        Message::Batch(batch) => {
                            assert_eq!(last.activity, Activity::Active, "T4: {at}");
                            if makes_rows && output == 0 {
                                let behind = times(batch).into_iter().any(|time| time <= last.watermark);
                                assert!(!behind, "T3: {at}");
                            }
                        }
                        Message::Control(_) => {}
                    }
                }
                assert!(last.is_end(), "T5: `{}` has not ended", operator.name);
            }
        }
    }

    /// The rows of each sink, sorted.
    fn rows(&self, course: &Course) -> Result<BTreeMap<String, Vec<String>>> {
        let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for node in self.graph.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Sink(_))) {
            let schema: &Schema = &self.graph.nodes[node.inputs[0].node.0].outputs[node.inputs[0].output].schema;
            let of = rows.entry(node.name.clone()).or_default();
            let number = self.operators.iter().position(|operator| operator.name == node.name).expect("it was built");
            for envelope in course[number].iter().flat_map(|sent| &sent[0]) {
                if let Message::Batch(batch) = &envelope.message {
                    let columns = batch.gather()?;
                    of.extend((0..batch.row_count()).map(|row| json_row(schema, &columns, row)));
                }
            }
            of.sort_unstable();
        }
        Ok(rows)
    }
}

fn times(batch: &Batch) -> Vec<i64> {
    let times = batch.event_time().map(|times| times.gather().expect("it can be read"));
    times.map_or_else(Vec::new, |times| times.as_primitive::<TimestampMillisecondType>().values().to_vec())
}

/// What tells sequences of messages apart.
fn text_of(messages: &[Envelope]) -> String {
    let text = |envelope: &Envelope| match &envelope.message {
        Message::Signal { signal, .. } => format!("[{:?} {}]", signal.activity, signal.watermark),
        Message::Batch(batch) => {
            let columns = batch.gather().expect("columns can be read");
            let rows = columns.iter().map(|column| format!("{column:?}").split_whitespace().collect::<String>());
            format!("{}{:?}", rows.collect::<Vec<_>>().join("|"), times(batch))
        }
        Message::Control(control) => format!("{control:?}"),
    };
    messages.iter().map(|envelope| format!("{}:{}", envelope.to, text(envelope))).collect::<Vec<_>>().join(" ")
}

fn fingerprint(course: &Course) -> String {
    let sent = course.iter().flatten().flat_map(|sent| sent.iter());
    sent.map(|sent| text_of(sent)).collect::<Vec<_>>().join("\n")
}

/// All ways to take from queues of these lengths, each a sequence of queues; `None` where there are more than `most`.
fn orders(lengths: &[usize], most: usize) -> Option<Vec<Vec<usize>>> {
    let mut count = 1.0;
    let mut total = 0;
    for length in lengths {
        for place in 1..=*length {
            total += 1;
            count *= f64::from(total) / place as f64;
        }
    }
    if count > most as f64 + 0.5 {
        return None;
    }
    let mut all = Vec::new();
    let mut left = lengths.to_vec();
    extend(&mut left, &mut Vec::new(), &mut all);
    Some(all)
}

fn extend(left: &mut [usize], order: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
    if left.iter().all(|length| *length == 0) {
        return all.push(order.clone());
    }
    for queue in 0..left.len() {
        if left[queue] > 0 {
            left[queue] -= 1;
            order.push(queue);
            extend(left, order, all);
            order.pop();
            left[queue] += 1;
        }
    }
}

/// A generator of numbers that are the same in every run: xorshift64 (Marsaglia, "Xorshift RNGs", 2003).
pub(super) struct Random(pub u64);

impl Random {
    /// A number below this one, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    /// A way to take from queues of these lengths. Queues differ in how fast they are.
    fn order(&mut self, lengths: &[usize]) -> Vec<usize> {
        let weights: Vec<usize> = lengths.iter().map(|_| 1 << self.below(6)).collect();
        let mut left = lengths.to_vec();
        let mut order = Vec::new();
        loop {
            let total: usize = left.iter().zip(&weights).filter(|(left, _)| **left > 0).map(|(_, weight)| weight).sum();
            if total == 0 {
                return order;
            }
            let mut at = self.below(total);
            for queue in 0..left.len() {
                if left[queue] == 0 {
                    continue;
                }
                if at < weights[queue] {
                    left[queue] -= 1;
                    order.push(queue);
                    break;
                }
                at -= weights[queue];
            }
        }
    }
}

#[test]
fn all_orders_are_found_or_too_many() {
    assert_eq!(orders(&[2, 1], 3), Some(vec![vec![0, 0, 1], vec![0, 1, 0], vec![1, 0, 0]]));
    assert_eq!(orders(&[2, 1], 2), None);
    assert_eq!(orders(&[5, 5], 1_000).map(|all| all.len()), Some(252));
    let mut random = Random(1);
    assert!((0..100).all(|_| {
        let order = random.order(&[2, 0, 3]);
        [0, 1, 2].map(|queue| order.iter().filter(|q| **q == queue).count()) == [2, 0, 3]
    }));
}
