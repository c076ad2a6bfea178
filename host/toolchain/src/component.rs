//! A core module with an embedded component type becomes a component.

use wasmparser::{Encoding, Parser, Payload};
use wit_component::ComponentEncoder;

use super::error::BuildError;
use flowgate_base::error::Result;

/// Wraps the module that a toolchain made as a component. A component is returned as it is.
///
/// # Errors
///
/// The bytes are not WebAssembly, the module has no component type, or its exports and imports do not fit the type.
pub(crate) fn from_module(bytes: Vec<u8>) -> Result<Vec<u8>> {
    match kind_of(&bytes)? {
        Kind::Component => Ok(bytes),
        Kind::Untyped => {
            let message = "the compiled module does not say which functions it has: does the crate call \
                           `flowgate_sdk::plugin! { ... }`?";
            Err(BuildError::NotAComponent(message.into()).into())
        }
        Kind::Typed => {
            let encode = || ComponentEncoder::default().validate(true).module(&bytes)?.encode();
            let misfit = |e| format!("the compiled module does not fit its component type: {e:#}");
            Ok(encode().map_err(|e| BuildError::NotAComponent(misfit(e)))?)
        }
    }
}

enum Kind {
    Component,
    /// A core module that carries the type of the component that it is to become.
    Typed,
    /// A core module that does not.
    Untyped,
}

fn kind_of(bytes: &[u8]) -> Result<Kind> {
    let mut kind = Kind::Untyped;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|e| BuildError::NotAComponent(format!("not WebAssembly: {e}")))? {
            Payload::Version { encoding: Encoding::Component, .. } => return Ok(Kind::Component),
            Payload::CustomSection(section) if section.name().starts_with("component-type") => kind = Kind::Typed,
            _ => {}
        }
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use wit_component::{StringEncoding, embed_component_metadata};
    use wit_parser::Resolve;

    use super::*;

    /// A module with the type of a world that exports `answer: func() -> u32`.
    fn typed(wat: &str) -> Vec<u8> {
        let mut module = wat::parse_str(wat).unwrap();
        let mut resolve = Resolve::default();
        let text = "package test:test; world w { export answer: func() -> u32; }";
        let package = resolve.push_str("w.wit", text).unwrap();
        let world = resolve.select_world(&[package], Some("w")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        module
    }

    #[test]
    fn a_typed_module_becomes_a_component_and_a_component_stays_one() {
        let component = from_module(typed(r#"(module (func (export "answer") (result i32) i32.const 42))"#)).unwrap();
        assert!(matches!(kind_of(&component), Ok(Kind::Component)));
        assert_eq!(from_module(component.clone()), Ok(component));
    }

    #[test]
    fn a_module_without_a_type_is_told_of_the_macro() {
        let error = from_module(wat::parse_str("(module)").unwrap()).unwrap_err();
        assert!(error.message.contains("flowgate_sdk::plugin!"), "{error}");
    }

    #[test]
    fn a_module_that_lacks_an_export_of_its_type_is_refused() {
        let error = from_module(typed("(module)")).unwrap_err();
        assert!(error.message.contains("answer"), "{error}");
    }

    #[test]
    fn what_is_not_webassembly_is_refused() {
        assert!(from_module(b"hello".to_vec()).unwrap_err().message.starts_with("not WebAssembly"));
    }
}
