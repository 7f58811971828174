//! Serves a client's metrics to Prometheus, and shows what a scrape finds.
//!
//! ```sh
//! cargo run --features gate,metrics --example metrics
//! cargo run --features gate,metrics --example metrics -- 127.0.0.1:9464    # runs until it is stopped
//! ```

#[path = "../common/mod.rs"]
mod common;
mod exporter;

use std::error::Error as StdError;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use rtm_server_sdk::{Client, Error};

/// Counters and gauges are published once a second.
const PUBLISHED: Duration = Duration::from_millis(1200);

fn main() -> Result<(), Box<dyn StdError>> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0"))?;
    let scrape_address = listener.local_addr()?;
    // Before any client is built, because a client without a recorder never records anything.
    exporter::serve(listener, exporter::install()?)?;

    let server = common::Server::find()?;
    println!("making calls to {}; metrics at http://{scrape_address}/metrics", server.describe());
    let client = server.client().metrics_label("example").build()?;
    make_calls(&client)?;
    thread::sleep(PUBLISHED);
    println!("\n{}", scrape(scrape_address)?);
    while address.is_some() {
        make_calls(&client)?;
        thread::sleep(PUBLISHED);
    }
    Ok(())
}

fn make_calls(client: &Client) -> Result<(), Error> {
    for uid in 1001..=1020 {
        client.add_room_member(42, uid).call()?;
    }
    client.get_room_members(42).call()?;
    // Refused before it is sent: it changes nothing.
    let refused = client.set_room_info(42, None, None).call();
    assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{refused:?}");
    Ok(())
}

/// What Prometheus would get.
fn scrape(address: SocketAddr) -> Result<String, Box<dyn StdError>> {
    let mut connection = TcpStream::connect(address)?;
    connection.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut response = String::new();
    connection.read_to_string(&mut response)?;
    let (_head, body) = response.split_once("\r\n\r\n").ok_or("the response has no end of its head")?;
    Ok(body.to_owned())
}
