//! A copy of the catalog, while the node runs.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use flowgate_api::problem::Problem;
use flowgate_base::error::Error;
use flowgate_base::random;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::file;
use super::jobs::blocking;
use super::refusal::Answer;
use crate::node::Node;

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new().routes(routes!(catalog))
}

/// A file that is removed when this is dropped.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What is left costs room alone.
        let _ = fs::remove_file(&self.0);
    }
}

/// A consistent copy of the catalog. It has the hashes of tokens and the encrypted secrets of all tenants, and not the key of the secrets.
#[utoipa::path(get, path = "/api/v1/backup", tag = "node", security(("token" = ["node"])),
    responses((status = 200, description = "The copy: a `catalog.redb`.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "default", body = Problem, description = "A problem.")))]
async fn catalog(State(node): State<Arc<Node>>) -> Answer<Response> {
    let copy = blocking(move || {
        let name = format!("catalog-{}.copy", HEXLOWER.encode(&random::bytes::<8>()?));
        let unfinished = Unfinished(node.settings.data.join(name));
        node.catalog.copy_to(&unfinished.0)?;
        let file = File::open(&unfinished.0)
            .map_err(|error| Error::io(format!("cannot read {}", unfinished.0.display()), &error))?;
        // The name is removed here; the file goes when the response has been sent.
        Ok(file)
    })
    .await?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], file::body(copy)).into_response())
}
