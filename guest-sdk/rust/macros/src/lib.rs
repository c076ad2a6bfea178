//! The macros of `flowgate-sdk`. Their documentation, with examples, is where that crate exports them.

mod aggregate;
mod arguments;
mod config;
mod join;
mod parts;
mod plugin;
mod print;
mod process;
mod row;
mod state;
mod transform;

use proc_macro::TokenStream;

/// Makes a struct a row: one field for each column. See the trait `flowgate_sdk::Row`.
///
/// On a field, `#[row(name = "...")]` names the column differently from the field. On the struct, `#[row(passthrough)]` says that
/// a function which returns it also keeps the input's other columns.
#[proc_macro_derive(Row, attributes(row))]
pub fn derive_row(input: TokenStream) -> TokenStream {
    answer(row::expand(input.into()))
}

/// Makes a function a transform: from a row to a row (map), `Option` of a row, `bool` (filter), an iterator or `Vec` of rows
/// (flat-map), or `Result<any of these, Failure>`. Its doc comment is its description.
///
/// After the row, the function may have the parameters `&Config` and one `name: &mut SideOutput<Row>` for each side output.
///
/// `#[transform(columns)]` is for functions over whole columns: `Columns` of a row, `&Config` where there is one, and one
/// `&mut Output<Row>` for each output. `#[transform(name = "...")]` sets the function's name in the job.
///
/// The function itself does not change, so tests can call it, except that `println!`, `eprintln!` and `dbg!` in it are those of
/// `flowgate_sdk::log`: there is no standard output in the sandbox. The other macros name the function by a type of the same
/// name.
#[proc_macro_attribute]
pub fn transform(arguments: TokenStream, item: TokenStream) -> TokenStream {
    answer(transform::expand(arguments.into(), item.into()))
}

/// Names an aggregate, above the struct that implements `flowgate_sdk::Aggregate`: its name in the job is that of the struct
/// in snake case, or `#[aggregate(name = "...")]`, and its doc comment is its description.
#[proc_macro_attribute]
pub fn aggregate(arguments: TokenStream, item: TokenStream) -> TokenStream {
    answer(aggregate::expand(arguments.into(), item.into()))
}

/// Makes a struct a config: read from the job's JSON, with a JSON Schema that `flowgate check` and editors use. Doc comments
/// of fields are their descriptions; a field that the job does not know is an error. serde's and schemars' attributes work.
///
/// Also for the enums in a config.
#[proc_macro_attribute]
pub fn config(arguments: TokenStream, item: TokenStream) -> TokenStream {
    answer(config::expand(arguments.into(), item.into()))
}

/// Makes a function a join function: from a left and a right row of a matched pair to what a transform may return. A side that an
/// outer join may leave without a match is an `Option` of a row. After the sides, the function may have the parameters `&Config`
/// and one `name: &mut SideOutput<Row>` for each side output. `#[join(name = "...")]` sets its name in the job.
#[proc_macro_attribute]
pub fn join(arguments: TokenStream, item: TokenStream) -> TokenStream {
    answer(join::expand(arguments.into(), item.into()))
}

/// Names a process function, above the `impl flowgate_sdk::Process for ...`, whose doc comment is its description. Its name in
/// the job is that of the type in snake case, or `#[process(name = "...")]`. Associated types that are left out get their
/// defaults.
#[proc_macro_attribute]
pub fn process(arguments: TokenStream, item: TokenStream) -> TokenStream {
    answer(process::expand(arguments.into(), item.into()))
}

/// Makes a struct of `Value`, `Map` and `List` fields the state of a process function. See the trait `flowgate_sdk::State`.
#[proc_macro_derive(State, attributes(state))]
pub fn derive_state(input: TokenStream) -> TokenStream {
    answer(state::expand(input.into()))
}

/// Makes a struct a value of state: its fields in their order. See the trait `flowgate_sdk::StateValue`.
#[proc_macro_derive(StateValue)]
pub fn derive_state_value(input: TokenStream) -> TokenStream {
    answer(parts::state_value(input.into()))
}

/// Makes an enum without fields the tag of timers. See the trait `flowgate_sdk::TimerTag`.
#[proc_macro_derive(TimerTag)]
pub fn derive_timer_tag(input: TokenStream) -> TokenStream {
    answer(parts::timer_tag(input.into()))
}

/// Makes a struct of `SideOutput` fields the side outputs of a process function. See the trait `flowgate_sdk::SideOutputs`.
#[proc_macro_derive(SideOutputs)]
pub fn derive_side_outputs(input: TokenStream) -> TokenStream {
    answer(parts::side_outputs(input.into()))
}

/// Exports the functions of a plugin, once in its crate:
/// `plugin! { transforms: [parse], aggregates: [Quantile], joins: [pair], processes: [Alert] }`. Lists that would be empty may be
/// left out.
#[proc_macro]
pub fn plugin(input: TokenStream) -> TokenStream {
    answer(plugin::expand(input.into()))
}

fn answer(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(|error| error.to_compile_error()).into()
}
