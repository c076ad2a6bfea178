//! `#[config]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, Fields, Item, ItemStruct, Result, parse2};

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "`#[config]` takes no arguments; serde's and schemars' attributes work",
        ));
    }
    let wrong = "`#[config]` goes above a struct with named fields, one for each setting (or without any: `struct Name;`), or above \
                 an enum that is used in one";
    let item: Item = parse2(item).map_err(|error| Error::new(error.span(), wrong))?;
    let implementation = match &item {
        Item::Struct(config) if matches!(config.fields, Fields::Named(_)) && config.generics.params.is_empty() => {
            let ident = &config.ident;
            quote! {
                impl ::flowgate_sdk::Config for #ident {
                    fn schema() -> ::std::option::Option<::std::string::String> {
                        ::flowgate_sdk::__export::config_schema::<Self>()
                    }
                    fn parse(json: &str) -> ::std::result::Result<Self, ::std::string::String> {
                        ::flowgate_sdk::__export::parse_config(json)
                    }
                }
            }
        }
        Item::Struct(config) if matches!(config.fields, Fields::Unit) && config.generics.params.is_empty() => {
            return Ok(no_config(config));
        }
        Item::Enum(_) => quote!(),
        other => return Err(Error::new_spanned(other.to_token_stream(), wrong)),
    };
    Ok(quote! {
        #[derive(::flowgate_sdk::serde::Deserialize, ::flowgate_sdk::schemars::JsonSchema)]
        #[serde(crate = "::flowgate_sdk::serde", deny_unknown_fields)]
        #[schemars(crate = "::flowgate_sdk::schemars")]
        #item

        #implementation
    })
}

/// Expands a unit struct: a function without a config.
fn no_config(item: &ItemStruct) -> TokenStream {
    let ident = &item.ident;
    quote! {
        #item

        impl ::flowgate_sdk::Config for #ident {
            fn schema() -> ::std::option::Option<::std::string::String> {
                ::std::option::Option::None
            }
            fn parse(json: &str) -> ::std::result::Result<Self, ::std::string::String> {
                <() as ::flowgate_sdk::Config>::parse(json).map(|()| #ident)
            }
        }
    }
}
