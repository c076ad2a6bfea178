//! Tests of the place of sockets.

use super::*;

fn place(folder: &Path) -> Place {
    Place { folders: vec![folder.join("flowgate")], uid: rustix::process::geteuid().as_raw() }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

#[test]
fn only_the_user_can_reach_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let bound = place(folder.path()).bind("counts", 7).unwrap();
    assert_eq!(bound.path, folder.path().join("flowgate/counts.7.sock"));
    assert_eq!((mode(&bound.path), mode(bound.path.parent().unwrap())), (0o600, 0o700));
    let path = bound.path.clone();
    drop(bound);
    assert!(!path.exists(), "a job that ends takes its socket away");
}

#[test]
fn a_folder_that_others_may_use_is_closed_by_a_job_and_not_read_by_a_client() {
    let folder = tempfile::tempdir().unwrap();
    let ours = folder.path().join("flowgate");
    fs::create_dir(&ours).unwrap();
    fs::set_permissions(&ours, Permissions::from_mode(0o777)).unwrap();
    let (found, refused) = place(folder.path()).sockets();
    assert!(found.is_empty());
    assert!(refused[0].to_string().ends_with("others may use the folder (mode 777); make it 700"), "{refused:?}");
    let _bound = place(folder.path()).bind("counts", 7).unwrap();
    assert_eq!(mode(&ours), 0o700);
}

/// Somebody else may have made the folder, or a link to one, in the folder for temporary files.
#[test]
fn a_folder_of_somebody_else_and_a_link_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("flowgate")).unwrap();
    let other = Place { uid: place(folder.path()).uid + 1, ..place(folder.path()) };
    let error = other.bind("counts", 7).unwrap_err().to_string();
    assert!(error.contains("belongs to user"), "{error}");
    assert_eq!(other.sockets().1.len(), 1);

    let linked = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(folder.path().join("flowgate"), linked.path().join("flowgate")).unwrap();
    let error = place(linked.path()).bind("counts", 7).unwrap_err().to_string();
    assert!(error.contains("not a folder"), "{error}");
}

#[test]
fn the_socket_of_a_dead_process_is_replaced_and_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let bound = place.bind("counts", 7).unwrap();
    // As after a kill: the file stays, and nobody listens.
    let dead = bound.path.with_file_name("dead.8.sock");
    fs::rename(&bound.path, &dead).unwrap();
    let BoundSocket { path, .. } = &bound;
    assert!(!path.exists());
    drop(bound);
    assert!(dead.exists());
    let again = place.bind("dead", 8).unwrap();
    assert_eq!(again.path, dead);
    let found = place.sockets().0;
    assert_eq!(found, [Found { path: dead.clone(), name: "dead".into(), pid: 8 }]);
    fs::rename(&dead, dead.with_file_name("x.9.sock")).unwrap();
    drop(again);
    assert_eq!(place.sockets().0, []);
    assert_eq!(fs::read_dir(dead.parent().unwrap()).unwrap().count(), 0, "it was taken away");
}

#[test]
fn a_live_socket_of_the_same_name_and_number_stays() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let (one, two) = (place.bind("counts", 7).unwrap(), place.bind("counts", 7).unwrap());
    assert_ne!(one.path, two.path);
    assert_eq!(place.sockets().0.iter().map(|found| found.pid).collect::<Vec<_>>(), [7, 7]);
}

/// A path over the limit of the system: the next folder is taken, and a client finds the socket there.
#[test]
fn a_long_path_falls_back_to_the_next_folder() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("x".repeat(PATH_BYTES_MAX));
    fs::create_dir_all(deep.join("flowgate")).unwrap();
    let only = place(&deep);
    let error = only.bind("counts", 7).unwrap_err().to_string();
    assert!(error.ends_with("the path is too long for a socket, which may have 103 bytes"), "{error}");
    let both = Place { folders: vec![deep.join("flowgate"), folder.path().join("short")], ..only };
    fs::set_permissions(deep.join("flowgate"), Permissions::from_mode(0o700)).unwrap();
    let bound = both.bind("counts", 7).unwrap();
    assert_eq!(bound.path, folder.path().join("short/counts.7.sock"));
    assert_eq!(both.sockets().0.len(), 1);
}

#[test]
fn any_name_of_a_job_makes_a_name_of_a_socket() {
    assert_eq!(file_name("../a.b c"), "___a_b_c");
    assert_eq!(file_name(""), "job");
    assert_eq!(file_name(&"é".repeat(40)).len(), NAME_BYTES_MAX);
}

#[test]
fn the_runtime_directory_comes_first_unless_it_is_relative() {
    let uid = rustix::process::geteuid().as_raw();
    let folders = |runtime: &str| Place::of(Some(runtime.into()), "/var/t".into()).folders;
    let temporary = [PathBuf::from("/var/t"), SHORT_TEMPORARY.into()].map(|path| path.join(format!("flowgate-{uid}")));
    assert_eq!(folders("/run/user/1"), [&[PathBuf::from("/run/user/1/flowgate")], &temporary[..]].concat());
    assert_eq!(folders("run"), temporary);
}
