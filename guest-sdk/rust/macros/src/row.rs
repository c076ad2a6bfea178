//! `#[derive(Row)]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::{
    Data, DeriveInput, Error, Field, Fields, GenericArgument, GenericParam, Lifetime, LitStr, PathArguments, Result,
    Type, ext::IdentExt, parse2,
};

use crate::arguments::Problems;

/// One column.
struct Column {
    field: Ident,
    ty: Type,
    name: LitStr,
}

pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = parse2(input)?;
    let mut problems = Problems::default();
    let passthrough = passthrough(&input)?;
    let lifetime = lifetime(&input)?;
    let fields = named_fields(&input)?;
    let mut columns: Vec<Column> = Vec::new();
    for field in fields {
        match column(field) {
            Ok(column) if columns.iter().any(|other| other.name.value() == column.name.value()) => {
                problems.add(Error::new(
                    column.name.span(),
                    format!("two fields are the column `{}`: name one otherwise", column.name.value()),
                ))
            }
            Ok(column) => columns.push(column),
            Err(problem) => problems.add(problem),
        }
    }
    problems.none_or_err()?;
    Ok(implementations(&input.ident, lifetime.as_ref(), passthrough, &columns))
}

fn passthrough(input: &DeriveInput) -> Result<bool> {
    let mut passthrough = false;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("passthrough") {
                return Err(
                    meta.error("on a struct, `#[row(passthrough)]` is all there is; a column's name goes on its field")
                );
            }
            passthrough = true;
            Ok(())
        })?;
    }
    Ok(passthrough)
}

fn lifetime(input: &DeriveInput) -> Result<Option<Lifetime>> {
    let mut lifetime = None;
    for parameter in &input.generics.params {
        match parameter {
            GenericParam::Lifetime(parameter) if lifetime.is_none() => lifetime = Some(parameter.lifetime.clone()),
            GenericParam::Lifetime(parameter) => {
                return Err(Error::new_spanned(
                    parameter,
                    "a row borrows from one batch: give all its references the same lifetime",
                ));
            }
            other => {
                return Err(Error::new_spanned(
                    other,
                    "a row has columns of fixed types: write the type instead of a parameter",
                ));
            }
        }
    }
    Ok(lifetime)
}

fn named_fields(input: &DeriveInput) -> Result<impl Iterator<Item = &Field>> {
    let wrong = |what: &str| {
        let example = format!(
            "a row is a struct with a named field for each column, not {what}: write `struct {} {{ text: \
                               &'a str, size: Option<i64> }}`",
            input.ident
        );
        Err(Error::new(input.ident.span(), example))
    };
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(fields.named.iter()),
            Fields::Unnamed(_) => wrong("a tuple struct"),
            Fields::Unit => wrong("a struct without fields"),
        },
        Data::Enum(_) => wrong("an enum"),
        Data::Union(_) => wrong("a union"),
    }
}

fn column(field: &Field) -> Result<Column> {
    let Some(ident) = field.ident.clone() else { return Err(Error::new_spanned(field, "a field without a name")) };
    let mut name = LitStr::new(&ident.unraw().to_string(), ident.span());
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("name") {
                return Err(meta.error("on a field, `#[row(name = \"...\")]` is all there is"));
            }
            name = meta.value()?.parse()?;
            Ok(())
        })?;
    }
    if !(1..=255).contains(&name.value().len()) {
        return Err(Error::new(name.span(), "a column's name has 1 to 255 bytes"));
    }
    if let Some(advice) = advice(&field.ty) {
        return Err(Error::new_spanned(&field.ty, advice));
    }
    Ok(Column { field: ident, ty: field.ty.clone(), name })
}

/// Returns what to write instead of a type that cannot be a column; `None` where it can.
fn advice(ty: &Type) -> Option<String> {
    const COLUMNS: &str = "columns are `bool`, `i64`, `f64`, `&str`, `&[u8]`, `Timestamp`, `Json`, their owned forms `String`, \
                           `Vec<u8>` and `Cow`, and `Option` of these (no aliases)";
    match ty {
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let name = last.ident.to_string();
            let instead = match name.as_str() {
                "bool" | "i64" | "f64" | "String" | "Vec" | "Cow" | "Timestamp" | "Json" | "Concat" | "Formatted" => {
                    return None;
                }
                "Option" => return advice(only_argument(&last.arguments)?),
                "i8" | "i16" | "i32" | "u8" | "u16" | "u32" | "u64" | "usize" | "isize" | "u128" | "i128" => {
                    "write `i64`, and convert inside the function"
                }
                "f32" => "write `f64`",
                "char" => "write `&'a str`",
                "SystemTime" | "Instant" | "DateTime" | "NaiveDateTime" => "write `flowgate_sdk::Timestamp`",
                _ => COLUMNS,
            };
            Some(format!("a column cannot hold `{name}`: {instead}"))
        }
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => None,
            Type::Slice(_) => None,
            Type::Path(path) if path.path.segments.last()?.ident == "Vec" => {
                Some("a row borrows from the batch: write `&'a [u8]`".into())
            }
            _ => Some("a row borrows from the batch: write `&'a str`, `&'a [u8]`, or the value itself".into()),
        },
        Type::Tuple(_) => Some("a column holds one value: write a field for each part".into()),
        _ => Some(COLUMNS.into()),
    }
}

fn only_argument(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }
}

fn implementations(row: &Ident, lifetime: Option<&Lifetime>, passthrough: bool, columns: &[Column]) -> TokenStream {
    // The lifetime of the batch; the row has it where it borrows.
    let batch = lifetime.cloned().unwrap_or_else(|| Lifetime::new("'batch", Span::mixed_site()));
    let (generics, row_type) = match lifetime {
        Some(lifetime) => (quote!(<#lifetime>), quote!(#row<#lifetime>)),
        None => (quote!(), quote!(#row)),
    };
    let (views, builders) = (format_ident!("{row}Columns"), format_ident!("{row}Builders"));
    let fields: Vec<&Ident> = columns.iter().map(|column| &column.field).collect();
    let names = columns.iter().map(|column| &column.name);
    let types: Vec<&Type> = columns.iter().map(|column| &column.ty).collect();
    let owned = columns.iter().map(|column| with_static(column.ty.clone(), lifetime)).collect::<Vec<_>>();
    let index = 0..columns.len();
    // The read impl exists where every field can be read; a row of `Concat`s can only be written.
    quote! {
        const _: () = {
            use ::flowgate_sdk::__export as __sdk;

            impl #generics ::flowgate_sdk::Row for #row_type {
                const FIELDS: &'static [::flowgate_sdk::Field] = &[#(__sdk::field::<#types>(#names)),*];
                const PASSTHROUGH: bool = #passthrough;
            }

            #[doc(hidden)]
            #[allow(missing_docs, missing_debug_implementations)]
            pub struct #views<#batch> where #(#types: __sdk::ReadField<#batch>,)* {
                #(pub #fields: <#types as __sdk::ReadField<#batch>>::Column,)*
            }

            impl<#batch> ::flowgate_sdk::ReadRow<#batch> for #row_type where #(#types: __sdk::ReadField<#batch>,)* {
                type Columns = #views<#batch>;

                #[inline(always)]
                fn columns(__batch: &#batch __sdk::Batch) -> Self::Columns {
                    let (__rows, __columns) = (__batch.rows(), __batch.columns());
                    #views { #(#fields: <#types as __sdk::ReadField<#batch>>::column(&__columns[#index], __rows),)* }
                }

                #[inline(always)]
                fn read(__columns: &Self::Columns, __row: usize) -> Self {
                    #row { #(#fields: <#types as __sdk::ReadField<#batch>>::get(&__columns.#fields, __row),)* }
                }
            }

            #[doc(hidden)]
            #[allow(missing_docs)]
            #[derive(Debug)]
            pub struct #builders {
                #(pub #fields: <#owned as __sdk::WriteField>::Builder,)*
            }

            impl #generics ::flowgate_sdk::WriteRow for #row_type {
                type Columns = #builders;

                #[inline(always)]
                fn write(self, __columns: &mut #builders) {
                    #(<#types as __sdk::WriteField>::write(self.#fields, &mut __columns.#fields);)*
                }
            }

            impl __sdk::BuildRow for #builders {
                #[inline]
                fn with_capacity(__rows: usize, __bytes: usize) -> Self {
                    let __bytes = __sdk::bytes_each(<#row as ::flowgate_sdk::Row>::FIELDS, __bytes);
                    #builders { #(#fields: __sdk::builder(__rows, __bytes),)* }
                }

                fn truncate(&mut self, __len: usize) {
                    #(__sdk::truncate(&mut self.#fields, __len);)*
                }

                #[inline]
                fn finish(self) -> ::std::vec::Vec<(usize, __sdk::Column)> {
                    ::std::vec![#(__sdk::finished(self.#fields)),*]
                }
            }
        };
    }
}

/// Returns the type with `'static` for the row's lifetime: builders own what they collect, even where the row borrows.
fn with_static(ty: Type, lifetime: Option<&Lifetime>) -> TokenStream {
    fn replace(tokens: TokenStream, name: &str) -> TokenStream {
        let mut after_quote = false;
        tokens
            .into_iter()
            .map(|token| match token {
                proc_macro2::TokenTree::Ident(ident) if after_quote && ident == name => {
                    after_quote = false;
                    Ident::new("static", ident.span()).into()
                }
                proc_macro2::TokenTree::Group(group) => {
                    after_quote = false;
                    let mut replaced = proc_macro2::Group::new(group.delimiter(), replace(group.stream(), name));
                    replaced.set_span(group.span());
                    replaced.into()
                }
                token => {
                    after_quote = matches!(&token, proc_macro2::TokenTree::Punct(punct) if punct.as_char() == '\'');
                    token
                }
            })
            .collect()
    }
    let tokens = quote!(#ty);
    match lifetime {
        Some(lifetime) => replace(tokens, &lifetime.ident.to_string()),
        None => tokens,
    }
}
