//! What a job says of itself, without what is hidden: secrets, and paths of folders.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use flowgate_base::secret;

/// Returns the same data, in whose texts nothing is left that is hidden. Costs nothing in a process that hides nothing.
pub(crate) fn concealed<T: Serialize + DeserializeOwned>(of: T) -> T {
    if !secret::are_hidden() {
        return of;
    }
    let hidden = serde_json::to_value(&of).map(|mut value| {
        conceal(&mut value);
        value
    });
    // Texts have become other texts.
    hidden.and_then(serde_json::from_value).expect("data that was serialised can be read back")
}

fn conceal(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let std::borrow::Cow::Owned(hidden) = secret::conceal(text) {
                *text = hidden;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(conceal),
        Value::Object(fields) => fields.values_mut().for_each(conceal),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
