//! The page, and the headers that tell a browser what it may do with any response.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::page::{CACHE_DATA, CACHE_FILES, PageFile, SECURITY_HEADERS, all, find};

/// Returns the routes of the page's files. They are public: they hold no data.
pub(super) fn routes() -> Router {
    let of = |path: &'static str, file: &'static PageFile| (path, get(move |headers: HeaderMap| served(headers, file)));
    let files = all().iter().map(|file| of(file.path, file));
    let root = find("/").map(|file| of("/", file));
    files.chain(root).fold(Router::new(), |router, (path, file)| router.route(path, file))
}

async fn served(headers: HeaderMap, file: &'static PageFile) -> Response {
    let about = [
        (CACHE_CONTROL, HeaderValue::from_static(CACHE_FILES)),
        (ETAG, HeaderValue::from_str(&file.etag).expect("a tag is hexadecimal")),
        (CONTENT_TYPE, HeaderValue::from_static(file.content_type)),
    ];
    let known = headers.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == file.etag.as_bytes());
    match known {
        true => (StatusCode::NOT_MODIFIED, about).into_response(),
        false => (about, file.bytes).into_response(),
    }
}

/// Adds the headers of every response.
pub(super) async fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static(CACHE_DATA));
    response
}
