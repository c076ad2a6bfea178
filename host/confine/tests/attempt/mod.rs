//! The attempts, as a confined process makes them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::ptr;
use std::time::Duration;

use flowgate_confine::{Confinement, apply};

/// The variable with the order: name of the attempt, confinement, what it is made with.
pub(crate) const ORDER: &str = "FLOWGATE_TEST_ATTEMPT";

/// Confines this process and makes the attempt, if it was started for one.
pub(crate) fn run_if_ordered() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let (name, confinement, with): (String, Confinement, String) = serde_json::from_str(&order).unwrap();
    let report = apply(&confinement).unwrap();
    println!("\nreport: {}", serde_json::to_string(&report).unwrap());
    match run(&name, &with) {
        Ok(()) => println!("outcome: done"),
        Err(e) => println!("outcome: {e}"),
    }
    io::stdout().flush().unwrap();
}

fn run(name: &str, with: &str) -> io::Result<()> {
    let path = Path::new(with);
    match name {
        "read" => File::open(path)?.read(&mut [0; 16]).map(drop),
        "list" => fs::read_dir(path)?.try_for_each(|entry| entry.map(drop)),
        "write" => fs::write(path, "rows"),
        "truncate" => called(unsafe { libc::truncate(c_string(with).as_ptr(), 0) }),
        "symlink" => std::os::unix::fs::symlink("/etc/passwd", path),
        "move out" => {
            let from = path.with_file_name("own").join("moved");
            fs::write(&from, "rows")?;
            // Moving it is what Landlock calls `EXDEV` where both folders exist and one grants nothing.
            fs::rename(from, path).map_err(|e| if e.raw_os_error() == Some(18) { denied() } else { e })
        }
        "connect" => TcpStream::connect_timeout(&with.parse().unwrap(), Duration::from_secs(5)).map(drop),
        "listen" => TcpListener::bind(with).map(drop),
        "connect unix" => UnixStream::connect(path).map(drop),
        "listen unix" => {
            let listener = UnixListener::bind(path)?;
            listener.set_nonblocking(true)?;
            match listener.accept() {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
                other => other.map(drop),
            }
        }
        "udp" => UdpSocket::bind(with).map(drop),
        "resolve" => (with, 80).to_socket_addrs().map(drop),
        "pair" => UnixStream::pair().map(drop),
        "netlink" => called(unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, 0) }),
        "raw socket" => called(unsafe { libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP) }),
        "fork" => match unsafe { libc::fork() } {
            0 => unsafe { libc::_exit(0) },
            process => called(process),
        },
        "spawn" => Command::new(path).status().map(drop),
        "exec" => {
            let program = c_string(with);
            called(unsafe { libc::execv(program.as_ptr(), [program.as_ptr(), ptr::null()].as_ptr()) })
        }
        "ptrace" => called(unsafe { libc::ptrace(libc::PTRACE_ATTACH, number(with) as i32, 0, 0) } as i32),
        "memory of" => {
            let mut byte = 0u8;
            let local = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
            called(unsafe { libc::process_vm_readv(number(with) as i32, &local, 1, &local, 1, 0) } as i32)
        }
        "mount" => called(unsafe { libc::mount(c"none".as_ptr(), c"/".as_ptr(), c"tmpfs".as_ptr(), 0, ptr::null()) }),
        "bpf" => called(unsafe { libc::syscall(libc::SYS_bpf, 0, 0, 0) } as i32),
        "unshare" => called(unsafe { libc::unshare(libc::CLONE_NEWUSER) }),
        "keyctl" => called(unsafe { libc::syscall(libc::SYS_keyctl, 0, 0, 0) } as i32),
        "io_uring" => called(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, 0) } as i32),
        "signal" => {
            let to = if with == "self" { std::process::id() } else { number(with) as u32 };
            called(unsafe { libc::kill(to as i32, 0) })
        }
        "raise limits" => {
            let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
            called(unsafe { libc::setrlimit(libc::RLIMIT_DATA, &limit) })
        }
        "reserve" => mapped(number(with), libc::PROT_NONE).map(drop),
        "use reserved" => {
            let place = mapped(number(with), libc::PROT_NONE)?;
            let access = libc::PROT_READ | libc::PROT_WRITE;
            called(unsafe { libc::mprotect(place, number(with) as usize, access) })
        }
        "machine code" => {
            let place = mapped(4096, libc::PROT_READ | libc::PROT_WRITE)?;
            called(unsafe { libc::mprotect(place, 4096, libc::PROT_READ | libc::PROT_EXEC) })
        }
        "allocate" => {
            let bytes = vec![1u8; number(with) as usize];
            std::hint::black_box(&bytes);
            Ok(())
        }
        "open many" => {
            let open = |_| io::stdin().as_fd().try_clone_to_owned();
            (0..number(with)).map(open).collect::<io::Result<Vec<_>>>().map(drop)
        }
        "write large" => {
            let mut file = File::create(path)?;
            (0..64).try_for_each(|_| file.write_all(&[0; 65_536]))
        }
        "files" => files(path),
        "threads" => {
            let threads: Vec<_> = (0..8).map(|n| std::thread::spawn(move || n)).collect();
            assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<i32>(), 28);
            Ok(())
        }
        "give way" => called(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) }),
        "shorter slice" => called(scheduled(0, libc::SCHED_OTHER)),
        "real time" => called(scheduled(0, libc::SCHED_FIFO)),
        "schedule another" => called(scheduled(unsafe { libc::getppid() }, libc::SCHED_OTHER)),
        "timers" => {
            std::thread::sleep(Duration::from_millis(1));
            called(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) })
        }
        "watch" => {
            let watch = unsafe { libc::inotify_init1(libc::IN_CLOEXEC) };
            called(watch)?;
            called(unsafe { libc::inotify_add_watch(watch, c_string(with).as_ptr(), libc::IN_MODIFY) })
        }
        unknown => panic!("no attempt is called {unknown}"),
    }
}

/// Everything that sinks and checkpoints do with files.
fn files(folder: &Path) -> io::Result<()> {
    let (within, part) = (folder.join("parts"), folder.join("parts/.part-1"));
    fs::create_dir_all(&within)?;
    let mut file = File::create(&part)?;
    file.write_all(b"1\n")?;
    file.sync_all()?;
    file.set_len(1)?;
    fs::rename(&part, within.join("part-1"))?;
    fs::hard_link(within.join("part-1"), folder.join("linked"))?;
    fs::copy(within.join("part-1"), folder.join("copy"))?;
    fs::set_permissions(folder.join("copy"), std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    fs::rename(folder.join("copy"), within.join("copy"))?;
    fs::canonicalize(&within)?;
    fs::metadata(within.join("copy"))?;
    file.lock()?;
    fs::remove_file(folder.join("linked"))?;
    fs::remove_dir_all(within)
}

fn mapped(bytes: u64, access: i32) -> io::Result<*mut libc::c_void> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let place = unsafe { libc::mmap(ptr::null_mut(), bytes as usize, access, flags, -1, 0) };
    if place == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(place) }
}

/// Sets how a thread is scheduled, with a slice of a millisecond.
fn scheduled(thread: i32, policy: i32) -> i32 {
    let priority = if policy == libc::SCHED_FIFO { 1 } else { 0 };
    // `struct sched_attr`: size and policy, flags, nice and priority, runtime, deadline, period.
    let attributes: [u64; 6] = [48 | (policy as u64) << 32, 0, priority << 32, 1_000_000, 0, 0];
    (unsafe { libc::syscall(libc::SYS_sched_setattr, thread, attributes.as_ptr(), 0) }) as i32
}

fn called(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn denied() -> io::Error {
    io::Error::from_raw_os_error(libc::EACCES)
}

fn c_string(text: &str) -> std::ffi::CString {
    std::ffi::CString::new(text).unwrap()
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}
