//! A local folder lives as the servers do.

use flowgate_checkpoint::store::Stores;
use flowgate_servers::live;

#[test]
fn checkpoints_live_in_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("file://{}/a/b", folder.path().display());
    live(&Stores::default().open(&address).expect("opens"));
}
