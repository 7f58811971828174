//! `-` as the name of stdin.

use std::path::Path;

pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The file as it is named in messages.
pub(crate) fn name_of(path: &Path) -> String {
    if is_stdin(path) { "stdin".into() } else { path.display().to_string() }
}
