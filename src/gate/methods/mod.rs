//! The methods that the gate knows. Each file has one family: its handlers and, in `METHODS`, their names.
//!
//! A new method is a handler and a line in the table of its family. A new family is a file and a line in [`FAMILIES`].

mod bans;
mod history;
mod info;
mod listening;
mod members;
mod messages;
mod ping;

use super::clock::Now;
use super::failure::ErrorAnswer;
use super::params::Params;
use super::project::{ConnectionId, Project};
use super::push::Pushes;
use super::reply::Reply;

const FAMILIES: [&[Method]; 7] = [
    ping::METHODS,
    members::METHODS,
    info::METHODS,
    bans::METHODS,
    messages::METHODS,
    history::METHODS,
    listening::METHODS,
];

/// The number of methods.
pub(super) const COUNT: usize = count(&FAMILIES);

/// Every method. Its index in this list is its number.
pub(super) const ALL: [Method; COUNT] = concat(&FAMILIES);

/// A method, by its name on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method {
    /// The name on the wire.
    pub name: &'static str,
    /// The handler.
    pub handler: Handler,
}

/// The handler of a method. It writes its result as pairs of the answer; without any, the answer is `{}`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Handler {
    /// A method of FPNN itself, which has no signature and no project.
    Unsigned(fn(Now, &mut Reply<'_>)),
    /// A call of RTM, whose signature has been verified.
    Signed(fn(&mut Call<'_, '_>, &mut Reply<'_>) -> Result<(), ErrorAnswer>),
}

/// A call with a valid signature.
#[derive(Debug)]
pub(super) struct Call<'a, 'p> {
    /// Its parameters.
    pub params: &'a Params<'p>,
    /// The state that it may change.
    pub project: &'a mut Project,
    /// When it arrived.
    pub now: Now,
    /// The connection that it arrived on.
    pub connection: ConnectionId,
    /// The pushes that it causes.
    pub pushes: &'a mut Pushes,
}

impl Method {
    const fn unsigned(name: &'static str, handler: fn(Now, &mut Reply<'_>)) -> Method {
        Method { name, handler: Handler::Unsigned(handler) }
    }

    const fn signed(
        name: &'static str,
        handler: fn(&mut Call<'_, '_>, &mut Reply<'_>) -> Result<(), ErrorAnswer>,
    ) -> Method {
        Method { name, handler: Handler::Signed(handler) }
    }
}

/// Returns the number of a method.
pub(super) fn find(name: &[u8]) -> Option<usize> {
    ALL.iter().position(|method| method.name.as_bytes() == name)
}

const fn count(families: &[&[Method]]) -> usize {
    let mut count = 0;
    let mut family = 0;
    while family < families.len() {
        count += families[family].len();
        family += 1;
    }
    count
}

const fn concat(families: &[&[Method]]) -> [Method; COUNT] {
    let mut all = [families[0][0]; COUNT];
    let (mut family, mut line, mut number) = (0, 0, 0);
    while number < COUNT {
        if line == families[family].len() {
            family += 1;
            line = 0;
        } else {
            all[number] = families[family][line];
            line += 1;
            number += 1;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_only_by_its_name() {
        for (number, method) in ALL.iter().enumerate() {
            assert_eq!(find(method.name.as_bytes()), Some(number), "{} is there twice", method.name);
        }
        assert_eq!(find(b"addroommembe"), None);
        assert_eq!(find(b""), None);
    }
}
