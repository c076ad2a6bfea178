//! A function's config: from the job's JSON to a typed value.

use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// A config as the job writes it. Implemented by [`#[config]`](macro@crate::config), and by `()` for functions without one.
///
/// ```
/// use flowgate_sdk::{Config, Row};
///
/// #[flowgate_sdk::config]
/// struct Limit {
///     /// Orders above it are let through.
///     limit: i64,
/// }
///
/// #[derive(Row)]
/// struct Order { total: i64 }
///
/// #[flowgate_sdk::transform]
/// fn large(order: Order, config: &Limit) -> bool {
///     order.total > config.limit
/// }
///
/// assert!(Limit::schema().unwrap().contains("let through"));
/// let out = flowgate_sdk::testing::run::<large, _>(r#"{"limit": 5}"#, [4, 6].map(|total| Order { total })).unwrap();
/// assert_eq!(out.selection(), [1]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no config",
    label = "no config",
    note = "write `#[flowgate_sdk::config]` above the struct, or implement `flowgate_sdk::FromConfig` for what is made of one"
)]
pub trait Config: Sized {
    /// The JSON Schema (draft 2020-12) of the config; `None` where there is no config.
    fn schema() -> Option<String>;
    /// Parses the config.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    fn parse(json: &str) -> Result<Self, String>;
}

impl Config for () {
    fn schema() -> Option<String> {
        None
    }

    fn parse(json: &str) -> Result<Self, String> {
        match json.trim() {
            "" | "null" => Ok(()),
            object if object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).is_some_and(blank) => Ok(()),
            _ => Err("the function takes no config: leave it out".into()),
        }
    }
}

fn blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// The config parameter of a function: the config itself, or something that is made from it once, when the function is opened: a
/// compiled pattern, a lookup table read from a granted [`File`](crate::files::File).
///
/// ```
/// use flowgate_sdk::{Failure, FromConfig, Row};
///
/// #[flowgate_sdk::config]
/// struct Words {
///     /// Words that are left out, separated by blanks.
///     stop: String,
/// }
///
/// struct StopWords(std::collections::HashSet<String>);
///
/// impl FromConfig for StopWords {
///     type Config = Words;
///     fn from_config(config: Words) -> Result<Self, Failure> {
///         if config.stop.is_empty() {
///             return Err(Failure::new("`stop` names no word: name one, or leave the operator out"));
///         }
///         Ok(StopWords(config.stop.split(' ').map(String::from).collect()))
///     }
/// }
///
/// #[derive(Row)]
/// struct Word<'a> { word: &'a str }
///
/// #[flowgate_sdk::transform]
/// fn keep(row: Word, stop: &StopWords) -> bool {
///     !stop.0.contains(row.word)
/// }
/// let words = ["the", "gate"].map(|word| Word { word });
/// assert_eq!(flowgate_sdk::testing::run::<keep, _>(r#"{"stop": "a the"}"#, words).unwrap().selection(), [1]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no config of a function",
    label = "no config",
    note = "write `#[flowgate_sdk::config]` above the struct, or implement `flowgate_sdk::FromConfig` for what is made of one"
)]
pub trait FromConfig: Sized + 'static {
    /// The config that the job writes.
    type Config: Config;
    /// Makes the value from the config.
    ///
    /// # Errors
    /// What is wrong with the config and what would be right. The job does not start.
    fn from_config(config: Self::Config) -> Result<Self, Failure>;
}

impl<C: Config + 'static> FromConfig for C {
    type Config = C;
    fn from_config(config: C) -> Result<C, Failure> {
        Ok(config)
    }
}

/// Returns the schema of a struct under `#[config]`.
pub fn schema<T: schemars::JsonSchema>() -> Option<String> {
    // A schema is a JSON value, which always has a text.
    serde_json::to_string(&schemars::schema_for!(T)).ok()
}

/// Parses a struct under `#[config]`.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| format!("the config does not match: {error}"))
}

/// Parses the config and makes the function's config parameter from it.
pub(crate) fn open<T: FromConfig>(json: &str) -> Result<T, String> {
    T::from_config(T::Config::parse(json)?).map_err(Failure::into_message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_config_is_an_empty_object() {
        for json in ["{}", " { } ", "null", ""] {
            assert_eq!(<() as Config>::parse(json), Ok(()));
        }
        for json in ["{\"a\": 1}", "[]", "1"] {
            assert_eq!(<() as Config>::parse(json), Err("the function takes no config: leave it out".into()));
        }
    }
}
