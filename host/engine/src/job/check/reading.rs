//! Names, inputs, and an order in which inputs come before their readers.

use std::collections::{BTreeMap, BTreeSet};

use crate::job::problem::{At, Problem, suggestion};
use crate::job::spec::Job;

/// The name of an input of an operator or a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InputName<'a> {
    /// The source or operator.
    pub(super) name: &'a str,
    /// Its side output; empty for the main output.
    pub(super) side: &'a str,
}

impl<'a> InputName<'a> {
    /// Splits an input such as `requests` or `requests.errors`.
    pub(super) fn parse(input: &'a str) -> InputName<'a> {
        let (name, side) = input.split_once('.').unwrap_or((input, ""));
        InputName { name, side }
    }
}

/// Whether a name is valid: letters, digits, `-` and `_`, 1 to 64 of them.
pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

const NAME_RULE: &str = "a name has letters, digits, `-` and `_`, 1 to 64 of them";

/// Checks that all names are valid and unique. Sinks too have unique names, so that messages, metrics and checkpoints can name
/// a part of the job by one word.
pub(super) fn check_names(job: &Job, problems: &mut Vec<Problem>) {
    if !is_name(&job.job) {
        problems.push(Problem::error(At::job().field("job"), format!("`{}` is not a name", job.job)).help(NAME_RULE));
    }
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let sections = [
        ("sources", job.sources.keys().collect::<Vec<_>>()),
        ("operators", job.operators.keys().collect()),
        ("sinks", job.sinks.keys().collect()),
    ];
    for (section, names) in sections {
        for name in names {
            let at = At::job().field(section).field(name);
            if !is_name(name) {
                problems.push(Problem::error(at.clone(), format!("`{name}` is not a name")).on_key().help(NAME_RULE));
            }
            if let Some(other) = seen.insert(name, section) {
                let message = format!("`{name}` is the name of one of the {other} already");
                problems.push(Problem::error(at, message).on_key().help("choose another name"));
            }
        }
    }
}

/// Checks that every input exists. Names of readers of unknown inputs are added to `broken`.
pub(super) fn check_inputs(job: &Job, broken: &mut BTreeSet<String>, problems: &mut Vec<Problem>) {
    let is_readable = |name: &str| job.sources.contains_key(name) || job.operators.contains_key(name);
    let readable = job.sources.keys().chain(job.operators.keys()).map(String::as_str);
    let operators = job.operators.iter().flat_map(|(name, operator)| {
        operator.reads().into_iter().map(move |(input, field, position)| ("operators", name, input, field, position))
    });
    let sinks = job.sinks.iter().map(|(name, sink)| ("sinks", name, sink.input.as_str(), "input", None));
    let mut unknown = Vec::new();
    for (section, name, input, field, position) in operators.chain(sinks) {
        let input_name = InputName::parse(input);
        if is_readable(input_name.name) || broken.contains(input_name.name) {
            continue;
        }
        let at = At::job().field(section).field(name).field(field);
        let problem = Problem::error(
            position.map_or(at.clone(), |position| at.field(position)),
            if job.sinks.contains_key(input_name.name) {
                format!("`{}` is a sink: there is nothing to read from it", input_name.name)
            } else {
                format!("unknown input `{}`", input_name.name)
            },
        );
        let others = readable.clone().filter(|r| r != name);
        problems.push(problem.help(suggestion(input_name.name, "sources and operators", others)));
        unknown.push(name.clone());
    }
    broken.extend(unknown);
}

/// Returns the operators, inputs before their readers and otherwise in the user's order. Operators in a cycle are left out and
/// added to `broken`.
pub(super) fn order<'a>(job: &'a Job, broken: &mut BTreeSet<String>, problems: &mut Vec<Problem>) -> Vec<&'a str> {
    let mut walk = Walk { job, done: BTreeSet::new(), path: Vec::new(), order: Vec::new(), broken, problems };
    for start in job.operators.keys() {
        walk.visit(start);
    }
    walk.order
}

/// A walk up the inputs, depth first.
struct Walk<'a, 'b> {
    job: &'a Job,
    done: BTreeSet<&'a str>,
    /// The path from the start of the walk to its current operator.
    path: Vec<&'a str>,
    order: Vec<&'a str>,
    broken: &'b mut BTreeSet<String>,
    problems: &'b mut Vec<Problem>,
}

impl<'a> Walk<'a, '_> {
    fn visit(&mut self, name: &'a str) {
        let Some(operator) = self.job.operators.get(name) else { return };
        if self.done.contains(name) {
            return;
        }
        if let Some(first) = self.path.iter().position(|p| *p == name) {
            cycle(&self.path[first..], self.problems);
            self.broken.extend(self.path[first..].iter().map(|n| n.to_string()));
            return;
        }
        self.path.push(name);
        for (input, _, _) in operator.reads() {
            self.visit(InputName::parse(input).name);
        }
        self.path.pop();
        self.done.insert(name);
        if !self.broken.contains(name) {
            self.order.push(name);
        }
    }
}

fn cycle(names: &[&str], problems: &mut Vec<Problem>) {
    let first = names[0];
    let at = At::job().field("operators").field(first).field("input");
    let way: Vec<String> = names.iter().chain([&first]).map(|n| format!("`{n}`")).collect();
    let message = match names {
        [one] => format!("`{one}` reads itself"),
        _ => format!("operators read each other in a cycle: {}", way.join(" reads ")),
    };
    problems.push(Problem::error(at, message).help("rows come from a source; let one of them read another input"));
}

/// Adds a warning for each source and operator without readers.
pub(super) fn check_unread(job: &Job, problems: &mut Vec<Problem>) {
    let operators = job.operators.values().flat_map(|o| o.reads().into_iter().map(|(input, _, _)| input));
    let inputs = operators.chain(job.sinks.values().map(|s| s.input.as_str()));
    let read: BTreeSet<&str> = inputs.map(|i| InputName::parse(i).name).collect();
    let sources = job.sources.keys().map(|name| ("sources", name));
    let operators = job.operators.keys().map(|name| ("operators", name));
    for (section, name) in sources.chain(operators) {
        if !read.contains(name.as_str()) {
            let at = At::job().field(section).field(name);
            let message = format!("nothing reads `{name}`: its rows are dropped");
            problems.push(Problem::warning(at, message).on_key());
        }
    }
}
