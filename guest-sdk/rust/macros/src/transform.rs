//! `#[transform]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    Error, FnArg, GenericParam, Index, ItemFn, LitStr, Pat, Result, Safety, Signature, Type, TypeReference,
    ext::IdentExt, parse::Parser, parse2, spanned::Spanned,
};

use crate::arguments::{Problems, doc, function_name, own_name};
use crate::print;

/// The arguments of the attribute.
#[derive(Default)]
struct Arguments {
    columns: bool,
    name: Option<String>,
}

/// The function's parameters.
#[derive(Default)]
pub(crate) struct Parameters {
    /// The type behind `&`, without lifetimes of the function.
    pub(crate) config: Option<Type>,
    /// The names of the `&mut` parameters.
    pub(crate) outputs: Vec<Ident>,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments = arguments_of(arguments)?;
    let mut function: ItemFn = parse2(item).map_err(|error| {
        Error::new(error.span(), "`#[transform]` goes above a function: `fn parse<'a>(line: Line<'a>) -> Request<'a>`")
    })?;
    let signature = &function.sig;
    check_signature(signature, "a transform")?;
    let parameters = parameters(signature, arguments.columns)?;
    let name = match arguments.name {
        Some(name) => name,
        None => own_name(&signature.ident.unraw().to_string(), signature.ident.span())?,
    };
    print::to_log(&mut function.block);
    Ok(implementation(&function, arguments.columns, &name, &parameters))
}

fn arguments_of(tokens: TokenStream) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("columns") {
            arguments.columns = true;
        } else if meta.path.is_ident("name") {
            arguments.name = Some(function_name(&meta.value()?.parse::<LitStr>()?)?);
        } else {
            return Err(meta.error("write `#[transform]`, `#[transform(columns)]` or `#[transform(name = \"...\")]`"));
        }
        Ok(())
    });
    parser.parse2(tokens)?;
    Ok(arguments)
}

/// Refuses functions that are `async`, `unsafe` or generic. `what` is their kind.
pub(crate) fn check_signature(signature: &Signature, what: &str) -> Result<()> {
    let mut problems = Problems::default();
    if let Some(asyncness) = &signature.asyncness {
        problems
            .add(Error::new_spanned(asyncness, format!("{what} is no `async` function: it has nothing to wait for")));
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        problems
            .add(Error::new_spanned(unsafety, format!("{what} is no `unsafe` function: write `unsafe` inside of it")));
    }
    for parameter in &signature.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            problems.add(Error::new_spanned(
                parameter,
                format!("{what} has columns of fixed types: write the row's type instead of a parameter"),
            ));
        }
    }
    problems.none_or_err()
}

fn parameters(signature: &Signature, columns: bool) -> Result<Parameters> {
    let first = if columns { "orders: Columns<'a, Order<'a>>" } else { "line: Line<'a>" };
    let mut inputs = signature.inputs.iter();
    match inputs.next() {
        Some(FnArg::Typed(first)) if !matches!(&*first.ty, Type::Reference(_)) => {}
        Some(FnArg::Receiver(receiver)) => {
            return Err(Error::new_spanned(
                receiver,
                "a transform is a free function: take the row, and `&Config` for settings",
            ));
        }
        Some(FnArg::Typed(parameter)) => {
            return Err(Error::new_spanned(
                &parameter.ty,
                format!("the first parameter of a transform is its input, by value: write `{first}`"),
            ));
        }
        None => {
            return Err(Error::new(
                signature.paren_token.span.join(),
                format!("a transform takes its input as the first parameter: write `{first}`"),
            ));
        }
    }
    let mut problems = Problems::default();
    let mut parameters = Parameters::default();
    for input in inputs {
        if let Err(problem) = further_parameter(input, columns, "after its input a transform", &mut parameters) {
            problems.add(problem);
        }
    }
    if columns && parameters.outputs.is_empty() {
        problems.add(Error::new(
            signature.paren_token.span.join(),
            "a transform over columns fills an output: add a parameter `out: &mut Output<Row>`",
        ));
    }
    let side_outputs = parameters.outputs.len() - usize::from(columns && !parameters.outputs.is_empty());
    if side_outputs > 4 {
        problems.add(Error::new(signature.paren_token.span.join(), "a transform has at most 4 side outputs"));
    }
    problems.none_or_err()?;
    Ok(parameters)
}

/// Reads a parameter behind the input; `subject` names the function in messages.
pub(crate) fn further_parameter(
    input: &FnArg,
    columns: bool,
    subject: &str,
    parameters: &mut Parameters,
) -> Result<()> {
    let output = if columns { "Output" } else { "SideOutput" };
    let wrong = |span: Span| {
        Error::new(
            span,
            format!(
                "{subject} takes `config: &Config`, then `name: &mut {output}<Row>` for each output: other parameters cannot \
                 be filled in"
            ),
        )
    };
    let FnArg::Typed(parameter) = input else { return Err(wrong(input.span())) };
    let Type::Reference(TypeReference { mutability, elem, .. }) = &*parameter.ty else {
        return Err(wrong(parameter.ty.span()));
    };
    if mutability.is_none() {
        if parameters.config.is_some() || !parameters.outputs.is_empty() {
            return Err(wrong(parameter.ty.span()));
        }
        parameters.config = Some((**elem).clone());
        return Ok(());
    }
    let Pat::Ident(name) = &*parameter.pat else {
        return Err(Error::new_spanned(&parameter.pat, "an output is named after its parameter: write a plain name"));
    };
    let name = name.ident.unraw();
    let main = columns && parameters.outputs.is_empty();
    if !main && (name == "errors" || name == "late") {
        return Err(Error::new(
            name.span(),
            format!("the output `{name}` is reserved by the host: name the parameter otherwise"),
        ));
    }
    parameters.outputs.push(name);
    Ok(())
}

fn implementation(function: &ItemFn, columns: bool, name: &str, parameters: &Parameters) -> TokenStream {
    let (visibility, ident) = (&function.vis, &function.sig.ident);
    let doc = doc(&function.attrs);
    let config = parameters.config.as_ref().map_or_else(|| quote!(()), ToTokens::to_token_stream);
    let pass_config = parameters.config.as_ref().map(|_| quote!(__config,));
    let index = (0..parameters.outputs.len()).map(Index::from);
    let call = quote!(|__input, __config, __outputs| #ident(__input, #pass_config #(&mut __outputs.#index),*));
    // One `_` for each output: their types are those of the function's parameters.
    let outputs = parameters.outputs.iter().map(|_| quote!(_));
    let outputs = quote!((#(#outputs,)*));
    let names = parameters
        .outputs
        .iter()
        .enumerate()
        .map(|(index, name)| if columns && index == 0 { String::new() } else { name.to_string() });
    let names = quote!(&[#(#names),*]);
    let (signature, apply) = if columns {
        (
            quote!(columns_signature::<#config, _, #outputs, _, _>(#call, #names)),
            quote!(apply_columns::<#config, _, #outputs, _, _>(#call, __config, __batch, #names)),
        )
    } else {
        (
            quote!(rows_signature::<#config, _, _, _, #outputs, _>(#call, #names)),
            quote!(apply_rows::<#config, _, _, _, #outputs, _>(#call, __config, __batch)),
        )
    };
    quote! {
        #function

        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, missing_docs, missing_debug_implementations)]
        #visibility struct #ident {}

        impl ::flowgate_sdk::Transform for #ident {
            const NAME: &'static str = #name;
            const DOC: &'static str = #doc;
            type Config = #config;

            #[allow(unused_variables)]
            fn signature() -> ::flowgate_sdk::__export::Signature {
                ::flowgate_sdk::__export::#signature
            }

            #[allow(unused_variables)]
            fn apply(
                __config: &#config,
                __batch: &::flowgate_sdk::__export::Batch,
            ) -> ::std::result::Result<::flowgate_sdk::__export::Answer, ::std::string::String> {
                ::flowgate_sdk::__export::#apply
            }
        }
    }
}
