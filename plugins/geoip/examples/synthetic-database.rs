//! Writes a small database of made-up countries: `synthetic-database OUT.mmdb [NETWORK=COUNTRY]...`.
//!
//! Without arguments, it has the networks that are reserved for documentation.

use std::error::Error;
use std::net::IpAddr;

#[path = "../src/synthetic.rs"]
mod synthetic;

/// The networks of RFC 5737 and RFC 3849.
const DOCUMENTATION: [&str; 4] = ["192.0.2.0/24=DE", "198.51.100.0/24=FR", "203.0.113.0/24=JP", "2001:db8::/32=US"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("which file? `synthetic-database OUT.mmdb [192.0.2.0/24=DE]...`")?;
    let mut written: Vec<String> = arguments.collect();
    if written.is_empty() {
        written = DOCUMENTATION.map(String::from).into();
    }
    let mut networks: Vec<synthetic::Network<'_>> = Vec::new();
    for network in &written {
        let wrong = || format!("`{network}` is not like 192.0.2.0/24=DE");
        let (range, country) = network.split_once('=').ok_or_else(wrong)?;
        let (address, prefix) = range.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.parse().ok().filter(|prefix| (1..=most).contains(prefix)).ok_or_else(wrong)?;
        networks.push((address, prefix, Some(country)));
    }
    // Smaller networks are within larger ones.
    networks.sort_by_key(|(_, prefix, _)| *prefix);
    std::fs::write(out, synthetic::database(&networks, 24, true))?;
    Ok(())
}
