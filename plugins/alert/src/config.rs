//! The settings of rules, and the checked rules.

use crate::rule::{Rule, Side};

/// Settings of `alert`.
#[flowgate_sdk::config]
#[derive(Debug, Clone)]
pub struct AlertConfig {
    /// At least one; each is about every key by itself.
    #[schemars(length(min = 1))]
    pub rules: Vec<RuleConfig>,
    /// A timestamp column by which `for` and `since` count. Default: the processing time.
    pub time: Option<String>,
}

/// One rule.
#[flowgate_sdk::config]
#[derive(Debug, Clone)]
pub struct RuleConfig {
    /// Unique; state is kept under it.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The column that is watched, of type float64 or int64.
    pub column: String,
    /// The alert is raised when the value is above this. Either this or `below`.
    pub above: Option<f64>,
    /// The alert is raised when the value is below this. Either this or `above`.
    pub below: Option<f64>,
    /// The value at which a raised alert is cleared: at the threshold or on its good side. Default: the threshold.
    pub clear: Option<f64>,
    /// How long the value must be beyond the threshold before the alert is raised, such as `30s` (`ms`, `s`, `m`, `h`, `d`), or
    /// milliseconds. Default: no time.
    #[serde(rename = "for")]
    pub hold: Option<Span>,
    /// Copied into the alert.
    #[serde(default = "warning")]
    pub severity: String,
}

fn warning() -> String {
    "warning".into()
}

/// A length of time.
#[flowgate_sdk::config]
#[derive(Debug, Clone)]
#[serde(untagged)]
pub enum Span {
    /// Milliseconds.
    Millis(u64),
    /// A number with a unit, such as `30s`.
    Text(String),
}

impl Span {
    fn millis(&self) -> Option<u64> {
        let text = match self {
            Span::Millis(millis) => return Some(*millis),
            Span::Text(text) => text.trim(),
        };
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit: u64 = match unit.trim_start() {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(unit)
    }
}

/// Returns the rules of a config; the error lists all problems with them.
pub(crate) fn rules(config: &AlertConfig) -> Result<Vec<Rule>, Vec<String>> {
    let mut problems = Vec::new();
    let mut rules: Vec<Rule> = Vec::new();
    if config.rules.is_empty() {
        problems.push("`rules` is empty: an alert has one rule at least".to_owned());
    }
    for rule in &config.rules {
        match compile(rule) {
            Ok(compiled) if rules.iter().any(|other| other.tag == compiled.tag) => {
                problems.push(format!("two rules have the name `{}`: name one otherwise", rule.name));
            }
            Ok(compiled) => rules.push(compiled),
            Err(of_rule) => problems.extend(of_rule.iter().map(|problem| format!("rule `{}`: {problem}", rule.name))),
        }
    }
    if problems.is_empty() { Ok(rules) } else { Err(problems) }
}

fn compile(config: &RuleConfig) -> Result<Rule, Vec<String>> {
    let mut problems = Vec::new();
    if config.name.is_empty() {
        problems.push("it has no name: state is kept under it".to_owned());
    }
    let threshold = match (config.above, config.below) {
        (Some(above), None) => Some((Side::Above, above)),
        (None, Some(below)) => Some((Side::Below, below)),
        (Some(_), Some(_)) => {
            problems.push("it has both `above` and `below`: write two rules".to_owned());
            None
        }
        (None, None) => {
            problems.push("it has no threshold: write `above` or `below`".to_owned());
            None
        }
    };
    if let (Some((side, threshold)), Some(clear)) = (threshold, config.clear) {
        match side {
            Side::Above if clear > threshold => problems.push(format!(
                "`clear` is {clear}, above the threshold {threshold}: the alert would be cleared while it holds; write at \
                 most {threshold}"
            )),
            Side::Below if clear < threshold => problems.push(format!(
                "`clear` is {clear}, below the threshold {threshold}: the alert would be cleared while it holds; write at \
                 least {threshold}"
            )),
            _ => {}
        }
    }
    // Signed, as times are.
    let hold = config.hold.as_ref().map_or(Some(0), Span::millis).and_then(|millis| i64::try_from(millis).ok());
    if hold.is_none() {
        problems.push("`for` is no length of time: write for example `30s`, or milliseconds".to_owned());
    }
    match (threshold, hold) {
        (Some((side, threshold)), Some(hold_ms)) if problems.is_empty() => Ok(Rule {
            name: config.name.clone(),
            tag: tag(&config.name),
            column: config.column.clone(),
            side,
            threshold,
            clear: config.clear.unwrap_or(threshold),
            hold_ms,
            severity: config.severity.clone(),
        }),
        _ => Err(problems),
    }
}

/// Returns the tag by which state and timers identify a rule: FNV-1a of its name, 64 bits
/// (<http://www.isthe.com/chongo/tech/comp/fnv/>). It stays the same when rules are added, removed and reordered.
fn tag(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        let millis = |text: &str| Span::Text(text.into()).millis();
        assert_eq!(millis("30s"), Some(30_000));
        assert_eq!(millis(" 2 h "), Some(7_200_000));
        assert_eq!(millis("5ms"), Some(5));
        for wrong in ["", "s", "5", "-5s", "5 weeks", "1.5s", "99999999999999999999d", "999999999999999d"] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_published_hash() {
        assert_eq!(tag(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(tag("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(tag("foobar"), 0x8594_4171_f739_67e8);
    }
}
