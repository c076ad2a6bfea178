//! A plugin: the table of its functions, made by [`plugin!`](crate::plugin), and one of them opened.

use crate::column::batch::Batch;
use crate::function::aggregate::{Aggregate, Named, OpenedAggregate, inputs};
use crate::function::answer::Answer;
use crate::function::binding::{Binding, OutputBinding, problems};
use crate::function::config::{Config, FromConfig, open};
use crate::function::transform::Transform;
use crate::function::value::AggregateOutput;
use crate::schema::Field;

/// Which interface serves a function; numbered as in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// `transform`.
    Transform,
    /// `aggregate`.
    Aggregate,
}

/// Opens a function: config and offered columns in, everything that is wrong with them as the error.
type Open = fn(&str, &[Vec<Field>]) -> Result<Opened, Vec<String>>;

/// A transform with its config.
type Apply = Box<dyn Fn(&Batch) -> Result<Answer, String>>;

/// One function of a plugin.
#[derive(Debug)]
pub struct Function {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
    pub(crate) config_schema: fn() -> Option<String>,
    pub(crate) inputs: fn() -> &'static [Field],
    open: Open,
}

impl Function {
    /// A transform.
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

    /// An aggregate.
    pub const fn aggregate<A: Aggregate>() -> Self {
        Function {
            name: A::NAME,
            kind: Kind::Aggregate,
            doc: A::DOC,
            config_schema: <<A as FromConfig>::Config as Config>::schema,
            inputs: inputs::<A>,
            open: open_aggregate::<A>,
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

/// A function that was opened.
pub(crate) struct Opened {
    pub(crate) binding: Binding,
    pub(crate) call: Call,
}

/// How an opened function is called.
pub(crate) enum Call {
    Transform(Apply),
    Aggregate(Box<dyn OpenedAggregate>),
}

fn open_transform<T: Transform>(config: &str, offered: &[Vec<Field>]) -> Result<Opened, Vec<String>> {
    let signature = T::signature();
    let config = checked(open::<T::Config>(config), problems(signature.inputs, offered))?;
    Ok(Opened { binding: signature.into(), call: Call::Transform(Box::new(move |batch| T::apply(&config, batch))) })
}

fn open_aggregate<A: Aggregate>(config: &str, offered: &[Vec<Field>]) -> Result<Opened, Vec<String>> {
    let aggregate: A = checked(open(config), problems(inputs::<A>(), offered))?;
    let columns = <A::Output as AggregateOutput>::fields(<A as Named>::NAME);
    let output = OutputBinding { name: String::new(), columns, passthrough: false };
    let binding = Binding { inputs: inputs::<A>().to_vec(), outputs: vec![output] };
    Ok(Opened { binding, call: Call::Aggregate(Box::new(aggregate)) })
}

/// The config, or everything that is wrong with it and the columns.
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
    /// A plugin of these functions. Evaluated when the plugin is compiled.
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
