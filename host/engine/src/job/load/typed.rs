//! Documents of other kinds than jobs, such as the settings of a node: read as job files are, with the same messages.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::Document;
use super::env::Variables;
use super::file::Loaded;
use crate::job::problem::{At, Problem};

/// A document that has been read.
#[derive(Debug, Clone)]
pub struct Typed<T> {
    /// Its value; `None` where it has a problem.
    pub value: Option<T>,
    read: Loaded,
}

impl<T: DeserializeOwned> Typed<T> {
    /// Parses a document, fills in its variables, and compares it with the schema of `T`, which
    /// [`schema_of`](crate::job::json_schema::schema_of) returns.
    pub fn load(document: Document, schema: &Value, env: &Variables<'_>) -> Typed<T> {
        let (mut read, root) = Loaded::parse(document);
        let mut value = None;
        if let Some(mut root) = root {
            read.compare(&mut root, schema, env);
            if read.problems.is_empty() {
                match serde_json::from_value(root.value()) {
                    Ok(read) => value = Some(read),
                    Err(e) => read.problems.push(Problem::error(At::job(), format!("cannot be understood: {e}"))),
                }
            }
        }
        Typed { value, read }
    }

    /// Returns the document.
    pub fn document(&self) -> &Document {
        &self.read.document
    }

    /// Returns its problems and `further` ones as text, with line and column; see [`Loaded::report`].
    pub fn report(&self, further: &[Problem], colour: bool) -> String {
        self.read.report(further, colour)
    }
}
