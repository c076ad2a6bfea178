//! `plugin!`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Error, Ident, Path, Result, Token, bracketed,
    parse::{Parse, ParseStream},
    parse2,
    punctuated::Punctuated,
};

use crate::arguments::Problems;

const EXAMPLE: &str = "write `plugin! { transforms: [parse], aggregates: [Quantile] }`, with either list or both";

/// The lists of functions.
#[derive(Default)]
struct Lists {
    transforms: Option<Vec<Path>>,
    aggregates: Option<Vec<Path>>,
}

impl Parse for Lists {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut lists = Lists::default();
        while !input.is_empty() {
            let kind: Ident = input.parse().map_err(|error| Error::new(error.span(), EXAMPLE))?;
            let list = match kind.to_string().as_str() {
                "transforms" => &mut lists.transforms,
                "aggregates" => &mut lists.aggregates,
                other => return Err(Error::new(kind.span(), format!("there is no list `{other}`: {EXAMPLE}"))),
            };
            if list.is_some() {
                return Err(Error::new(
                    kind.span(),
                    format!("the list `{kind}` is there already: put all functions into one"),
                ));
            }
            let content;
            input.parse::<Token![:]>().map_err(|error| Error::new(error.span(), EXAMPLE))?;
            bracketed!(content in input);
            *list = Some(Punctuated::<Path, Token![,]>::parse_terminated(&content)?.into_iter().collect());
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(lists)
    }
}

pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let lists: Lists = parse2(input)?;
    // A list that is left out is an empty one.
    let (transforms, aggregates) = (lists.transforms.unwrap_or_default(), lists.aggregates.unwrap_or_default());
    let mut problems = Problems::default();
    let all: Vec<&Path> = transforms.iter().chain(&aggregates).collect();
    for (index, path) in all.iter().enumerate() {
        let same = |other: &&Path| quote!(#other).to_string() == quote!(#path).to_string();
        if all[..index].iter().any(same) {
            problems.add(Error::new_spanned(path, "the function is in the list already: name each once"));
        }
    }
    problems.none_or_err()?;
    let (world, glue) = match (transforms.is_empty(), aggregates.is_empty()) {
        (false, true) => (quote!(TRANSFORMER_TYPE), quote!(__sdk::__export_functions!(transform);)),
        (true, false) => (quote!(AGGREGATOR_TYPE), quote!(__sdk::__export_functions!(aggregate);)),
        (false, false) => {
            (quote!(BOTH_TYPE), quote!(__sdk::__export_functions!(transform); __sdk::__export_functions!(aggregate);))
        }
        (true, true) => {
            return Err(Error::new(
                proc_macro2::Span::call_site(),
                format!("a plugin has at least one function: {EXAMPLE}"),
            ));
        }
    };
    Ok(quote! {
        const _: () = {
            use ::flowgate_sdk::__export as __sdk;

            #[allow(dead_code, reason = "natively, functions are called by tests alone")]
            static PLUGIN: __sdk::Plugin = __sdk::Plugin::new(&[
                #(__sdk::Function::transform::<#transforms>(),)*
                #(__sdk::Function::aggregate::<#aggregates>(),)*
            ]);

            #[cfg(target_arch = "wasm32")]
            const _: () = {
                #[unsafe(link_section = "component-type:flowgate-sdk")]
                #[used]
                static COMPONENT_TYPE: [u8; __sdk::#world.len()] = __sdk::#world;

                __sdk::__export_functions!(operator PLUGIN);
                #glue
            };
        };
    })
}
