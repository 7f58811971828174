//! Finds a server for the examples: the real one that the environment names, or a gate in their own process.

use std::env;
use std::error::Error as StdError;

use rtm_server_sdk::gate::Gate;
use rtm_server_sdk::{Client, ClientBuilder};

const VARIABLES: [&str; 3] = ["RTM_ENDPOINT", "RTM_PID", "RTM_SECRET"];

/// A server to talk to, and the project to use on it.
pub struct Server {
    pid: i32,
    secret: String,
    endpoint: String,
    gate: Option<Gate>,
}

impl Server {
    /// The server that `RTM_ENDPOINT`, `RTM_PID` and `RTM_SECRET` name if all three are set, otherwise a gate of our own.
    pub fn find() -> Result<Server, Box<dyn StdError>> {
        let values = VARIABLES.map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
        match values {
            [Some(endpoint), Some(pid), Some(secret)] => {
                let pid = pid.parse().map_err(|_| format!("RTM_PID is a project's number, not `{pid}`"))?;
                Ok(Server { pid, secret, endpoint, gate: None })
            }
            [None, None, None] => Server::of_our_own(),
            _ => Err(format!("set all of {}, or none of them", VARIABLES.join(", ")).into()),
        }
    }

    fn of_our_own() -> Result<Server, Box<dyn StdError>> {
        let (pid, secret) = (80000001, "secret".to_owned());
        let gate = Gate::builder().project(pid, secret.as_str()).bind("127.0.0.1:0")?;
        Ok(Server { pid, secret, endpoint: gate.endpoint().to_owned(), gate: Some(gate) })
    }

    /// Starts building a client of this server.
    pub fn client(&self) -> ClientBuilder {
        Client::builder(self.pid, self.secret.as_str(), self.endpoint.as_str())
    }

    /// The server, in words.
    pub fn describe(&self) -> String {
        match self.gate {
            Some(_) => format!("a gate inside this process, at {}", self.endpoint),
            None => format!("the RTM server at {}, project {}", self.endpoint, self.pid),
        }
    }

    /// Whether it is a gate inside this process.
    #[allow(dead_code, reason = "not every example asks")]
    pub fn is_our_own(&self) -> bool {
        self.gate.is_some()
    }

    /// Stops the gate if it is our own. Returns whether it is.
    #[allow(dead_code, reason = "not every example does")]
    pub fn stop(&mut self) -> bool {
        self.gate.take().is_some()
    }
}
