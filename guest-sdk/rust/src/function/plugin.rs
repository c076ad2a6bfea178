//! A plugin: the table of its functions, made by [`plugin!`](crate::plugin), and one opened function.

use crate::column::batch::Batch;
use crate::function::aggregate::{Aggregate, Named, OpenedAggregate, inputs};
use crate::function::answer::Answer;
use crate::function::binding::{Binding, OutputBinding, OutputSpec, Signature, problems};
use crate::function::config::{Config, FromConfig, open};
use crate::function::join::Join;
use crate::function::side::SideOutputs;
use crate::function::transform::Transform;
use crate::function::value::AggregateOutput;
use crate::process::contract::Process;
use crate::process::opened::OpenedProcess;
use crate::row::contract::Row;
use crate::schema::Field;
use crate::state::slot::State;

/// The interface that serves a function; numbered as in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// `transform`.
    Transform,
    /// `aggregate`.
    Aggregate,
    /// `join`.
    Join,
    /// `process`.
    Process,
}

/// Opens a function with its config and the offered columns; the error is everything that is wrong with them.
type Open = fn(&str, &[Vec<Field>]) -> Result<Opened, Vec<String>>;

/// A transform with its config.
type Apply = Box<dyn Fn(&Batch) -> Result<Answer, String>>;

/// A join function with its config.
type ApplyPairs = Box<dyn Fn(&Batch, &Batch) -> Result<Answer, String>>;

/// One function of a plugin.
#[derive(Debug)]
pub struct Function {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
    pub(crate) config_schema: fn() -> Option<String>,
    pub(crate) inputs: fn() -> Vec<Vec<Field>>,
    open: Open,
}

impl Function {
    /// Creates the entry of a transform.
    pub const fn transform<T: Transform>() -> Self {
        Function {
            name: T::NAME,
            kind: Kind::Transform,
            doc: T::DOC,
            config_schema: <<T::Config as FromConfig>::Config as Config>::schema,
            inputs: || T::signature().inputs,
            open: open_transform::<T>,
        }
    }

    /// Creates the entry of an aggregate.
    pub const fn aggregate<A: Aggregate>() -> Self {
        Function {
            name: A::NAME,
            kind: Kind::Aggregate,
            doc: A::DOC,
            config_schema: <<A as FromConfig>::Config as Config>::schema,
            inputs: || vec![inputs::<A>().to_vec()],
            open: open_aggregate::<A>,
        }
    }

    /// Creates the entry of a join function.
    pub const fn join<J: Join>() -> Self {
        Function {
            name: J::NAME,
            kind: Kind::Join,
            doc: J::DOC,
            config_schema: <<J::Config as FromConfig>::Config as Config>::schema,
            inputs: || J::signature().inputs,
            open: open_join::<J>,
        }
    }

    /// Creates the entry of a process function.
    pub const fn process<P: Process>() -> Self {
        Function {
            name: P::NAME,
            kind: Kind::Process,
            doc: P::DOC,
            config_schema: <<P as FromConfig>::Config as Config>::schema,
            inputs: process_inputs::<P>,
            open: open_process::<P>,
        }
    }

    /// Opens the function.
    ///
    /// # Errors
    /// Everything that is wrong with the config and the offered columns.
    pub(crate) fn open(&self, config: &str, offered: &[Vec<Field>]) -> Result<Opened, Vec<String>> {
        (self.open)(config, offered)
    }
}

/// An opened function.
pub(crate) struct Opened {
    pub(crate) binding: Binding,
    pub(crate) call: Call,
}

/// How an opened function is called.
pub(crate) enum Call {
    Transform(Apply),
    Aggregate(Box<dyn OpenedAggregate>),
    Join(ApplyPairs),
    Process(Box<dyn OpenedProcess>),
}

impl Call {
    /// Returns the kind of function that was opened, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Call::Transform(_) => "a transform",
            Call::Aggregate(_) => "an aggregate",
            Call::Join(_) => "a join function",
            Call::Process(_) => "a process function",
        }
    }
}

fn open_transform<T: Transform>(config: &str, offered: &[Vec<Field>]) -> Result<Opened, Vec<String>> {
    let signature = T::signature();
    let config = checked(open::<T::Config>(config), problems(&signature.inputs, offered))?;
    Ok(Opened { binding: signature.into(), call: Call::Transform(Box::new(move |batch| T::apply(&config, batch))) })
}

fn open_aggregate<A: Aggregate>(config: &str, offered: &[Vec<Field>]) -> Result<Opened, Vec<String>> {
    let aggregate: A = checked(open(config), problems(&[inputs::<A>().to_vec()], offered))?;
    let columns = <A::Output as AggregateOutput>::fields(<A as Named>::NAME);
    let output = OutputBinding { name: String::new(), columns, passthrough: false };
    let binding = Binding { inputs: vec![inputs::<A>().to_vec()], outputs: vec![output], state: Vec::new() };
    Ok(Opened { binding, call: Call::Aggregate(Box::new(aggregate)) })
}

fn open_join<J: Join>(config: &str, offered: &[Vec<Field>]) -> Result<Opened, Vec<String>> {
    let signature = J::signature();
    let config = checked(open::<J::Config>(config), problems(&signature.inputs, offered))?;
    let call = Call::Join(Box::new(move |left, right| J::apply(&config, left, right)));
    Ok(Opened { binding: signature.into(), call })
}

fn process_inputs<P: Process>() -> Vec<Vec<Field>> {
    let mut inputs = vec![<P::Row<'static> as Row>::FIELDS.to_vec()];
    if P::TWO_INPUTS {
        inputs.push(<P::Other<'static> as Row>::FIELDS.to_vec());
    }
    inputs
}

fn open_process<P: Process>(config: &str, offered: &[Vec<Field>]) -> Result<Opened, Vec<String>> {
    let mut inputs = process_inputs::<P>();
    let process: P = checked(open(config), problems(&inputs, offered))?;
    let chosen = process.choose(offered)?;
    let problems = problems(&chosen, offered);
    if !problems.is_empty() {
        return Err(problems);
    }
    inputs.iter_mut().zip(chosen).for_each(|(input, chosen)| input.extend(chosen));
    let main = OutputSpec { name: "", fields: <P::Output as Row>::FIELDS, passthrough: P::Output::PASSTHROUGH };
    let outputs = std::iter::once(main).chain(P::Sides::specs(&[])).collect();
    let mut state = P::State::specs();
    for slot in &mut state {
        slot.ttl_ms = process.ttl_ms(slot.name, slot.ttl_ms);
    }
    let binding = Binding { state, ..Signature { inputs, outputs }.into() };
    Ok(Opened { binding, call: Call::Process(Box::new(process)) })
}

/// Returns the config, or everything that is wrong with it and the columns.
fn checked<T>(config: Result<T, String>, mut problems: Vec<String>) -> Result<T, Vec<String>> {
    match config {
        Ok(config) if problems.is_empty() => Ok(config),
        Ok(_) => Err(problems),
        Err(problem) => {
            problems.insert(0, problem);
            Err(problems)
        }
    }
}

/// Every function of a plugin.
#[derive(Debug)]
pub struct Plugin {
    pub(crate) functions: &'static [Function],
}

impl Plugin {
    /// Creates a plugin of these functions. Evaluated when the plugin is compiled.
    pub const fn new(functions: &'static [Function]) -> Self {
        let mut i = 0;
        while i < functions.len() {
            let mut j = 0;
            while j < i {
                assert!(!same(functions[i].name, functions[j].name), "two functions of the plugin have the same name");
                j += 1;
            }
            i += 1;
        }
        Plugin { functions }
    }

    /// Opens the function of this name.
    pub(crate) fn open(&self, name: &str, config: &str, offered: &[Vec<Field>]) -> Result<Opened, Vec<String>> {
        let Some(function) = self.functions.iter().find(|function| function.name == name) else {
            let names: Vec<&str> = self.functions.iter().map(|function| function.name).collect();
            return Err(vec![format!("the plugin has no function `{name}`; it has {}", names.join(", "))]);
        };
        function.open(config, offered)
    }
}

const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut i = 0;
    while i < left.len() && i < right.len() && left[i] == right[i] {
        i += 1;
    }
    i == left.len() && i == right.len()
}
