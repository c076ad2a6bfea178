//! Limits of child processes: system calls, files, memory, processor time.
