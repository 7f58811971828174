//! The engine's settings.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{KeepAlive, ReconnectPolicy};

/// The engine's settings, already checked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub endpoint: Arc<str>,
    pub connect_timeout: Duration,
    pub auto_connect: bool,
    pub reconnect: ReconnectPolicy,
    pub keep_alive: KeepAlive,
    /// Whether to ask the server for its time when it refuses a time stamp.
    pub correct_clock: bool,
    pub max_payload: usize,
    /// Calls per second.
    pub max_rate: Option<u32>,
    #[cfg(feature = "encryption")]
    pub encryption: Option<crate::fpnn::Encryption>,
}
