//! HDFS, by a server on loopback.

use std::time::Instant;

use flowgate_checkpoint::code;
use flowgate_checkpoint::store::Stores;
use flowgate_servers::{Server, live};

#[test]
fn checkpoints_live_in_hdfs() {
    let Some(mut server) = Server::hdfs() else { return };
    let stores = Stores::default().with(flowgate_hdfs::SCHEME, flowgate_hdfs::open);
    let address = format!("hdfs://127.0.0.1:{}/some/jobs", server.port);
    let store = stores.open(&address).expect("opens");
    live(&store);

    // What a create-only put that lost the race leaves behind is neither listed nor kept.
    store.replace(".lost.tmp.1", b"half").expect("writes");
    assert!(store.list().expect("lists").iter().all(|name| !name.starts_with('.')));
    store.clean().expect("cleans");
    assert_eq!(store.size(".lost.tmp.1").expect("reads"), None);

    server.kill();
    let started = Instant::now();
    let error = store.read("a", None).expect_err("the server is gone");
    assert_eq!(error.code, &code::AWAY, "{error}");
    assert!(started.elapsed().as_secs() < 100, "{:?}", started.elapsed());
}
