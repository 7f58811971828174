//! Checks the settings of a client.

use std::net::SocketAddr;

use super::ClientBuilder;
use crate::error::ArgumentError;

impl ClientBuilder {
    pub(super) fn check(&self) -> Result<(), ArgumentError> {
        check_endpoint(&self.endpoint)?;
        if self.secret.is_empty() {
            return Err(ArgumentError::new("the project's secret is empty"));
        }
        self.reconnect.check()?;
        self.keep_alive.check()?;
        let more_than_zero = [
            (self.quest_timeout.is_zero(), "quest_timeout"),
            (self.connect_timeout.is_zero(), "connect_timeout"),
            (self.max_in_flight == 0, "max_in_flight"),
            (self.max_rate == Some(0), "max_rate"),
            (self.max_unsent == 0, "max_unsent"),
            (self.max_undelivered == 0, "max_undelivered"),
            (self.max_payload == 0, "max_payload"),
            (self.callback_threads == 0, "callback_threads"),
        ];
        match more_than_zero.iter().find(|(is_zero, _)| *is_zero) {
            Some((_, name)) => Err(ArgumentError::new(format!("{name} must be more than zero"))),
            None => Ok(()),
        }
    }
}

/// An endpoint is `host:port`, with an IPv6 address in brackets.
fn check_endpoint(endpoint: &str) -> Result<(), ArgumentError> {
    let is_sound = match (endpoint.parse::<SocketAddr>(), endpoint.rsplit_once(':')) {
        (Ok(address), _) => address.port() != 0,
        (Err(_), Some((host, port))) => is_host_name(host) && is_port(port),
        (Err(_), None) => false,
    };
    if is_sound {
        Ok(())
    } else {
        let hint = "write it as host:port, such as rtm.example.com:13315 or [::1]:13315";
        Err(ArgumentError::new(format!("`{}` is not an endpoint: {hint}", endpoint.escape_debug())))
    }
}

fn is_host_name(host: &str) -> bool {
    !host.is_empty() && !host.contains([':', '/', '[', ']']) && !host.contains(char::is_whitespace)
}

/// Only digits, because `parse` would also accept a sign.
fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::Client;
    use crate::config::{KeepAlive, ReconnectPolicy};
    use crate::error::Error;

    #[test]
    fn endpoints_are_told_from_nonsense() {
        for sound in ["rtm.example.com:13315", "127.0.0.1:80", "[::1]:13315", "localhost:1", "名前.example:5"] {
            assert!(check_endpoint(sound).is_ok(), "{sound}");
        }
        for nonsense in [
            "",
            "host",
            "host:",
            ":80",
            "host:0",
            "host:+80",
            "host:-1",
            "host:65536",
            "127.0.0.1:0",
            "::1:80",
            "tcp://host:80",
            "a b:80",
        ] {
            assert!(check_endpoint(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_rejected() {
        let builder = || Client::builder(1, "secret", "localhost:1");
        for builder in [
            Client::builder(1, "", "localhost:1"),
            builder().quest_timeout(Duration::ZERO),
            builder().connect_timeout(Duration::ZERO),
            builder().max_in_flight(0),
            builder().max_rate(0),
            builder().max_unsent(0),
            builder().max_undelivered(0),
            builder().max_payload(0),
            builder().callback_threads(0),
            builder().keep_alive(KeepAlive::default().tries(0)),
            builder().reconnect(ReconnectPolicy::default().jitter(-0.1)),
        ] {
            assert!(matches!(builder.build(), Err(Error::InvalidArgument(_))));
        }
    }
}
