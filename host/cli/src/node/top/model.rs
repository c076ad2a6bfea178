//! What `flowgate top` knows, and what a key does.

use std::collections::BTreeMap;

use flowgate_api::job::{JobDetail, JobFigures};
use flowgate_api::tenant::Usage;

/// What the node has said.
#[derive(Debug)]
pub(super) enum News {
    /// The figures of a job.
    Job(Box<JobFigures>),
    /// A job is not there any more.
    Gone(String),
    /// The stream of jobs begins, again perhaps: jobs that it does not name are gone.
    Begins,
    /// Everything about the opened job.
    Detail(Box<JobDetail>),
    /// What the tenant takes.
    Usage(Box<Usage>),
    /// The node does not answer, and why.
    Silent(String),
}

/// A key that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Open,
    Back,
    Quit,
}

/// What a key asks of the program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing but to draw.
    Draw,
    /// The details of this job are wanted from now on; `None`: of none.
    Watch(Option<String>),
    /// The end.
    Quit,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// The tenant.
    pub(super) tenant: String,
    /// The address of the node.
    pub(super) node: String,
    /// The jobs, by name.
    pub(super) jobs: BTreeMap<String, JobFigures>,
    /// The chosen job: a name, so that it stays chosen when others come and go.
    pub(super) chosen: Option<String>,
    /// The job whose operators are shown.
    pub(super) opened: Option<String>,
    /// The opened job, once it is known.
    pub(super) detail: Option<Box<JobDetail>>,
    /// What the tenant takes.
    pub(super) usage: Option<Box<Usage>>,
    /// Why nothing changes.
    pub(super) notice: Option<String>,
    /// Whether the node has answered.
    pub(super) has_begun: bool,
}

/// Rows that a page key moves.
const PAGE_ROWS: usize = 10;

impl Model {
    /// Takes what the node has said.
    pub(super) fn learn(&mut self, news: News) {
        match news {
            News::Begins => {
                self.jobs.clear();
                (self.notice, self.has_begun) = (None, true);
            }
            News::Job(figures) => {
                self.jobs.insert(figures.job.name.clone(), *figures);
            }
            News::Gone(name) => {
                let at = self.position();
                self.jobs.remove(&name);
                if self.chosen.as_deref() == Some(name.as_str()) {
                    self.choose(at);
                }
            }
            News::Detail(detail) => {
                if self.opened.as_deref() == Some(detail.job.name.as_str()) {
                    self.detail = Some(detail);
                }
            }
            News::Usage(usage) => self.usage = Some(usage),
            News::Silent(why) => self.notice = Some(why),
        }
    }

    /// Returns the position of the chosen job.
    pub(super) fn position(&self) -> usize {
        self.chosen.as_ref().and_then(|name| self.jobs.keys().position(|job| job == name)).unwrap_or(0)
    }

    fn choose(&mut self, at: usize) {
        let at = at.min(self.jobs.len().saturating_sub(1));
        self.chosen = self.jobs.keys().nth(at).cloned();
    }

    /// Takes a key.
    pub(super) fn press(&mut self, key: Key) -> Effect {
        let at = self.position();
        match key {
            Key::Quit => return Effect::Quit,
            Key::Back if self.opened.is_none() => return Effect::Quit,
            Key::Back => {
                (self.opened, self.detail) = (None, None);
                return Effect::Watch(None);
            }
            _ if self.opened.is_some() => {}
            Key::Open => {
                self.choose(at);
                self.opened.clone_from(&self.chosen);
                self.detail = None;
                return Effect::Watch(self.opened.clone());
            }
            Key::Up => self.choose(at.saturating_sub(1)),
            Key::Down => self.choose(at + 1),
            Key::PageUp => self.choose(at.saturating_sub(PAGE_ROWS)),
            Key::PageDown => self.choose(at + PAGE_ROWS),
            Key::First => self.choose(0),
            Key::Last => self.choose(usize::MAX),
        }
        Effect::Draw
    }
}

/// The figures of a job of tests.
#[cfg(test)]
pub(super) fn figures_of_test(name: &str, rows_per_s: f64) -> JobFigures {
    use super::super::job_ask::job_of_test;
    JobFigures {
        job: job_of_test(name, flowgate_api::job::Phase::Running),
        rows_in: 1_000,
        rows_out: 900,
        rows_per_s,
        lag_ms: Some(1_500),
        errors: 3,
        late: 0,
        state_bytes: 2_500_000,
        checkpoint_ms: Some(55_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(names: &[&str]) -> Model {
        let mut model = Model::default();
        model.learn(News::Begins);
        names.iter().for_each(|name| model.learn(News::Job(Box::new(figures_of_test(name, 1.0)))));
        model
    }

    #[test]
    fn the_chosen_job_stays_chosen_while_others_come_and_go() {
        let mut model = model(&["b", "d"]);
        model.press(Key::Down);
        assert_eq!(model.chosen.as_deref(), Some("d"));
        model.learn(News::Job(Box::new(figures_of_test("a", 1.0))));
        assert_eq!((model.chosen.as_deref(), model.position()), (Some("d"), 2));
        model.learn(News::Gone("d".into()));
        assert_eq!(model.chosen.as_deref(), Some("b"));
        for name in ["a", "b"] {
            model.learn(News::Gone(name.into()));
        }
        assert_eq!((model.press(Key::Down), model.chosen.clone()), (Effect::Draw, None));
    }

    #[test]
    fn a_job_is_opened_and_left() {
        let mut model = model(&["a", "b"]);
        assert_eq!(model.press(Key::Open), Effect::Watch(Some("a".into())));
        assert_eq!(model.press(Key::Down), Effect::Draw);
        assert_eq!(model.opened.as_deref(), Some("a"), "keys of the list do nothing");
        assert_eq!(model.press(Key::Back), Effect::Watch(None));
        assert_eq!(model.press(Key::Back), Effect::Quit);
    }

    #[test]
    fn a_stream_that_begins_again_forgets_jobs_that_are_gone() {
        let mut model = model(&["a", "b"]);
        model.learn(News::Silent("no answer".into()));
        assert!(model.notice.is_some() && model.jobs.len() == 2);
        model.learn(News::Begins);
        assert!(model.notice.is_none() && model.jobs.is_empty());
    }
}
