//! Judging what plugins declare for their configs, and configs by it: in a limited child, as components are compiled, since a
//! schema of a few bytes can make a validator work without end.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compile::CompileIn;
use super::error::LoadError;
use super::limited_child::{self, Ended, Order, Task, Unserved};
use super::limits::Limits;
use super::schema_guard;
use flowgate_base::error::{Error, Result};
use flowgate_base::quantity::Bytes;
use flowgate_base::shown::one_line;

/// A schema, and a config that is judged by it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Case {
    pub(super) schema: Value,
    /// `None`: the schema alone is judged.
    pub(super) config: Option<Value>,
}

/// What is wrong with a config, if anything; the error is what is wrong with the schema.
pub(super) type Verdict = std::result::Result<Vec<String>, String>;

/// What the child needs to know to judge.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct JudgeTask {
    problems_max: usize,
    message_bytes_max: usize,
}

impl JudgeTask {
    fn of(limits: &Limits) -> Self {
        JudgeTask { problems_max: limits.problems_max, message_bytes_max: limits.message_bytes_max }
    }

    /// The child's side: cases in JSON, and their verdicts in JSON.
    pub(super) fn serve(&self, cases: &[u8]) -> std::result::Result<Vec<u8>, Unserved> {
        let cases: Vec<Case> =
            serde_json::from_slice(cases).map_err(|e| Unserved::Refused(format!("cannot be read: {e}")))?;
        let verdicts: Vec<Verdict> = cases.iter().map(|case| self.judge(case)).collect();
        serde_json::to_vec(&verdicts).map_err(|e| Unserved::Broken(format!("verdicts cannot be written: {e}")))
    }

    fn judge(&self, case: &Case) -> Verdict {
        let validator = schema_guard::compile(&case.schema)?;
        let Some(config) = &case.config else { return Ok(Vec::new()) };
        let problem = |error: jsonschema::ValidationError<'_>| {
            let path = error.instance_path().to_string();
            let place = if path.is_empty() { "config".to_string() } else { format!("config at {path}") };
            one_line(&format!("{place}: {error}"), self.message_bytes_max)
        };
        Ok(validator.iter_errors(config).take(self.problems_max).map(problem).collect())
    }
}

/// Judges cases; one verdict for each.
///
/// # Errors
/// It takes more memory or time than it may: the plugin's fault. Or there is no child: the outside world's.
pub(super) fn judge(cases: &[Case], limits: &Limits, compile_in: &CompileIn) -> Result<Vec<Verdict>> {
    let task = JudgeTask::of(limits);
    let CompileIn::Child(exe) = compile_in else {
        return Ok(cases.iter().map(|case| task.judge(case)).collect());
    };
    let input = serde_json::to_vec(cases).map_err(|e| Error::internal(e.to_string()))?;
    let answer_max = (cases.len() * limits.problems_max).saturating_mul(limits.message_bytes_max) as u64;
    let order = Order {
        task: Task::Judge(task),
        input_bytes: input.len(),
        memory_bytes_max: limits.judge_memory_bytes_max,
        cpu_s_max: limits.judge_cpu_s_max,
    };
    let wall = Duration::from_secs(limits.judge_wall_s_max);
    let refused = |message: String| Err(LoadError::ConfigSchema(message).into());
    let too_much = |what: String| refused(format!("judging its config schema takes more than {what}"));
    let failed = |message: String| Err(LoadError::Machine(message).into());
    match limited_child::run(exe, &order, &input, wall, answer_max)? {
        Ended::Answered(verdicts) => match serde_json::from_slice::<Vec<Verdict>>(&verdicts) {
            Ok(verdicts) if verdicts.len() == cases.len() => Ok(verdicts),
            _ => Err(Error::internal("the judge of schemas returned a broken answer")),
        },
        Ended::Refused(message) => refused(format!("its config schema {message}")),
        Ended::ProcessorTime => too_much(format!("{} s of processor time", limits.judge_cpu_s_max)),
        // Another time the machine may be less busy.
        Ended::WallTime => failed(format!("judging its config schema takes more than {} s", limits.judge_wall_s_max)),
        Ended::Memory => too_much(format!("{} of memory", Bytes(limits.judge_memory_bytes_max))),
        Ended::TooLarge => too_much(format!("{} of messages", Bytes(answer_max))),
        Ended::Crashed(how) => refused(format!("its config schema makes the validator crash ({how})")),
        Ended::Killed => failed("the process that judges schemas was killed, perhaps for lack of memory".into()),
        Ended::Silent(code) => {
            failed(format!("the process that judges schemas ended without an answer (exit code {code:?})"))
        }
    }
}

/// JSON values in a text, roughly and at least: more is not parsed, since each takes memory however short it is.
pub(super) fn values_in(json: &str) -> usize {
    let mut inside_text = false;
    let mut escaped = false;
    let mut count = 1;
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = inside_text,
            b'"' => inside_text = !inside_text,
            b',' | b'[' | b'{' if !inside_text => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_config_is_judged_with_the_place_of_each_problem() {
        let schema = json!({ "properties": { "n": { "type": "integer" } }, "additionalProperties": false });
        let config = Some(json!({ "n": "x", "m\u{1b}": 1 }));
        let verdicts = judge(&[Case { schema, config }], &Limits::default(), &CompileIn::ThisProcess).unwrap();
        let problems = verdicts[0].as_ref().unwrap();
        assert_eq!(problems.len(), 2);
        assert!(problems.iter().any(|p| p.starts_with("config at /n: ")), "{problems:?}");
        assert!(problems.iter().all(|p| !p.contains('\u{1b}')), "{problems:?}");
    }

    #[test]
    fn values_are_counted_before_they_are_parsed() {
        assert_eq!(values_in(r#"{"a": [1, 2, {"b": "x,[{\",["}]}"#), 6);
        assert_eq!(values_in("7"), 1);
        let many = format!("[{}0]", "0,".repeat(999));
        assert!(values_in(&many) >= 1_000);
    }
}
