//! `#[derive(State)]`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{
    DeriveInput, Error, ExprPath, Field, LitInt, LitStr, Result, Token, ext::IdentExt, parenthesized, parse::Parse,
    parse::ParseStream, parse2, punctuated::Punctuated,
};

use crate::arguments::Problems;
use crate::parts::named_fields;

/// One slot.
struct Slot {
    field: Ident,
    ty: syn::Type,
    name: String,
    version: u32,
    ttl_ms: Option<u64>,
    migrations: Vec<Migration>,
}

/// `1 = widen`: the function that migrates values of a version.
struct Migration {
    written: LitInt,
    version: u32,
    function: ExprPath,
}

impl Parse for Migration {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let written: LitInt = input.parse().map_err(|error| Error::new(error.span(), MIGRATION))?;
        input.parse::<Token![=]>().map_err(|error| Error::new(error.span(), MIGRATION))?;
        let function = input.parse().map_err(|error| Error::new(error.span(), MIGRATION))?;
        Ok(Migration { version: written.base10_parse()?, written, function })
    }
}

const MIGRATION: &str = "write `migrate(1 = widen)`: an older version, and the function from its type to the slot's";

pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = parse2(input)?;
    let example = format!("`struct {} {{ last: Value<f64>, seen: Map<String, i64> }}`", input.ident);
    let fields = named_fields(&input, &format!("state is a struct with a named field for each slot: write {example}"))?;
    let mut problems = Problems::default();
    let mut slots: Vec<Slot> = Vec::new();
    for field in fields {
        match slot(field) {
            Ok(slot) if slots.iter().any(|other| other.name == slot.name) => {
                let message = format!("two slots have the name `{}`: name one otherwise", slot.name);
                problems.add(Error::new(slot.field.span(), message));
            }
            Ok(slot) => slots.push(slot),
            Err(problem) => problems.add(problem),
        }
    }
    problems.none_or_err()?;
    Ok(implementation(&input.ident, &slots))
}

fn slot(field: &Field) -> Result<Slot> {
    let Some(ident) = field.ident.clone() else { return Err(Error::new_spanned(field, "a slot without a name")) };
    let mut slot = Slot {
        name: ident.unraw().to_string(),
        field: ident,
        ty: field.ty.clone(),
        version: 1,
        ttl_ms: None,
        migrations: Vec::new(),
    };
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("state")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                slot.name = meta.value()?.parse::<LitStr>()?.value();
            } else if meta.path.is_ident("version") {
                slot.version = meta.value()?.parse::<LitInt>()?.base10_parse()?;
            } else if meta.path.is_ident("ttl") {
                slot.ttl_ms = Some(millis(&meta.value()?.parse::<LitStr>()?)?);
            } else if meta.path.is_ident("migrate") {
                let content;
                parenthesized!(content in meta.input);
                slot.migrations.extend(Punctuated::<Migration, Token![,]>::parse_terminated(&content)?);
            } else {
                let message = "on a slot, `#[state(name = \"...\", version = 2, migrate(1 = widen), ttl = \"1h\")]` is all \
                               there is";
                return Err(meta.error(message));
            }
            Ok(())
        })?;
    }
    let mut problems = Problems::default();
    for (index, Migration { written, version, .. }) in slot.migrations.iter().enumerate() {
        if *version >= slot.version {
            let message = format!("version {version} is not older than that of the slot, which is {}", slot.version);
            problems.add(Error::new(written.span(), message));
        } else if slot.migrations[..index].iter().any(|other| other.version == *version) {
            problems.add(Error::new(written.span(), format!("version {version} has a function already")));
        }
    }
    problems.none_or_err()?;
    Ok(slot)
}

/// The items of the implementation that migrate, if a slot does.
fn migrate(slots: &[Slot]) -> TokenStream {
    let arms = slots.iter().flat_map(|Slot { name, ty, migrations, .. }| {
        migrations.iter().map(move |Migration { version, function, .. }| {
            quote!((#name, #version) => __sdk::migrate_slot::<#ty, _, _>(__slot, __version, __values, #function),)
        })
    });
    let arms: Vec<TokenStream> = arms.collect();
    if arms.is_empty() {
        return TokenStream::new();
    }
    quote! {
        const MIGRATES: bool = true;

        fn migrate(
            __slot: &str,
            __version: u32,
            __values: &__sdk::VarValues,
        ) -> ::std::result::Result<__sdk::VarValues, ::std::string::String> {
            match (__slot, __version) {
                #(#arms)*
                _ => ::std::result::Result::Err(__sdk::not_migrated(
                    __slot,
                    __version,
                    &<Self as ::flowgate_sdk::State>::specs(),
                )),
            }
        }
    }
}

/// Reads a duration such as `30s`, in milliseconds.
fn millis(text: &LitStr) -> Result<u64> {
    let value = text.value();
    let digits = value.len() - value.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, unit) = value.split_at(digits);
    let unit = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let millis = unit.and_then(|unit: u64| number.parse::<u64>().ok()?.checked_mul(unit)).filter(|millis| *millis > 0);
    millis.ok_or_else(|| {
        Error::new(
            text.span(),
            "a time-to-live is a number over 0 with `ms`, `s`, `m`, `h` or `d` behind it: `ttl = \"1h\"`",
        )
    })
}

fn implementation(ident: &Ident, slots: &[Slot]) -> TokenStream {
    let fields: Vec<&Ident> = slots.iter().map(|slot| &slot.field).collect();
    let types: Vec<&syn::Type> = slots.iter().map(|slot| &slot.ty).collect();
    let names: Vec<&String> = slots.iter().map(|slot| &slot.name).collect();
    let versions = slots.iter().map(|slot| slot.version);
    let ttls = slots.iter().map(|slot| match slot.ttl_ms {
        Some(millis) => quote!(::std::option::Option::Some(#millis)),
        None => quote!(::std::option::Option::None),
    });
    let numbers = 0..slots.len() as u32;
    let migrate = migrate(slots);
    quote! {
        const _: () = {
            use ::flowgate_sdk::__export as __sdk;

            impl ::flowgate_sdk::State for #ident {
                #migrate

                fn specs() -> ::std::vec::Vec<__sdk::StateSpec> {
                    ::std::vec![#(__sdk::StateSpec {
                        name: #names,
                        kind: <#types as __sdk::Slot>::KIND,
                        version: #versions,
                        ttl_ms: #ttls,
                    }),*]
                }

                #[inline]
                fn new(__keys: usize) -> Self {
                    #ident { #(#fields: <#types as __sdk::Slot>::new(#numbers, __keys),)* }
                }

                #[inline(always)]
                fn begin(&mut self, __row: u32, __key: u32) {
                    #(<#types as __sdk::Slot>::begin(&mut self.#fields, __row, __key);)*
                }

                fn undo(&mut self) {
                    #(<#types as __sdk::Slot>::undo(&mut self.#fields);)*
                }

                fn fetch(&mut self) {
                    #(<#types as __sdk::Slot>::fetch(&mut self.#fields);)*
                }

                fn check(&self) -> ::std::result::Result<(), ::std::string::String> {
                    #(__sdk::check_slot(<#types as __sdk::Slot>::is_sound(&self.#fields), #names)?;)*
                    ::std::result::Result::Ok(())
                }

                fn write_back(self) {
                    #(<#types as __sdk::Slot>::write_back(self.#fields);)*
                }
            }
        };
    }
}
