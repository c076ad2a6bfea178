//! Why a function could not handle a row.

use std::fmt;

/// Why a function could not handle a row, for the author of the job. The row and the message go to the operator's `errors`
/// output, and the job continues.
///
/// Any error becomes one with `?`:
///
/// ```
/// use flowgate_sdk::Failure;
///
/// fn double(text: &str) -> Result<i64, Failure> {
///     let number: i64 = text.parse()?;
///     number.checked_mul(2).ok_or_else(|| Failure::new("twice the number does not fit int64"))
/// }
///
/// assert_eq!(double("21").unwrap(), 42);
/// assert_eq!(double("x").unwrap_err().message(), "invalid digit found in string");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// Creates a failure with this message: say what is wrong with the row, and what would be right.
    ///
    /// ```
    /// let failure = flowgate_sdk::Failure::new("no status: expected three digits");
    /// assert_eq!(failure.to_string(), "no status: expected three digits");
    /// ```
    pub fn new(message: impl Into<String>) -> Self {
        Failure(message.into())
    }

    /// The message.
    ///
    /// ```
    /// assert_eq!(flowgate_sdk::Failure::new("bad").message(), "bad");
    /// ```
    pub fn message(&self) -> &str {
        &self.0
    }

    /// Returns the message, owned.
    ///
    /// ```
    /// assert_eq!(flowgate_sdk::Failure::new("bad").into_message(), String::from("bad"));
    /// ```
    pub fn into_message(self) -> String {
        self.0
    }
}

// `Failure` does not implement `Error`, or this would overlap with `From<T> for T`.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({:?})", self.0)
    }
}
