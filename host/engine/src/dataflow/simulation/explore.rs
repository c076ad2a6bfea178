//! Exploration of the orders in which messages can arrive.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;

use super::script::{self, Script, SplitScript};
use super::stage::{self, Continued, Ran, Seen};
use crate::dataflow::batch::Batch;
use crate::dataflow::build::Opened;
use crate::dataflow::engine::Route;
use crate::dataflow::message::{Envelope, Message};
use crate::dataflow::watermark::{Activity, Merge, Signal};
use crate::dataflow::worker::open;
use crate::job::check::{Surroundings, check};
use crate::job::graph::{JobGraph, NodeKind};
use crate::job::load::{Document, Language, load};
use flowgate_base::error::Result;
use flowgate_base::id::Worker;
use flowgate_base::schema::Schema;
use flowgate_base::time::EventTime;
use flowgate_connect::blackhole::Blackhole;
use flowgate_connect::encode::json_row;
use flowgate_wall::{Limits, Plugins};

/// One possible course of a job: what operators have done so far, by operator and worker.
type Course = Vec<Vec<Rc<Ran>>>;

/// The bounds of an exploration.
#[derive(Debug, Clone, Copy)]
pub(in crate::dataflow) struct Bounds {
    /// Kinds of orders of arrival that are tried at one operator; if there are more, this number is drawn.
    pub(in crate::dataflow) orders_max: usize,
    /// Courses that are followed; if there are more, this number is drawn.
    pub(in crate::dataflow) courses_max: usize,
    /// The seed of the draws.
    pub(in crate::dataflow) seed: u64,
}

/// A job that is simulated.
pub(in crate::dataflow) struct Simulated {
    graph: JobGraph,
    opened: Opened,
    operators: Vec<Seen>,
    /// The checkpoint from which it continues.
    continued: Option<Arc<Continued>>,
    plugins: Plugins,
    /// The job with the functions that are swapped in at the boundary.
    swapped: Option<JobGraph>,
}

/// The scripts of the splits of sources, by source and worker.
pub(in crate::dataflow) type Scripts<'a> = BTreeMap<&'a str, Vec<Vec<SplitScript>>>;

/// A course up to the boundary of its checkpoint.
pub(in crate::dataflow) struct UpToBoundary {
    /// The rows of each sink before the boundary.
    pub(in crate::dataflow) rows: BTreeMap<String, Vec<String>>,
    /// The checkpoint.
    pub(in crate::dataflow) checkpoint: Arc<Continued>,
}

/// The results of all courses.
#[derive(Debug, Default)]
pub(in crate::dataflow) struct Outcomes {
    /// The rows of each sink, sorted; each different result once.
    pub(in crate::dataflow) rows: BTreeSet<BTreeMap<String, Vec<String>>>,
    /// The number of orders of arrival that were tried.
    pub(in crate::dataflow) orders: usize,
    /// Whether all orders and courses were tried.
    pub(in crate::dataflow) all: bool,
}

impl Simulated {
    /// Checks a job and opens it. Its sources follow scripts, whatever their connectors are. Sinks are blackholes.
    pub(in crate::dataflow) fn new(text: &str, parallelism: usize, base: &Path) -> Self {
        let (name, language) = ("job.yaml".into(), Language::Yaml);
        let loaded = load(Document { name, text: text.into(), language, base: base.into() }, &[], &|_| None);
        assert!(loaded.problems.is_empty(), "{}", loaded.report(&[], false));
        let mut plugins = Plugins::new(Limits::default()).unwrap();
        let around = Surroundings { base: base.into(), ..Surroundings::default() };
        let mut graph = check(&loaded.job.unwrap(), &around, &mut plugins).unwrap().graph;
        graph.parallelism = parallelism;
        let opened = open(&graph, &plugins, &mut |_, _, _| Ok(Box::new(Blackhole)), None, None).unwrap();
        let operators = stage::operators(&graph, &opened);
        Simulated { graph, opened, operators, continued: None, plugins, swapped: None }
    }

    /// Swaps in the functions of another version of the job at the boundary.
    pub(in crate::dataflow) fn swapping(self, to: &Simulated) -> Self {
        Simulated { swapped: Some(to.graph.clone()), ..self }
    }

    /// Lets the job continue from a checkpoint.
    pub(in crate::dataflow) fn continuing(self, checkpoint: &Arc<Continued>) -> Self {
        Simulated { continued: Some(Arc::clone(checkpoint)), ..self }
    }

    /// Returns the rows of the sinks in every course, within bounds. `scripts`: by source, one for each worker.
    ///
    /// # Panics
    /// An invariant of the protocol of time, or of boundaries, does not hold on a channel.
    pub(in crate::dataflow) fn explore(&self, scripts: &BTreeMap<&str, Vec<Script>>, bounds: Bounds) -> Outcomes {
        let split = |acts: &Script| vec![SplitScript { acts: acts.clone(), ..SplitScript::default() }];
        let splits = scripts.iter().map(|(name, scripts)| (*name, scripts.iter().map(split).collect()));
        self.explore_splits(&splits.collect(), bounds)
    }

    /// Does the same for sources of any number of splits.
    pub(in crate::dataflow) fn explore_splits(&self, scripts: &Scripts<'_>, bounds: Bounds) -> Outcomes {
        let mut outcomes = Outcomes { all: true, ..Outcomes::default() };
        for course in &self.courses(scripts, bounds, &mut outcomes) {
            outcomes.rows.insert(self.rows(course, false).expect("rows can be written"));
        }
        outcomes
    }

    /// Returns every course up to the boundary.
    pub(in crate::dataflow) fn up_to_boundary(&self, scripts: &Scripts<'_>, bounds: Bounds) -> Vec<UpToBoundary> {
        let courses = self.courses(scripts, bounds, &mut Outcomes { all: true, ..Outcomes::default() });
        let of = |course: &Course| {
            let mut checkpoint = Continued::default();
            for (operator, ran) in self.operators.iter().zip(course) {
                let snapshots = ran.iter().filter_map(|ran| ran.snapshot.clone()).collect();
                checkpoint.0.insert(operator.name.clone(), snapshots);
            }
            let rows = self.rows(course, true).expect("rows can be written");
            UpToBoundary { rows, checkpoint: Arc::new(checkpoint) }
        };
        courses.iter().map(of).collect()
    }

    fn courses(&self, scripts: &Scripts<'_>, bounds: Bounds, outcomes: &mut Outcomes) -> Vec<Course> {
        let mut random = Random(bounds.seed | 1);
        let mut courses: Vec<Course> = vec![Vec::new()];
        for (number, operator) in self.operators.iter().enumerate() {
            courses.iter_mut().for_each(|course| course.push(Vec::new()));
            for worker in self.workers() {
                let mut further: BTreeMap<String, Course> = BTreeMap::new();
                // Many courses do not differ in the messages for this operator.
                let mut known: HashMap<String, Vec<Rc<Ran>>> = HashMap::new();
                for course in &courses {
                    let channels = self.channels(operator, worker, course);
                    let arriving: Vec<String> = channels.iter().map(|(_, messages)| text_of(messages)).collect();
                    let sent = known.entry(arriving.join("\n")).or_insert_with(|| {
                        let at = (number, worker);
                        let ran = self.of(at, &channels, scripts, bounds, &mut random, outcomes);
                        ran.into_iter().inspect(|ran| self.check_channels(operator, &ran.sent)).map(Rc::new).collect()
                    });
                    for sent in sent.iter() {
                        let mut course = course.clone();
                        course[number].push(Rc::clone(sent));
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
        courses
    }

    fn workers(&self) -> impl Iterator<Item = Worker> {
        (0..self.graph.parallelism as u32).map(Worker)
    }

    /// Returns the different things that an operator can do on a worker.
    fn of(
        &self,
        (number, worker): (usize, Worker),
        channels: &[Channel],
        scripts: &Scripts<'_>,
        bounds: Bounds,
        random: &mut Random,
        outcomes: &mut Outcomes,
    ) -> Vec<Ran> {
        let operator = &self.operators[number];
        if let Some(node) = operator.source {
            let NodeKind::Source(spec) = &self.graph.node(node).kind else { unreachable!("a source") };
            let schema = &self.graph.node(node).outputs[0].schema;
            let script = &scripts[operator.name.as_str()][worker.index()];
            let sent = script::messages(script, schema, spec.event_time.as_ref(), worker);
            return vec![Ran { sent, snapshot: None }];
        }
        let (orders, all) = orders(channels, bounds.orders_max, random);
        outcomes.all &= all;
        outcomes.orders += orders.len();
        let mut different = BTreeMap::new();
        for order in orders {
            let mut next = vec![0; channels.len()];
            let arriving = order.into_iter().map(|channel| {
                let (input, messages) = &channels[channel];
                next[channel] += 1;
                (*input, messages[next[channel] - 1].clone())
            });
            let continued = self.continued.as_ref();
            let swap = self.swapped.as_ref().map(|graph| (graph, &self.plugins));
            let ran = stage::run(&self.graph, &self.opened, (number, worker), (continued, swap), arriving);
            different.entry(text_of_run(&ran)).or_insert(ran);
        }
        different.into_values().collect()
    }

    /// Returns the channels to an operator on a worker.
    fn channels(&self, operator: &Seen, worker: Worker, course: &Course) -> Vec<Channel> {
        let mut channels = Vec::new();
        for (input, ((from, output), route)) in operator.inputs.iter().enumerate() {
            let sent = |sender: Worker| course[*from][sender.index()].sent[*output].iter();
            match route {
                Route::Local => channels.push((input, sent(worker).cloned().collect())),
                Route::Addressed => {
                    let to_me = |sender| sent(sender).filter(|envelope| envelope.to == worker).cloned().collect();
                    channels.extend(self.workers().map(|sender| (input, to_me(sender))));
                }
            }
        }
        channels
    }

    /// Checks T1, T3, T4, T5 and C2 on each channel from an operator.
    fn check_channels(&self, operator: &Seen, sent: &[Vec<Envelope>]) {
        // These make rows; others forward rows, which may have been late already.
        let makes = |kind: &NodeKind| match kind {
            NodeKind::Window(spec) => !spec.marks_results,
            NodeKind::Join(_) => true,
            _ => false,
        };
        let node = self.graph.nodes.iter().find(|node| node.name == operator.name);
        let makes_rows = node.is_some_and(|node| makes(&node.kind));
        for (output, (route, sent)) in operator.outputs.iter().zip(sent).enumerate() {
            let receivers = if *route == Route::Addressed { self.graph.parallelism } else { 1 };
            for to in self.workers().take(receivers) {
                let (mut last, mut boundaries) = (Signal::START, 0);
                for envelope in sent.iter().filter(|envelope| receivers == 1 || envelope.to == to) {
                    let at = format!("`{}` output {output}: {}", operator.name, text_of(sent));
                    assert!(!last.is_end(), "T5: behind the end: {at}");
                    match &envelope.message {
                        Message::Boundary(_) => boundaries += 1,
                        Message::Signal(signal) => {
                            assert!(signal.watermark >= last.watermark, "T1: {at}");
                            last = *signal;
                        }
                        Message::Batch(batch) => {
                            assert_eq!(last.activity, Activity::Active, "T4: {at}");
                            if makes_rows && output == 0 {
                                let behind = times(batch).into_iter().any(|time| time <= last.watermark.0);
                                assert!(!behind, "T3: {at}");
                            }
                        }
                        Message::Control(_) => {}
                    }
                }
                assert!(last.is_end(), "T5: `{}` has not ended", operator.name);
                assert!(boundaries <= 1, "C2: `{}` has sent a boundary twice", operator.name);
            }
        }
    }

    /// Returns the rows of each sink, or those before the boundary, sorted.
    fn rows(&self, course: &Course, before_boundary: bool) -> Result<BTreeMap<String, Vec<String>>> {
        let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for node in self.graph.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Sink(_))) {
            let schema: &Schema = &self.graph.node(node.inputs[0].node).outputs[node.inputs[0].output].schema;
            let of = rows.entry(node.name.clone()).or_default();
            let number = self.operators.iter().position(|operator| operator.name == node.name).expect("it was built");
            let is_before =
                |envelope: &&Envelope| !(before_boundary && matches!(envelope.message, Message::Boundary(_)));
            for envelope in course[number].iter().flat_map(|ran| ran.sent[0].iter().take_while(is_before)) {
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

/// Returns a text that identifies a sequence of messages.
fn text_of(messages: &[Envelope]) -> String {
    let text = |envelope: &Envelope| match &envelope.message {
        Message::Signal(signal) => format!("[{:?} {}]", signal.activity, signal.watermark),
        Message::Boundary(boundary) => format!("{boundary:?}"),
        Message::Batch(batch) => {
            let columns = batch.gather().expect("columns can be read");
            let rows = columns.iter().map(|column| format!("{column:?}").split_whitespace().collect::<String>());
            format!("{}{:?}", rows.collect::<Vec<_>>().join("|"), times(batch))
        }
        Message::Control(control) => format!("{control:?}"),
    };
    messages.iter().map(|envelope| format!("{}:{}", envelope.to.0, text(envelope))).collect::<Vec<_>>().join(" ")
}

fn text_of_run(ran: &Ran) -> String {
    let sent: Vec<String> = ran.sent.iter().map(|sent| text_of(sent)).collect();
    format!("{}\n{:?}", sent.join("\n"), ran.snapshot)
}

fn fingerprint(course: &Course) -> String {
    course.iter().flatten().map(|ran| text_of_run(ran)).collect::<Vec<_>>().join("\n")
}

/// A channel: the input at which it arrives, and its messages in order.
type Channel = (usize, Vec<Envelope>);

/// The beginning of an order of arrival.
#[derive(Clone)]
struct Prefix {
    /// The number of messages that have arrived, by channel.
    arrived: Vec<usize>,
    /// The calls of the operator: for rows, by channel and position, and for merged signals.
    calls: Vec<(usize, usize, Signal)>,
    merge: Merge,
    /// The channels, in the order in which messages arrived.
    order: Vec<usize>,
}

/// Returns orders of arrival, one of each kind, and whether these are all kinds; of more than `orders_max`, some are drawn.
/// Orders are of one kind if the operator has the same calls in the same order: it does not receive a signal that changes
/// nothing.
fn orders(channels: &[Channel], orders_max: usize, random: &mut Random) -> (Vec<Vec<usize>>, bool) {
    let total: usize = channels.iter().map(|(_, messages)| messages.len()).sum();
    let merge = Merge::new(channels.len());
    let mut prefixes = vec![Prefix { arrived: vec![0; channels.len()], calls: Vec::new(), merge, order: Vec::new() }];
    let mut all = true;
    for _ in 0..total {
        let mut further: HashMap<_, Prefix> = HashMap::new();
        for prefix in &prefixes {
            for (channel, (_, messages)) in channels.iter().enumerate() {
                let at = prefix.arrived[channel];
                let Some(envelope) = messages.get(at) else { continue };
                let mut next = prefix.clone();
                match &envelope.message {
                    Message::Signal(signal) => {
                        let merged = next.merge.receive(channel, *signal);
                        next.calls.extend(merged.map(|merged| (usize::MAX, 0, merged)));
                    }
                    Message::Batch(_) | Message::Boundary(_) | Message::Control(_) => {
                        next.calls.push((channel, at, Signal::START))
                    }
                }
                next.arrived[channel] += 1;
                next.order.push(channel);
                further.entry((next.arrived.clone(), next.calls.clone())).or_insert(next);
            }
        }
        prefixes = further.into_values().collect();
        prefixes.sort_unstable_by(|a, b| a.order.cmp(&b.order));
        while prefixes.len() > orders_max {
            all = false;
            prefixes.swap_remove(random.below(prefixes.len()));
        }
    }
    (prefixes.into_iter().map(|prefix| prefix.order).collect(), all)
}

/// A generator of pseudo-random numbers, the same in every run: xorshift64 (Marsaglia, "Xorshift RNGs", 2003).
pub(in crate::dataflow) struct Random(pub u64);

impl Random {
    /// Returns a number below `end`, which is not 0.
    pub(in crate::dataflow) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

#[test]
fn orders_with_the_same_calls_are_one() {
    let signal = |from: Worker, signal: Signal| Envelope::new(from, Worker(0), Message::Signal(signal));
    let rows = |from: Worker| Envelope::new(from, Worker(0), Message::Batch(Batch::new(vec![], 1)));
    let channel = |from: Worker| {
        let (watermark, end) = (signal(from, Signal::active(EventTime(5))), signal(from, Signal::ended(EventTime(5))));
        (0, vec![rows(from), watermark, end])
    };
    let channels = [channel(Worker(0)), channel(Worker(1))];
    // The rows of one or of the other first, and the second's rows before or after the end of the first: the merged watermark
    // advances when both have sent theirs.
    let (kinds, all) = orders(&channels, 100, &mut Random(1));
    assert_eq!((kinds.len(), all), (2, true));
    assert!(!orders(&channels, 1, &mut Random(1)).1);
}
