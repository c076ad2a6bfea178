//! The macros of `flowgate-sdk`. Their documentation, with examples, is where that crate exports them.

mod aggregate;
mod arguments;
mod config;
mod plugin;
mod row;
mod transform;

use proc_macro::TokenStream;

/// Makes a struct a row: one field for each column. See the trait `flowgate_sdk::Row`.
///
/// On a field, `#[row(name = "...")]` gives the column another name than the field's. On the struct, `#[row(passthrough)]`
/// says that a function which returns it keeps the input's other columns beside.
#[proc_macro_derive(Row, attributes(row))]
pub fn derive_row(input: TokenStream) -> TokenStream {
    answer(row::expand(input.into()))
}

/// Makes a function a transform: from a row to a row (map), `Option` of a row, `bool` (filter), an iterator or `Vec` of rows
/// (flat-map), or `Result<any of these, Failure>`. Its doc comment is its description.
///
/// After the row it may take `&Config`, and one `name: &mut SideOutput<Row>` for each side output.
///
/// `#[transform(columns)]` is for functions over whole columns: `Columns` of a row, perhaps `&Config`, and one
/// `&mut Output<Row>` for each output. `#[transform(name = "...")]` names the function otherwise than in the code.
///
/// The function stays as it is, to be called in tests. For the other macros a type of the same name stands beside it.
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

/// Exports the functions of a plugin, once in its crate: `plugin! { transforms: [parse, keep], aggregates: [Quantile] }`.
/// Either list may be left out.
#[proc_macro]
pub fn plugin(input: TokenStream) -> TokenStream {
    answer(plugin::expand(input.into()))
}

fn answer(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(|error| error.to_compile_error()).into()
}
