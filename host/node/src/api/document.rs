//! The OpenAPI document: what all routes share.

use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

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
    Text(document.to_json().expect("the document has text keys only"))
}
