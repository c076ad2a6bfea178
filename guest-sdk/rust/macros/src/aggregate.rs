//! `#[aggregate]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Fields, ItemStruct, LitStr, Result, ext::IdentExt, parse::Parser, parse2};

use crate::arguments::{doc, function_name, own_name};

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut name = None;
    let parser = syn::meta::parser(|meta| {
        if !meta.path.is_ident("name") {
            return Err(meta.error("write `#[aggregate]` or `#[aggregate(name = \"...\")]`"));
        }
        name = Some(function_name(&meta.value()?.parse::<LitStr>()?)?);
        Ok(())
    });
    parser.parse2(arguments)?;
    let item: ItemStruct = parse2(item).map_err(|error| {
        let message = "`#[aggregate]` goes above the struct that implements `flowgate_sdk::Aggregate`: `struct Mean;`";
        Error::new(error.span(), message)
    })?;
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &item.generics,
            "an aggregate is one struct: write the types instead of parameters",
        ));
    }
    let ident = &item.ident;
    let name = match name {
        Some(name) => name,
        None => own_name(&snake_case(&ident.unraw().to_string()), ident.span())?,
    };
    let doc = doc(&item.attrs);
    // A unit struct has no field that a config could fill.
    let from_config = matches!(item.fields, Fields::Unit).then(|| {
        quote! {
            impl ::flowgate_sdk::FromConfig for #ident {
                type Config = ();
                fn from_config((): ()) -> ::std::result::Result<Self, ::flowgate_sdk::Failure> {
                    ::std::result::Result::Ok(#ident)
                }
            }
        }
    });
    Ok(quote! {
        #item

        impl ::flowgate_sdk::__export::Named for #ident {
            const NAME: &'static str = #name;
            const DOC: &'static str = #doc;
        }

        #from_config
    })
}

pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut before = None;
    for (index, letter) in name.char_indices() {
        let word_ends = before.is_some_and(|before: char| !before.is_uppercase())
            || name[index + letter.len_utf8()..].chars().next().is_some_and(char::is_lowercase);
        if letter.is_uppercase() && index > 0 && word_ends {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
        before = Some(letter);
    }
    snake
}

#[cfg(test)]
mod tests {
    #[test]
    fn snake_case_of_struct_names() {
        for (name, snake) in [
            ("Mean", "mean"),
            ("TopTen", "top_ten"),
            ("HTTPCodes", "http_codes"),
            ("P95", "p95"),
            ("StdDev", "std_dev"),
        ] {
            assert_eq!(super::snake_case(name), snake);
        }
    }
}
