//! `plugin!`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{
    Error, Ident, Path, Result, Token, bracketed,
    parse::{Parse, ParseStream},
    parse2,
    punctuated::Punctuated,
};

use crate::arguments::Problems;

const EXAMPLE: &str = "write `plugin! { transforms: [parse], aggregates: [Quantile], joins: [pair], processes: [Alert] }`, \
                       with those lists that the plugin has";

/// The kinds of function: the name of the list, the constructor of `Function` and name of the exported interface, and the
/// constant that holds the component type. That of a process function depends on whether its state migrates.
const KINDS: [(&str, &str, &str); 4] = [
    ("transforms", "transform", "TRANSFORM_TYPE"),
    ("aggregates", "aggregate", "AGGREGATE_TYPE"),
    ("joins", "join", "JOIN_TYPE"),
    ("processes", "process", ""),
];

/// The lists of functions, in the order of `KINDS`.
#[derive(Default)]
struct Lists([Option<Vec<Path>>; KINDS.len()]);

impl Parse for Lists {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut lists = Lists::default();
        while !input.is_empty() {
            let kind: Ident = input.parse().map_err(|error| Error::new(error.span(), EXAMPLE))?;
            let Some(index) = KINDS.iter().position(|(list, ..)| kind == list) else {
                return Err(Error::new(kind.span(), format!("there is no list `{kind}`: {EXAMPLE}")));
            };
            let list = &mut lists.0[index];
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
    // A list that is left out is an empty one.
    let lists = parse2::<Lists>(input)?.0.map(Option::unwrap_or_default);
    let mut problems = Problems::default();
    let all: Vec<&Path> = lists.iter().flatten().collect();
    for (index, path) in all.iter().enumerate() {
        let same = |other: &&Path| quote!(#other).to_string() == quote!(#path).to_string();
        if all[..index].iter().any(same) {
            problems.add(Error::new_spanned(path, "the function is in the list already: name each once"));
        }
    }
    problems.none_or_err()?;
    if all.is_empty() {
        return Err(Error::new(Span::call_site(), format!("a plugin has at least one function: {EXAMPLE}")));
    }
    let (mut functions, mut exports) = (TokenStream::new(), TokenStream::new());
    for ((_, kind, world), paths) in KINDS.iter().zip(&lists).filter(|(_, paths)| !paths.is_empty()) {
        let kind = Ident::new(kind, Span::call_site());
        let world = match *world {
            "" => quote!(__sdk::process_type(false #(|| __sdk::migrates::<#paths>())*)),
            world => {
                let world = Ident::new(world, Span::call_site());
                quote!(__sdk::#world)
            }
        };
        functions.extend(quote!(#(__sdk::Function::#kind::<#paths>(),)*));
        // The linker would concatenate sections of one name; sections of different names are merged as types.
        let section = format!("component-type:flowgate-sdk-{kind}");
        exports.extend(quote! {
            const _: () = {
                const TYPE: &[u8] = #world;

                #[unsafe(link_section = #section)]
                #[used]
                static COMPONENT_TYPE: [u8; TYPE.len()] = __sdk::array(TYPE);

                __sdk::__export_functions!(#kind);
            };
        });
    }
    Ok(quote! {
        const _: () = {
            use ::flowgate_sdk::__export as __sdk;

            #[allow(dead_code, reason = "natively, functions are called by tests alone")]
            static PLUGIN: __sdk::Plugin = __sdk::Plugin::new(&[#functions]);

            #[cfg(target_arch = "wasm32")]
            const _: () = {
                __sdk::__export_functions!(operator PLUGIN);
                #exports
            };
        };
    })
}
