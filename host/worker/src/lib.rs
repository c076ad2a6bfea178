//! A job in a process of its own, and what a running job answers.
