//! A webhook within a policy: a real server on loopback, which no name may lead to unless its address is granted.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};

use super::test_server::{OK, Reply, Server};
use crate::Connector;
use crate::policy::Policy;
use crate::settings::Webhook;
use crate::sink::{Begin, Boundedness};
use flowgate_base::error::Result;
use flowgate_base::schema::{DataType, Field, Schema};

/// Posts one row to a URL within a policy that grants these targets.
fn post(url: &str, grants: &[&str]) -> Result<()> {
    let policy: Policy = serde_json::from_value(serde_json::json!({ "connect": grants })).unwrap();
    let webhook = Webhook { retries: Some(0), ..Webhook::to(url) };
    let connector = Connector { policy: Some(policy), ..Connector::new(&webhook, "/") };
    let schema = Schema::new(vec![Field::new("n", DataType::Int64)]);
    let mut sink = connector.open_sink(&schema, Boundedness::Bounded).unwrap();
    sink.start(&Arc::default(), Begin::WithoutCheckpoints).unwrap();
    let columns: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![1]))];
    sink.write(&columns, 1)?;
    sink.prepare(true).map(drop)
}

/// Goal: no name leads to the machine itself. Method: names and spellings of loopback, which the policy grants as names.
#[test]
fn a_name_that_leads_to_loopback_is_refused() {
    let server = Server::start(&[OK]);
    let port = server.address.port();
    let v4 = format!("127.0.0.1:{port}");
    for (url, grant) in [
        (format!("http://localhost:{port}/hook"), format!("localhost:{port}")),
        (format!("http://LOCALHOST.:{port}/hook"), format!("localhost:{port}")),
        (format!("http://localhost:{port}/hook"), "*:*".into()),
        (format!("http://{v4}/hook"), "*:*".into()),
        (format!("http://127.1:{port}/hook"), "*:*".into()),
        (format!("http://2130706433:{port}/hook"), "*:*".into()),
        (format!("http://0x7f000001:{port}/hook"), "*:*".into()),
        (format!("http://0:{port}/hook"), "*:*".into()),
        (format!("http://[::ffff:127.0.0.1]:{port}/hook"), "*:*".into()),
        (format!("http://[::1]:{port}/hook"), "*:*".into()),
        (format!("http://{v4}/hook"), format!("127.0.0.2:{port}")),
        (format!("http://{v4}/hook"), format!("127.0.0.1:{}", port ^ 1)),
        (format!("http://example.com:{port}@localhost:{port}/hook"), format!("example.com:{port}")),
    ] {
        let error = post(&url, &[&grant]).expect_err(&url);
        assert!(error.message.contains("the policy of this tenant"), "{url} with {grant}: {error}");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_granted_address_is_reached_by_itself_and_by_a_granted_name() {
    let server = Server::start(&[OK]);
    let port = server.address.port();
    let address = format!("127.0.0.1:{port}");
    post(&server.url(), &[&address]).unwrap();
    post(&server.url(), &["127.0.0.0/8:*"]).unwrap();
    // Whether `localhost` is IPv6 too is the machine's affair.
    let both = [&format!("localhost:{port}"), address.as_str(), &format!("[::1]:{port}")];
    post(&format!("http://localhost:{port}/hook"), &both).unwrap();
    assert_eq!(server.requests().len(), 3);
}

/// Goal: an answer cannot send a request elsewhere. Method: a redirect to an address that is not granted, and to one that is.
#[test]
fn a_redirect_is_not_followed() {
    let server = Server::start(&[Reply::Answer(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n",
    )]);
    let error = post(&server.url(), &[&server.address.to_string()]).unwrap_err();
    assert!(error.message.contains("307"), "{error}");
    assert_eq!(server.requests().len(), 1);
}
