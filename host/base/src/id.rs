//! Ids: numbers that must not be taken for one another, nor for a count.

/// The number of a worker, which is a timely thread of a job: 0-based, below the job's parallelism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Worker(pub u32);

impl Worker {
    /// Returns the worker's position in a list that has one element for each worker.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}
