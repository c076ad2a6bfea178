//! S3, by a server on loopback.

use std::time::Instant;

use flowgate_checkpoint::code;
use flowgate_checkpoint::store::Stores;
use flowgate_servers::{Server, live};

/// One test, since the address of the server is in the environment.
#[test]
fn checkpoints_live_in_s3() {
    let Some(mut server) = Server::s3("bucket") else { return };
    let endpoint = format!("http://127.0.0.1:{}", server.port);
    for (name, value) in [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ] {
        // SAFETY: no other thread of this process is there.
        unsafe { std::env::set_var(name, value) };
    }
    let stores = Stores::default();
    let store = stores.open("s3://bucket/some/jobs").expect("opens");
    live(&store);
    // Prefixes are folders of their own.
    live(&stores.open("s3://bucket/some").expect("opens"));

    let error = stores.open("s3://no-such-bucket/a").expect("opens").create("a", b"b").expect_err("there is none");
    assert_eq!(error.code, &code::REFUSED, "{error}");

    server.kill();
    let started = Instant::now();
    let error = store.read("a", None).expect_err("the server is gone");
    assert_eq!(error.code, &code::AWAY, "{error}");
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
