//! What a request brings: a body of JSON within its limits, and which part of a list it asks for.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use bytes::Bytes;
use flowgate_api::problem::Code;
use flowgate_api::{Page, object};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::refusal::Refusal;
use crate::limits::{JSON_BYTES_MAX, JSON_WITHIN, PAGE_DEFAULT, PAGE_MAX};

/// Returns the media type of a body, without its parameters; `None` if it has none, or one that is no text.
pub(crate) fn media_type(request: &Request) -> Option<&str> {
    request.headers().get(CONTENT_TYPE)?.to_str().ok()?.split(';').next().map(str::trim)
}

/// A body of JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        if media_type(&request) != Some("application/json") {
            return Err(Refusal::new(Code::UnsupportedMediaType, "the body has to be application/json"));
        }
        let body = whole(request.into_body()).await?;
        let mut body = serde_json::Deserializer::from_slice(&body);
        let value = object::of(&mut body).and_then(|value| body.end().map(|()| Json(value)));
        value.map_err(|error| {
            let code = if error.is_data() { Code::Invalid } else { Code::BadRequest };
            Refusal::new(code, format!("the body is not what the route takes: {error}"))
        })
    }
}

/// A body of JSON, or none, which stands for the default.
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if request.headers().get(CONTENT_TYPE).is_some() {
            return Json::from_request(request, state).await.map(|Json(value)| OptionalJson(value));
        }
        match whole(request.into_body()).await?.is_empty() {
            true => Ok(OptionalJson(T::default())),
            false => Err(Refusal::new(Code::UnsupportedMediaType, "the body has to be application/json")),
        }
    }
}

async fn whole(body: Body) -> Result<Bytes, Refusal> {
    let read = tokio::time::timeout(JSON_WITHIN, Limited::new(body, JSON_BYTES_MAX).collect());
    match read.await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Refusal::new(Code::TooLarge, format!("the body may have {JSON_BYTES_MAX} bytes")))
        }
        Ok(Err(_)) => Err(Refusal::new(Code::BadRequest, "the body ended before its end")),
        Err(_) => {
            Err(Refusal::new(Code::TooSlow, format!("the body has to arrive within {} s", JSON_WITHIN.as_secs())))
        }
    }
}

/// Parameters of the path, after the check of the tenant; one that is not readable is a thing that is not there.
pub(crate) struct Names<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Names<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Names(names)),
            Err(_) => Err(Refusal::not_found("thing")),
        }
    }
}

/// Parameters of the query.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Asked(asked)),
            Err(error) => Err(Refusal::new(
                Code::BadRequest,
                format!("the query is not what the route takes: {}", error.body_text()),
            )),
        }
    }
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// The part behind this entry: `next` of the part before.
    pub(crate) after: Option<String>,
    /// Entries at most. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<u32>,
}

impl Paging {
    /// Returns the number of entries.
    ///
    /// # Errors
    /// It is out of range.
    pub(crate) fn limit(&self) -> Result<usize, Refusal> {
        limit(self.limit)
    }
}

/// Which part of a list of numbered entries, newest first.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NumberPaging {
    /// The part behind this entry, which has smaller numbers: `next` of the part before.
    pub(crate) after: Option<u64>,
    /// Entries at most. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<u32>,
}

impl NumberPaging {
    /// Returns the number behind which the part begins.
    ///
    /// # Errors
    /// It is no number of an entry.
    pub(crate) fn after(&self) -> Result<Option<u64>, Refusal> {
        match self.after {
            Some(after) if i64::try_from(after).is_err() => {
                Err(Refusal::new(Code::BadRequest, "`after` is what `next` of the part before was"))
            }
            after => Ok(after),
        }
    }

    /// Returns the number of entries.
    ///
    /// # Errors
    /// It is out of range.
    pub(crate) fn limit(&self) -> Result<usize, Refusal> {
        limit(self.limit)
    }
}

fn limit(limit: Option<u32>) -> Result<usize, Refusal> {
    match limit.map(|limit| limit as usize) {
        None => Ok(PAGE_DEFAULT),
        Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(Refusal::new(Code::BadRequest, format!("`limit` is from 1 to {PAGE_MAX}"))),
    }
}

/// Makes the part behind the entry `after` of a whole list of entries with their keys. Behind an entry that is gone, there is nothing.
pub(crate) fn part<T>(all: Vec<(String, T)>, after: Option<&str>, limit: usize) -> Page<T> {
    let begins = after.map_or(0, |after| all.iter().position(|(key, _)| key == after).map_or(all.len(), |at| at + 1));
    page(all.into_iter().skip(begins).take(limit + 1).collect(), limit)
}

/// Makes a part of a list of entries with their keys, of which one more was read than the part has.
pub(crate) fn page<T>(mut found: Vec<(String, T)>, limit: usize) -> Page<T> {
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(key, _)| key.clone());
    Page { items: found.into_iter().map(|(_, item)| item).collect(), next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_says_where_the_next_one_begins() {
        let entries = |n: usize| (0..n).map(|i| (format!("k{i}"), i)).collect::<Vec<_>>();
        assert_eq!(page(entries(3), 2), Page { items: vec![0, 1], next: Some("k1".into()) });
        assert_eq!(page(entries(2), 2), Page { items: vec![0, 1], next: None });
        assert_eq!(page(entries(0), 2), Page { items: vec![], next: None });
        assert_eq!(part(entries(4), Some("k0"), 2), Page { items: vec![1, 2], next: Some("k2".into()) });
        assert_eq!(part(entries(4), Some("k2"), 2), Page { items: vec![3], next: None });
        assert_eq!(part(entries(4), Some("gone"), 2), Page { items: vec![], next: None });
    }
}
