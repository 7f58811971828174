//! Addresses that never accept a connection.

use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

/// An address at which connecting is refused, for as long as the result lives: the port is bound, nobody listens.
pub struct ClosedPort(Socket);

impl ClosedPort {
    pub fn new() -> ClosedPort {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        ClosedPort(socket)
    }

    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }

    pub fn endpoint(&self) -> String {
        self.address().to_string()
    }
}

/// An address at which connecting neither succeeds nor fails: a listener whose queue is full drops every further SYN.
pub struct BlackHole {
    listener: Socket,
    _fillers: Vec<TcpStream>,
}

impl BlackHole {
    pub fn new() -> BlackHole {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        // A queue of length 0 accepts one connection. Later ones wait for space that never appears.
        let filler = TcpStream::connect(address).unwrap();
        BlackHole { listener, _fillers: vec![filler] }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap().as_socket().unwrap()
    }

    pub fn endpoint(&self) -> String {
        self.address().to_string()
    }
}
