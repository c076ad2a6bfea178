//! Which file systems report all of their changes: those that only this system changes.

use std::path::Path;

/// Whether the file system of a folder is known as one that nobody but this system changes. Another one may be of a network, or of a
/// program or machine that changes it without a report.
#[cfg(target_os = "linux")]
pub(super) fn is_local(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|of| LOCAL.contains(&(of.f_type as u32)))
}

/// What others report is not known.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_local(_: &Path) -> bool {
    false
}

/// By the numbers that `statfs(2)` lists: ext2 to ext4, XFS, Btrfs, F2FS, ZFS (of OpenZFS), tmpfs, ramfs, and overlayfs.
#[cfg(target_os = "linux")]
const LOCAL: [u32; 8] =
    [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x2FC1_2FC1, 0x0102_1994, 0x8584_58F6, 0x794C_7630];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn disks_are_local_and_what_the_kernel_makes_up_is_not() {
        assert!(is_local(Path::new("/dev/shm")), "tmpfs");
        assert!(!is_local(Path::new("/proc")));
        assert!(!is_local(Path::new("/no/such/folder")));
    }
}
