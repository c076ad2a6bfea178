//! Clients that send what nobody should: the answer is right and in time, and nobody else notices.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::{Http, connect_from};
use crate::neighbour::Neighbour;
use crate::served::Served;

/// The node gives a client 10 s for a head or a body; on a busy machine, it may be late.
const IN_TIME: Duration = Duration::from_secs(25);

struct Stage {
    served: Served,
    /// The one that is abusive.
    rogue: String,
    /// The one that is not.
    good: String,
}

impl Stage {
    fn set() -> Stage {
        let served = Served::start();
        let (rogue, good) = (served.tenant("rogue", &json!({})), served.tenant("good", &json!({})));
        Stage { served, rogue, good }
    }

    fn neighbour(&self) -> Neighbour {
        Neighbour::of(&self.served, &self.good)
    }

    /// Connects from an address that is not the neighbour's.
    fn connect(&self, last: u8) -> Http {
        Http::connect_from(Ipv4Addr::new(127, 0, 9, last), self.served.address)
    }

    /// The head of a request of the rogue.
    fn head(&self, method: &str, target: &str, headers: &str) -> Vec<u8> {
        let token = &self.rogue;
        format!("{method} {target} HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {token}\r\n{headers}\r\n")
            .into_bytes()
    }
}

const JOBS: &str = "/api/v1/tenants/rogue/jobs";
const JSON: &str = "Content-Type: application/json\r\n";

/// Bodies that are too long are refused as soon as that is known, whether they say so or not.
#[test]
fn bodies_without_end() {
    let stage = Stage::set();
    let neighbour = stage.neighbour();
    let claimed = format!("{JSON}Content-Length: {}\r\n", 10u64 << 30);
    let chunked = format!("{JSON}Transfer-Encoding: chunked\r\n");
    for (at, headers) in [&claimed, &chunked].into_iter().enumerate() {
        let begun = Instant::now();
        let mut http = stage.connect(at as u8 + 1);
        http.raw(&stage.head("POST", JOBS, headers)).unwrap();
        let chunk = [&b"10000\r\n"[..], &[b' '; 64 << 10], b"\r\n"].concat();
        // It may stop reading at any time.
        while http.raw(if at == 0 { &[b' '; 64 << 10] } else { &chunk }).is_ok() {
            assert!(begun.elapsed() < IN_TIME, "{headers}: it reads for ever");
        }
        match http.response("POST") {
            Ok(response) => assert_eq!(response.status, 413, "{headers}: {}", response.text()),
            // The system drops an answer of a connection that is closed with unread bytes.
            Err(error) => println!("{headers}: {error}"),
        }
    }
    // Without pushing further, the answer arrives.
    for (headers, bytes) in [(&claimed, (1 << 20) + 1), (&chunked, 0)] {
        let mut http = stage.connect(3);
        http.raw(&stage.head("POST", JOBS, headers)).unwrap();
        match bytes {
            0 => (0..17).for_each(|_| {
                let _ = http.raw(&[&b"10000\r\n"[..], &[b' '; 64 << 10], b"\r\n"].concat());
            }),
            bytes => _ = http.raw(&vec![b' '; bytes]),
        }
        let response = http.response("POST").expect("an answer");
        assert_eq!(response.status, 413, "{headers}: {}", response.text());
    }
    // A stranger is refused before anything of the body is read.
    let mut http = stage.connect(4);
    http.raw(format!("POST {JOBS} HTTP/1.1\r\nHost: node\r\n{claimed}\r\n").as_bytes()).unwrap();
    assert_eq!(http.response("POST").expect("an answer").status, 401);
    // A component is larger, and no more is kept of it than the limit.
    let mut http = stage.connect(5);
    let push = format!("Content-Type: application/wasm\r\nContent-Length: {}\r\n", 65 << 20);
    http.raw(&stage.head("POST", "/api/v1/tenants/rogue/plugins/large", &push)).unwrap();
    let part = vec![0; 1 << 20];
    for _ in 0..65 {
        if http.raw(&part).is_err() {
            break;
        }
    }
    assert!(http.response("POST").map_or(413, |response| response.status) == 413);
    let left: Vec<_> = std::fs::read_dir(stage.served.data().join("plugins/rogue")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    neighbour.judge("bodies without end");
}

/// A tenant that sends as many large bodies at once as it can, and ends none of them, takes little of the node's memory.
#[test]
fn many_bodies_that_do_not_end() {
    let stage = Stage::set();
    let neighbour = stage.neighbour();
    let head = stage.head("POST", JOBS, &format!("{JSON}Content-Length: {}\r\n", 1 << 20));
    let part = vec![b' '; (1 << 20) - 1];
    let clients: Vec<_> = (0..400u32)
        .map(|at| {
            let mut stream = connect_from(Ipv4Addr::new(127, 0, 2, (at % 4) as u8 + 1), stage.served.address).unwrap();
            stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
            // Most of them are refused.
            let _ = stream.write_all(&head).and_then(|()| stream.write_all(&part));
            stream
        })
        .collect();
    sleep(Duration::from_secs(1));
    drop(clients);
    neighbour.judge("many bodies that do not end");
}

/// Two hundred clients that send a byte a second, half of them a head and half of them a body: all of them are gone in time.
#[test]
fn slow_clients() {
    let stage = Stage::set();
    let neighbour = stage.neighbour();
    let body = stage.head("POST", JOBS, &format!("{JSON}Content-Length: 1000\r\n"));
    let begun = Instant::now();
    let mut clients: Vec<(TcpStream, bool)> = (0..200u8)
        .map(|at| {
            let mut stream = connect_from(Ipv4Addr::new(127, 0, 8, at % 4 + 1), stage.served.address).unwrap();
            stream.set_nonblocking(true).unwrap();
            let sends_body = at % 2 == 0;
            stream.write_all(if sends_body { &body } else { b"GET /healthz HTTP/1.1\r\nHost: node\r\n" }).unwrap();
            (stream, sends_body)
        })
        .collect();
    let mut too_slow = 0;
    while !clients.is_empty() {
        assert!(begun.elapsed() < IN_TIME, "{} slow clients are served still", clients.len());
        sleep(Duration::from_secs(1));
        clients.retain_mut(|(stream, sends_body)| {
            let mut said = [0; 512];
            match stream.read(&mut said) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Ok(count) if count > 0 => {
                    let said = String::from_utf8_lossy(&said[..count]).into_owned();
                    assert!(
                        *sends_body && (said.starts_with("HTTP/1.1 408") || said.starts_with("HTTP/1.1 429")),
                        "{said}"
                    );
                    too_slow += usize::from(said.starts_with("HTTP/1.1 408"));
                    return false;
                }
                _ => return false,
            }
            stream.write_all(if *sends_body { b" " } else { b"x" }).is_ok()
        });
    }
    println!("all slow clients are gone after {:.1?}, {too_slow} with an answer", begun.elapsed());
    // The others are more than a tenant may have at once.
    assert!(too_slow >= 30, "{too_slow} slow bodies were answered with 408");
    neighbour.judge("slow clients");
}

/// More connections than the node takes, from many addresses: those that are open go on, and new ones are served soon after.
#[test]
fn two_thousand_connections() {
    let stage = Stage::set();
    let neighbour = stage.neighbour();
    let idle: Vec<_> = (0..2_000u32)
        .filter_map(|at| connect_from(Ipv4Addr::new(127, 0, 7, (at % 20) as u8 + 1), stage.served.address).ok())
        .collect();
    assert!(idle.len() >= 1_000, "{} connections", idle.len());
    // From one address, no more than its share.
    let many: Vec<_> =
        (0..300).filter_map(|_| connect_from(Ipv4Addr::new(127, 0, 6, 1), stage.served.address).ok()).collect();
    sleep(Duration::from_secs(1));
    let begun = Instant::now();
    loop {
        let mut http = Http::of(connect_from(Ipv4Addr::new(127, 0, 5, 1), stage.served.address).unwrap());
        if http.try_ask("GET", "/healthz", &[], b"").is_ok_and(|response| response.status == 200) {
            break;
        }
        assert!(begun.elapsed() < IN_TIME, "new clients are not served");
        sleep(Duration::from_millis(100));
    }
    println!("beside {} idle connections, a new client is served after {:.1?}", idle.len(), begun.elapsed());
    drop(many);
    neighbour.judge("two thousand connections");
}

/// Clients that ask and do not read: neither components nor small answers pile up in the node.
#[test]
fn clients_that_do_not_read() {
    let stage = Stage::set();
    let mut component = std::fs::read(harness::plugin("text")).unwrap();
    // A custom section: an id, the length of the rest, a name of one character, content.
    let padding = vec![0xa5; (16 << 20) - 2];
    component.extend([0, 0x80, 0x80, 0x80, 0x08, 1, b'x']);
    component.extend(padding);
    let token = format!("Bearer {}", stage.rogue);
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/wasm")];
    let pushed = stage.connect(1).ask("POST", "/api/v1/tenants/rogue/plugins/text", &headers, &component);
    pushed.expect(201);
    let neighbour = stage.neighbour();
    let large = stage.head("GET", "/api/v1/tenants/rogue/plugins/text/1/component", "");
    let small = b"GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n".repeat(500);
    let mut clients = Vec::new();
    for at in 0..60u8 {
        let mut stream = connect_from(Ipv4Addr::new(127, 0, 4, at % 4 + 1), stage.served.address).unwrap();
        match at % 2 {
            0 => stream.write_all(&large).unwrap(),
            _ => {
                stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
                while stream.write_all(&small).is_ok() {}
            }
        }
        clients.push(stream);
    }
    let begun = Instant::now();
    let open = |clients: &[TcpStream]| {
        let pending = |stream: &TcpStream| {
            // What the system has for the client is no business of the node.
            stream.set_nonblocking(true).unwrap();
            stream.take_error().unwrap().is_none() && (&mut &*stream).write(b"G").is_ok()
        };
        clients.iter().filter(|stream| pending(stream)).count()
    };
    while open(&clients) > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{} clients that do not read are served still",
            open(&clients)
        );
        sleep(Duration::from_secs(1));
    }
    println!("clients that do not read are gone after {:.1?}", begun.elapsed());
    neighbour.judge("clients that do not read");
}
