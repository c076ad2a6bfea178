//! The system calls that a process may make, and those that no part of Flowgate ever makes.

use libc::*;

/// Memory, threads, time, signals of its own, and files that are open already.
pub(crate) const COMPUTE: &[c_long] = &[
    // Open files.
    SYS_read,
    SYS_readv,
    SYS_pread64,
    SYS_preadv,
    SYS_write,
    SYS_writev,
    SYS_pwrite64,
    SYS_pwritev,
    SYS_lseek,
    SYS_close,
    SYS_close_range,
    SYS_fstat,
    SYS_dup,
    SYS_dup3,
    SYS_fcntl,
    SYS_ppoll,
    // Memory; `mmap` and `mprotect` have conditions.
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_mincore,
    SYS_brk,
    SYS_membarrier,
    // Threads.
    SYS_futex,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_rseq,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_getcpu,
    SYS_exit,
    SYS_exit_group,
    // Signals.
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_restart_syscall,
    // Time.
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    // About itself and the machine.
    SYS_getpid,
    SYS_getppid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getrusage,
    SYS_times,
    SYS_sysinfo,
    SYS_uname,
    SYS_getrandom,
];

/// What those that only the older architectures have add to [`COMPUTE`].
#[cfg(target_arch = "x86_64")]
pub(crate) const COMPUTE_OLD: &[c_long] = &[SYS_poll, SYS_dup2, SYS_time, SYS_arch_prctl, SYS_getrlimit];
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const COMPUTE_OLD: &[c_long] = &[];

/// What a worker needs besides: files by their names, which Landlock limits; followed files; sockets that are open already.
pub(crate) const WORK: &[c_long] = &[
    // Files by name.
    SYS_openat,
    SYS_newfstatat,
    SYS_statx,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_getdents64,
    SYS_getcwd,
    SYS_chdir,
    SYS_readlinkat,
    SYS_mkdirat,
    SYS_unlinkat,
    SYS_renameat,
    SYS_renameat2,
    SYS_linkat,
    SYS_statfs,
    SYS_fstatfs,
    SYS_umask,
    // Files that are written.
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_sync_file_range,
    SYS_flock,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_utimensat,
    SYS_fadvise64,
    SYS_copy_file_range,
    SYS_sendfile,
    SYS_splice,
    SYS_msync,
    // Images of plugin memories.
    SYS_memfd_create,
    // Waiting.
    SYS_inotify_init1,
    SYS_inotify_add_watch,
    SYS_inotify_rm_watch,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_pselect6,
    SYS_eventfd2,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_pipe2,
    SYS_rt_sigtimedwait,
    SYS_signalfd4,
    // Open sockets.
    SYS_accept,
    SYS_accept4,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_shutdown,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_recvmmsg,
    SYS_sendto,
    SYS_sendmsg,
    SYS_sendmmsg,
];

/// What those that only the older architectures have add to [`WORK`].
#[cfg(target_arch = "x86_64")]
pub(crate) const WORK_OLD: &[c_long] = &[
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_mkdir,
    SYS_rmdir,
    SYS_unlink,
    SYS_rename,
    SYS_link,
    SYS_chmod,
    SYS_epoll_wait,
    SYS_select,
    SYS_pipe,
];
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const WORK_OLD: &[c_long] = &[];

/// What no part of Flowgate and of its libraries ever calls: whoever does has broken out, and the process is killed.
pub(crate) const NEVER: &[c_long] = &[
    // Other programs.
    SYS_execve,
    SYS_execveat,
    // The memory of other processes.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_pidfd_getfd,
    SYS_kcmp,
    // Mounts and namespaces.
    SYS_mount,
    SYS_umount2,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    // The kernel.
    SYS_bpf,
    SYS_perf_event_open,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_userfaultfd,
    SYS_open_by_handle_at,
    SYS_quotactl,
    SYS_acct,
    // Keys.
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    // The clock and the names of the machine.
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    // Other users.
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_capset,
];
