//! A config with a schema: a required field, defaults, a choice, a nested object.

use flowgate_sdk::{Formatted, Row};

/// How somebody is greeted.
#[flowgate_sdk::config]
pub(crate) struct Settings {
    /// The word in front of the name.
    pub greeting: String,
    /// How often the greeting is said, from 1 to 3.
    #[serde(default = "once")]
    #[schemars(range(min = 1, max = 3))]
    pub times: i64,
    /// What comes behind the name.
    pub suffix: Option<String>,
}

fn once() -> i64 {
    1
}

#[derive(Row)]
pub(crate) struct Guest<'a> {
    name: &'a str,
}

#[derive(Row)]
pub(crate) struct Greeted {
    greeted: Formatted<String>,
}

/// Greets.
#[flowgate_sdk::transform]
pub(crate) fn greet(guest: Guest, settings: &Settings) -> Greeted {
    let greetings = vec![settings.greeting.as_str(); settings.times as usize].join(" ");
    let suffix = settings.suffix.as_deref().unwrap_or(".");
    Greeted { greeted: Formatted(format!("{greetings} {}{suffix}", guest.name)) }
}
