//! `#[join]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, FnArg, Index, ItemFn, LitStr, Result, Signature, Type, ext::IdentExt, parse::Parser, parse2};

use crate::arguments::{Problems, doc, function_name, own_name};
use crate::print;
use crate::transform::{Parameters, check_signature, further_parameter};

const EXAMPLE: &str =
    "write `left: Left<'a>, right: Right<'a>`, or `Option` of a row for a side that may have no match";

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut name = None;
    let parser = syn::meta::parser(|meta| {
        if !meta.path.is_ident("name") {
            return Err(meta.error("write `#[join]` or `#[join(name = \"...\")]`"));
        }
        name = Some(function_name(&meta.value()?.parse::<LitStr>()?)?);
        Ok(())
    });
    parser.parse2(arguments)?;
    let mut function: ItemFn = parse2(item).map_err(|error| {
        Error::new(
            error.span(),
            "`#[join]` goes above a function: `fn pair<'a>(left: Left<'a>, right: Right<'a>) -> Pair<'a>`",
        )
    })?;
    let signature = &function.sig;
    check_signature(signature, "a join function")?;
    let parameters = parameters(signature)?;
    let name = match name {
        Some(name) => name,
        None => own_name(&signature.ident.unraw().to_string(), signature.ident.span())?,
    };
    print::to_log(&mut function.block);
    Ok(implementation(&function, &name, &parameters))
}

fn parameters(signature: &Signature) -> Result<Parameters> {
    let mut inputs = signature.inputs.iter();
    for side in ["left", "right"] {
        match inputs.next() {
            Some(FnArg::Typed(row)) if !matches!(&*row.ty, Type::Reference(_)) => {}
            Some(FnArg::Typed(row)) => {
                let message = format!("the {side} row of a join function is taken by value: {EXAMPLE}");
                return Err(Error::new_spanned(&row.ty, message));
            }
            Some(FnArg::Receiver(receiver)) => {
                let message = "a join function is a free function: take the rows, and `&Config` for settings";
                return Err(Error::new_spanned(receiver, message));
            }
            None => {
                let message = format!("a join function takes a left and a right row first: {EXAMPLE}");
                return Err(Error::new(signature.paren_token.span.join(), message));
            }
        }
    }
    let mut problems = Problems::default();
    let mut parameters = Parameters::default();
    for input in inputs {
        if let Err(problem) = further_parameter(input, false, "after its rows a join function", &mut parameters) {
            problems.add(problem);
        }
    }
    if parameters.outputs.len() > 4 {
        problems.add(Error::new(signature.paren_token.span.join(), "a join function has at most 4 side outputs"));
    }
    problems.none_or_err()?;
    Ok(parameters)
}

fn implementation(function: &ItemFn, name: &str, parameters: &Parameters) -> TokenStream {
    let (visibility, ident) = (&function.vis, &function.sig.ident);
    let doc = doc(&function.attrs);
    let config = parameters.config.as_ref().map_or_else(|| quote!(()), ToTokens::to_token_stream);
    let pass_config = parameters.config.as_ref().map(|_| quote!(__config,));
    let index = (0..parameters.outputs.len()).map(Index::from);
    let call = quote! {
        |__left, __right, __config, __outputs| #ident(__left, __right, #pass_config #(&mut __outputs.#index),*)
    };
    // One `_` for each output: their types are those of the function's parameters.
    let outputs = parameters.outputs.iter().map(|_| quote!(_));
    let outputs = quote!((#(#outputs,)*));
    let names = parameters.outputs.iter().map(ToString::to_string);
    quote! {
        #function

        // The struct stands for the function: it has its name, and is never constructed.
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, missing_docs, missing_debug_implementations)]
        #visibility struct #ident {}

        impl ::flowgate_sdk::Join for #ident {
            const NAME: &'static str = #name;
            const DOC: &'static str = #doc;
            type Config = #config;

            // A function without config and side outputs leaves those of the closure alone.
            #[allow(unused_variables)]
            fn signature() -> ::flowgate_sdk::__export::Signature {
                ::flowgate_sdk::__export::pairs_signature::<#config, _, _, _, _, #outputs, _>(#call, &[#(#names),*])
            }

            // As above.
            #[allow(unused_variables)]
            fn apply(
                __config: &#config,
                __left: &::flowgate_sdk::__export::Batch,
                __right: &::flowgate_sdk::__export::Batch,
            ) -> ::std::result::Result<::flowgate_sdk::__export::Answer, ::std::string::String> {
                ::flowgate_sdk::__export::apply_pairs::<#config, _, _, _, _, #outputs, _>(#call, __config, __left, __right)
            }
        }
    }
}
