//! Names of methods: any text of 1 to 255 bytes (section 1).

use std::fmt;

/// The longest name, in bytes: its length has one byte in the header.
const LONGEST: usize = 255;

/// The name of a method. Its length fits a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodName<'a>(&'a str);

impl<'a> MethodName<'a> {
    /// Checks a name that is known only at run time. Returns `None` unless it has 1 to 255 bytes.
    #[must_use]
    pub const fn new(name: &'a str) -> Option<MethodName<'a>> {
        if name.is_empty() || name.len() > LONGEST { None } else { Some(MethodName(name)) }
    }

    /// Checks a name at compile time: for constants only.
    ///
    /// # Panics
    ///
    /// The name does not have 1 to 255 bytes.
    #[must_use]
    pub const fn literal(name: &'a str) -> MethodName<'a> {
        assert!(!name.is_empty() && name.len() <= LONGEST, "a method's name has 1 to 255 bytes");
        MethodName(name)
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The length of the name, as in the header.
    pub(super) fn len(self) -> u8 {
        // Checked by the constructors.
        self.0.len() as u8
    }
}

impl fmt::Display for MethodName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_1_to_255_bytes() {
        let longest = "é".repeat(127) + "x";
        assert_eq!(MethodName::new(&longest).map(MethodName::len), Some(255));
        assert_eq!(MethodName::new("x").map(MethodName::as_str), Some("x"));
        assert_eq!(MethodName::new(""), None);
        assert_eq!(MethodName::new(&(longest + "x")), None);
    }
}
