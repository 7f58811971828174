//! To be written.
#[path = "common/server.rs"]
mod server;
fn main() {
    let l = std::net::TcpListener::bind("127.0.0.1:23325").unwrap();
    server::serve(&l);
}
