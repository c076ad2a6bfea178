//! The OpenAPI document: what all routes share.

use flowgate_api::problem::MEDIA_TYPE;
use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

/// The media type of a component.
const COMPONENT: &str = "application/wasm";

/// The document of the node, served as JSON.
pub(crate) struct Text(pub(crate) String);

#[derive(OpenApi)]
#[openapi(info(
    title = "Flowgate",
    description = "The API of a node: tenants, plugins, jobs. Errors are problems (RFC 9457). Lists have parts: `next` of one is `after` of the next.",
    license(name = "Apache-2.0")
))]
struct Shared;

/// Returns what is the same for all routes.
pub(crate) fn of_node() -> utoipa::openapi::OpenApi {
    let mut document = Shared::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("`fg_ID_SECRET`")).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    document
}

/// Returns the document as text.
pub(crate) fn text(document: &utoipa::openapi::OpenApi) -> Text {
    let mut document = serde_json::to_value(document).expect("the document has text keys only");
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in paths.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut()) {
        complete(operation);
    }
    Text(document.to_string())
}

/// Adds what is the same for all operations: every error is a problem, and a component is no text.
fn complete(operation: &mut Value) {
    let problem = json!({
        "description": "A problem (RFC 9457).",
        "content": { MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } }
    });
    operation["responses"]["default"] = problem;
    let responses = operation["responses"].as_object_mut().into_iter().flat_map(|responses| responses.values_mut());
    let contents = responses.filter_map(|response| response.get_mut("content"));
    for component in contents.filter_map(|content| content.get_mut(COMPONENT)) {
        *component = json!({ "schema": { "type": "string", "format": "binary" } });
    }
    if let Some(component) = operation.pointer_mut("/requestBody/content").and_then(|of| of.get_mut(COMPONENT)) {
        *component = json!({ "schema": { "type": "string", "format": "binary" } });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_says_what_an_error_is() {
        let document: Value = serde_json::from_str(&text(&crate::api::router::routes().1).0).unwrap();
        assert!(document["components"]["schemas"]["Problem"].is_object());
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let content = operation["responses"]["default"]["content"].as_object().unwrap();
                assert_eq!(content.keys().collect::<Vec<_>>(), [MEDIA_TYPE], "{method} {path}");
            }
        }
    }
}
