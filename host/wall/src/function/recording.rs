//! Records of calls that end without an answer. Of the calls over one batch, which is searched for the rows at fault, the last one with
//! the fewest rows is recorded.

use super::opened::Function;
use crate::host_state::CallContext;
use crate::recorded::{Given, RecordedCall, RecordedLimits, Rows};
use crate::search::Stop;
use flowgate_base::error::Result;

impl Function {
    /// Notes how a call ended. `given` returns what it was given; `None` if that is more than a record may have.
    pub(super) fn note_trap<T>(
        &mut self,
        outcome: std::result::Result<T, Stop>,
        context: &CallContext,
        given: impl FnOnce(&Function) -> Result<Option<Given>>,
    ) -> std::result::Result<T, Stop> {
        let Err(Stop::Trapped(trapped)) = &outcome else { return outcome };
        let reason = trapped.to_string();
        if self.is_recorded(&reason)
            && let Some(given) = given(self)?
            && self.trapped.as_ref().is_none_or(|before| given.len() <= before.given.len())
        {
            self.trapped = Some(Box::new(self.record(context, given, reason)));
        }
        outcome
    }

    /// Hands on what was recorded, at the end of a batch.
    pub(super) fn tell_trap(&mut self) {
        if let Some((call, log)) = self.trapped.take().zip(self.plugin.wall.records.as_ref()) {
            log.take(*call);
        }
    }

    fn is_recorded(&self, reason: &str) -> bool {
        // Fewer rows than one are not found.
        let is_found = self.trapped.as_ref().is_some_and(|call| call.given.len() <= 1);
        let log = self.plugin.wall.records.as_ref().filter(|_| !is_found);
        log.is_some_and(|log| log.has_room(self.operator(), reason))
    }

    fn record(&self, context: &CallContext, given: Given, reason: String) -> RecordedCall {
        RecordedCall {
            operator: self.operator().to_string(),
            sha256: self.plugin.digest().to_string(),
            function: self.name().to_string(),
            config: self.config.clone(),
            offered: self.offered.clone(),
            files: self.files.clone(),
            slots: self.slots.to_vec(),
            limits: RecordedLimits::of(&self.plugin.wall.limits),
            context: *context,
            given,
            reason,
        }
    }

    /// Rows of an input that were given.
    pub(super) fn rows_of(&self, input: usize, columns: &[arrow_array::ArrayRef], count: usize) -> Rows {
        Rows::new(self.reads_of(input), columns, count)
    }
}
