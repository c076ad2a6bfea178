//! `#[process]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{
    Error, Ident, ImplItem, ItemImpl, LitStr, Result, Type, ext::IdentExt, parse::Parser, parse_quote, parse2,
    spanned::Spanned,
};

use crate::aggregate::snake_case;
use crate::arguments::{Problems, doc, function_name, own_name};
use crate::print;

const TYPES: [&str; 7] = ["Row", "Other", "Key", "State", "Tag", "Output", "Sides"];
const FUNCTIONS: [&str; 8] =
    ["on_row", "on_other", "on_timer", "prefetch", "prefetch_other", "prefetch_timer", "choose", "ttl_ms"];

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut name = None;
    let parser = syn::meta::parser(|meta| {
        if !meta.path.is_ident("name") {
            return Err(meta.error("write `#[process]` or `#[process(name = \"...\")]`"));
        }
        name = Some(function_name(&meta.value()?.parse::<LitStr>()?)?);
        Ok(())
    });
    parser.parse2(arguments)?;
    let mut item: ItemImpl = parse2(item).map_err(|error| wrong_item(error.span()))?;
    let ident = self_name(&item)?;
    let name = match name {
        Some(name) => name,
        None => own_name(&snake_case(&ident.unraw().to_string()), ident.span())?,
    };
    let present = present(&item)?;
    let has = |name: &str| present.iter().any(|present| present == name);
    let two_inputs = has("Other");
    let prefetches = present.iter().any(|name| name.starts_with("prefetch"));
    fill_in(&mut item, &has);
    for part in &mut item.items {
        if let ImplItem::Fn(function) = part {
            print::to_log(&mut function.block);
        }
    }
    let doc = doc(&item.attrs);
    let self_type = &item.self_ty;
    item.items.push(parse_quote!(const TWO_INPUTS: bool = #two_inputs;));
    item.items.push(parse_quote!(const PREFETCHES: bool = #prefetches;));
    Ok(quote! {
        impl ::flowgate_sdk::__export::Named for #self_type {
            const NAME: &'static str = #name;
            const DOC: &'static str = #doc;
        }

        #item
    })
}

fn wrong_item(span: Span) -> Error {
    Error::new(span, "`#[process]` goes above the implementation of a process function: `impl Process for Threshold`")
}

/// Returns the name of the type that the trait is implemented for.
fn self_name(item: &ItemImpl) -> Result<Ident> {
    let of_process = item
        .trait_
        .as_ref()
        .is_some_and(|(path, ..)| path.segments.last().is_some_and(|segment| segment.ident == "Process"));
    if !of_process {
        return Err(wrong_item(item.self_ty.span()));
    }
    if !item.generics.params.is_empty() {
        let message = "a process function is one type: write the types instead of parameters";
        return Err(Error::new_spanned(&item.generics, message));
    }
    let name = match &*item.self_ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.clone()),
        _ => None,
    };
    let message = "a process function is a struct of yours: `impl Process for Threshold`";
    name.ok_or_else(|| Error::new_spanned(&item.self_ty, message))
}

/// Returns the names of the items of the `impl`; an item that the trait does not have is an error.
fn present(item: &ItemImpl) -> Result<Vec<String>> {
    let mut problems = Problems::default();
    let mut present = Vec::new();
    for part in &item.items {
        let (name, known, what) = match part {
            ImplItem::Type(part) => (&part.ident, &TYPES[..], "type"),
            ImplItem::Fn(part) => (&part.sig.ident, &FUNCTIONS[..], "function"),
            other => {
                problems.add(Error::new_spanned(other, "a process function has types and functions only"));
                continue;
            }
        };
        if known.iter().any(|known| name == known) {
            present.push(name.to_string());
        } else {
            let message = format!("a process function has no {what} `{name}`; it has {}", known.join(", "));
            problems.add(Error::new(name.span(), message));
        }
    }
    let span = item.self_ty.span();
    for (name, example) in [
        ("Row", "the columns it reads: `type Row<'a> = Reading<'a>;`"),
        ("on_row", "`fn on_row(&self, row: Reading<'_>, ctx: &mut Context<'_, Self>) -> Result<(), Failure>`"),
    ] {
        if !present.iter().any(|present| present == name) {
            problems.add(Error::new(span, format!("a process function says `{name}`: {example}")));
        }
    }
    for (one, other) in [("Other", "on_other"), ("on_other", "Other"), ("prefetch_other", "Other")] {
        let has = |name: &str| present.iter().any(|present| present == name);
        if has(one) && !has(other) {
            let message =
                format!("a second input has both, `type Other<'a> = ...` and `fn on_other`: `{other}` is missing");
            problems.add(Error::new(span, message));
        }
    }
    problems.none_or_err()?;
    Ok(present)
}

/// Adds the associated types that were left out.
fn fill_in(item: &mut ItemImpl, has: &impl Fn(&str) -> bool) {
    let defaults: [(&str, ImplItem); 6] = [
        (
            "Other",
            parse_quote!(
                type Other<'__a> = ::flowgate_sdk::__export::NoInput;
            ),
        ),
        (
            "Key",
            parse_quote!(
                type Key<'__a> = ();
            ),
        ),
        (
            "State",
            parse_quote!(
                type State = ();
            ),
        ),
        (
            "Tag",
            parse_quote!(
                type Tag = u64;
            ),
        ),
        (
            "Output",
            parse_quote!(
                type Output = ();
            ),
        ),
        (
            "Sides",
            parse_quote!(
                type Sides = ();
            ),
        ),
    ];
    item.items.extend(defaults.into_iter().filter(|(name, _)| !has(name)).map(|(_, part)| part));
}
