//! Texts of other types than `&str`.

use std::fmt::Display;

use crate::row::field::{FieldType, Required};
use crate::schema::DataType;

/// One JSON value as text: the type of `json` columns, which carry nested data. The host does not parse it on the way.
///
/// ```
/// use flowgate_sdk::{Failure, Json, Row};
///
/// #[derive(Row)]
/// struct Event<'a> { body: Json<'a> }
///
/// #[derive(Row)]
/// struct User { id: i64 }
///
/// #[flowgate_sdk::transform]
/// fn user(event: Event) -> Result<User, Failure> {
///     let body: flowgate_sdk::serde_json::Value = event.body.parse()?;
///     let id = body["user"]["id"].as_i64().ok_or_else(|| Failure::new("no integer at user.id"))?;
///     Ok(User { id })
/// }
/// assert_eq!(user(Event { body: Json(r#"{"user": {"id": 7}}"#) }).unwrap().id, 7);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Json<'a>(pub &'a str);

impl<'a> Json<'a> {
    /// Parses the value as any type that serde can deserialise.
    ///
    /// # Errors
    /// The text is not JSON, or not such a value.
    ///
    /// ```
    /// assert_eq!(flowgate_sdk::Json("[1, 2]").parse::<Vec<i64>>().unwrap(), [1, 2]);
    /// ```
    pub fn parse<T: serde::Deserialize<'a>>(self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0)
    }
}

/// A text assembled from pieces, written straight into the output column: no `String` in between. For output rows.
///
/// ```
/// use flowgate_sdk::{Concat, Row};
///
/// #[derive(Row)]
/// struct Name<'a> { first: &'a str, last: &'a str }
///
/// #[derive(Row)]
/// struct FullName<'a> { name: Concat<'a, 3> }
///
/// #[flowgate_sdk::transform]
/// fn full<'a>(name: Name<'a>) -> FullName<'a> {
///     FullName { name: Concat([name.first, " ", name.last]) }
/// }
/// # #[derive(Row)] struct Out<'a> { name: &'a str }
/// # let out = flowgate_sdk::testing::run::<full, _>("{}", [Name { first: "Ada", last: "Lovelace" }]).unwrap();
/// # assert_eq!(out.rows::<Out>()[0].name, "Ada Lovelace");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concat<'a, const N: usize>(pub [&'a str; N]);

/// A text from anything that implements `Display`, written straight into the output column: no `String` in between. For output
/// rows.
///
/// ```
/// use flowgate_sdk::{Formatted, Row, Timestamp};
///
/// #[derive(Row)]
/// struct Event { time: Timestamp }
///
/// #[derive(Row)]
/// #[row(passthrough)]
/// struct Shown { shown: Formatted<Timestamp> }
///
/// #[flowgate_sdk::transform]
/// fn show(event: Event) -> Shown {
///     Shown { shown: Formatted(event.time) }
/// }
/// # #[derive(Row)] struct Out<'a> { shown: &'a str }
/// # let out = flowgate_sdk::testing::run::<show, _>("{}", [Event { time: Timestamp::from_millis(0) }]).unwrap();
/// # assert_eq!(out.rows::<Out>()[0].shown, "1970-01-01T00:00:00.000Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formatted<D>(pub D);

impl<const N: usize> FieldType for Concat<'_, N> {
    const DATA_TYPE: DataType = DataType::Text;
    const NULLABLE: bool = false;
}

impl<const N: usize> Required for Concat<'_, N> {}

impl<D: Display> FieldType for Formatted<D> {
    const DATA_TYPE: DataType = DataType::Text;
    const NULLABLE: bool = false;
}

impl<D: Display> Required for Formatted<D> {}
