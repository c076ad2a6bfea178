//! The smaller derives: `#[derive(StateValue)]`, `#[derive(TimerTag)]` and `#[derive(SideOutputs)]`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Data, DeriveInput, Error, Field, Fields, Member, Result, ext::IdentExt, parse2, punctuated::Punctuated};

/// Returns the named fields of a struct without parameters; the error is `wrong`.
pub(crate) fn named_fields<'a>(input: &'a DeriveInput, wrong: &str) -> Result<&'a Punctuated<Field, syn::Token![,]>> {
    match &input.data {
        Data::Struct(data) if input.generics.params.is_empty() => match &data.fields {
            Fields::Named(fields) => Ok(&fields.named),
            _ => Err(Error::new(input.ident.span(), wrong)),
        },
        _ => Err(Error::new(input.ident.span(), wrong)),
    }
}

pub(crate) fn state_value(input: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = parse2(input)?;
    let ident = &input.ident;
    let wrong = "a value of state is a struct whose fields are values of state: write it without parameters and references, \
                 and implement `flowgate_sdk::StateValue` for an enum to say which number stands for which variant";
    let Data::Struct(data) = &input.data else { return Err(Error::new(ident.span(), wrong)) };
    if !input.generics.params.is_empty() {
        return Err(Error::new(ident.span(), wrong));
    }
    let members: Vec<Member> = data.fields.members().collect();
    let types: Vec<_> = data.fields.iter().map(|field| &field.ty).collect();
    Ok(quote! {
        impl ::flowgate_sdk::StateValue for #ident {
            #[inline]
            fn encode(&self, __bytes: &mut ::std::vec::Vec<u8>) {
                let _ = &__bytes;
                #(<#types as ::flowgate_sdk::StateValue>::encode(&self.#members, __bytes);)*
            }

            #[inline]
            fn decode(__bytes: &mut &[u8]) -> ::std::option::Option<Self> {
                let _ = &__bytes;
                ::std::option::Option::Some(#ident {
                    #(#members: <#types as ::flowgate_sdk::StateValue>::decode(__bytes)?,)*
                })
            }
        }
    })
}

pub(crate) fn timer_tag(input: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = parse2(input)?;
    let ident = &input.ident;
    let wrong =
        format!("the tag of a timer is an enum without fields: write `enum {ident} {{ Quiet = 1, Report = 2 }}`");
    let Data::Enum(data) = &input.data else { return Err(Error::new(ident.span(), wrong)) };
    if data.variants.is_empty() || data.variants.iter().any(|variant| !matches!(variant.fields, Fields::Unit)) {
        return Err(Error::new(ident.span(), wrong));
    }
    let variants: Vec<&Ident> = data.variants.iter().map(|variant| &variant.ident).collect();
    Ok(quote! {
        impl ::flowgate_sdk::TimerTag for #ident {
            #[inline(always)]
            fn number(self) -> u64 {
                self as u64
            }

            #[inline(always)]
            fn of(__number: u64) -> ::std::option::Option<Self> {
                #(if __number == #ident::#variants as u64 {
                    return ::std::option::Option::Some(#ident::#variants);
                })*
                ::std::option::Option::None
            }
        }
    })
}

pub(crate) fn side_outputs(input: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = parse2(input)?;
    let ident = &input.ident;
    let example = format!("write `struct {ident} {{ rejected: SideOutput<Reason<'static>> }}`");
    let wrong = format!("side outputs are a struct with a named field for each, without a lifetime: {example}");
    let fields = named_fields(&input, &wrong)?;
    let mut members: Vec<&Ident> = Vec::new();
    for name in fields.iter().filter_map(|field| field.ident.as_ref()) {
        if name.unraw() == "errors" || name.unraw() == "late" {
            let message = format!("the output `{name}` is reserved by the host: name the field otherwise");
            return Err(Error::new(name.span(), message));
        }
        members.push(name);
    }
    let names = members.iter().map(|name| name.unraw().to_string());
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    Ok(quote! {
        const _: () = {
            use ::flowgate_sdk::__export as __sdk;

            impl ::flowgate_sdk::SideOutputs for #ident {
                fn specs(_names: &[&'static str]) -> ::std::vec::Vec<__sdk::OutputSpec> {
                    ::std::vec![#(<#types as __sdk::SideSink>::spec(#names)),*]
                }

                fn new(__batch: &__sdk::Batch) -> Self {
                    #ident { #(#members: <#types as __sdk::SideSink>::new(__batch),)* }
                }

                #[inline(always)]
                fn set_row(&mut self, __row: u32) {
                    #(__sdk::SideSink::set_row(&mut self.#members, __row);)*
                }

                fn take_back(&mut self, __row: u32) {
                    #(__sdk::SideSink::take_back(&mut self.#members, __row);)*
                }

                fn finish(self, __given: usize) -> ::std::vec::Vec<__sdk::RowsOut> {
                    ::std::vec![#(__sdk::SideSink::finish(self.#members, __given)),*]
                }
            }
        };
    })
}
