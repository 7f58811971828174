//! A call of one method: its quest, and the reader of its answer.

use std::borrow::Cow;

use super::quest::UnsignedQuest;
use crate::code::ErrorCode;
use crate::error::{ArgumentError, DecodeError, Error};
use crate::fpnn::{MapWriter, MethodName, PayloadReader, read_answer};

/// Reads a result from the payload of an answer, without any context.
type ReadResult<T> = fn(&mut PayloadReader<'_>) -> Result<T, DecodeError>;
/// Reads a result that depends on the call.
type ReadWithContext<T> = Box<dyn Fn(&mut PayloadReader<'_>) -> Result<T, DecodeError> + Send + Sync>;

/// A call of one method, before it is signed and sent.
pub struct Request<T> {
    /// The quest, or why the call can never work.
    pub quest: Result<UnsignedQuest, ArgumentError>,
    /// The reader of its answer.
    pub answer: AnswerReader<T>,
}

impl<T> Request<T> {
    /// Creates a request that works with any arguments: `write` adds the parameters, `read` reads the result.
    pub fn new(
        method: MethodName<'static>,
        write: impl FnOnce(MapWriter<'_>) -> MapWriter<'_>,
        read: ReadResult<T>,
    ) -> Request<T> {
        Request::checked(method, Ok(()), |(), params| write(params), read)
    }

    /// Creates a request whose arguments were checked: `write` gets the result of the check.
    pub fn checked<C>(
        method: MethodName<'static>,
        check: Result<C, ArgumentError>,
        write: impl FnOnce(C, MapWriter<'_>) -> MapWriter<'_>,
        read: ReadResult<T>,
    ) -> Request<T> {
        let quest = check.map(|checked| quest(method, |params| write(checked, params)));
        Request { quest, answer: AnswerReader(Reader::Plain(method.as_str(), read)) }
    }

    /// Creates a request whose result is read with context from the call, which `read` owns.
    pub fn with_context<C>(
        method: MethodName<'static>,
        check: Result<C, ArgumentError>,
        write: impl FnOnce(C, MapWriter<'_>) -> MapWriter<'_>,
        read: impl Fn(&mut PayloadReader<'_>) -> Result<T, DecodeError> + Send + Sync + 'static,
    ) -> Request<T> {
        let quest = check.map(|checked| quest(method, |params| write(checked, params)));
        Request { quest, answer: AnswerReader::special(method.as_str().into(), Read::WithContext(Box::new(read))) }
    }

    /// Creates a request for a method whose name is known only at run time. Any name is allowed if `quest` is an error.
    #[cfg(feature = "serde")]
    pub fn by_name(name: &str, quest: Result<UnsignedQuest, ArgumentError>, read: ReadResult<T>) -> Request<T> {
        Request { quest, answer: AnswerReader::special(name.to_owned().into(), Read::Plain(read)) }
    }

    /// Makes the error code `code` stand for the result `result`.
    #[must_use]
    pub fn error_means(mut self, code: ErrorCode, result: fn() -> T) -> Request<T> {
        let result_of_error = Some((code, result));
        let special = match self.answer.0 {
            Reader::Plain(method, read) => Special { method: method.into(), read: Read::Plain(read), result_of_error },
            Reader::Special(special) => Special { result_of_error, ..*special },
        };
        self.answer.0 = Reader::Special(Box::new(special));
        self
    }
}

fn quest(method: MethodName<'_>, write: impl FnOnce(MapWriter<'_>) -> MapWriter<'_>) -> UnsignedQuest {
    let mut quest = UnsignedQuest::new(method);
    write(quest.params());
    quest
}

/// Reads the answer to one call. Small, because every submitted call holds one until its outcome is taken.
pub struct AnswerReader<T>(Reader<T>);

enum Reader<T> {
    /// The method's name and the reader of its result, which suffice for most calls.
    Plain(&'static str, ReadResult<T>),
    Special(Box<Special<T>>),
}

/// The details of a call for which a constant name and a function do not suffice.
struct Special<T> {
    method: Cow<'static, str>,
    read: Read<T>,
    /// An error code that is not an error for this method, and the result that it stands for.
    result_of_error: Option<(ErrorCode, fn() -> T)>,
}

enum Read<T> {
    Plain(ReadResult<T>),
    WithContext(ReadWithContext<T>),
}

impl<T> AnswerReader<T> {
    fn special(method: Cow<'static, str>, read: Read<T>) -> AnswerReader<T> {
        AnswerReader(Reader::Special(Box::new(Special { method, read, result_of_error: None })))
    }

    /// The name of the called method.
    #[must_use]
    pub fn method(&self) -> &str {
        match &self.0 {
            Reader::Plain(method, _) => method,
            Reader::Special(special) => &special.method,
        }
    }

    /// Reads an answer's result.
    ///
    /// # Errors
    ///
    /// The server's error, or a decoding error that names the method.
    pub fn read(&self, status: u8, flag: u8, payload: &[u8]) -> Result<T, Error> {
        let result = match &self.0 {
            Reader::Plain(_, read) => read_answer(status, flag, payload, read),
            Reader::Special(special) => match &special.read {
                Read::Plain(read) => read_answer(status, flag, payload, read),
                Read::WithContext(read) => read_answer(status, flag, payload, read),
            },
        };
        match result {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => match self.result_of_error() {
                Some((code, result)) if error.code() == code => Ok(result()),
                _ => Err(Error::Answer(error)),
            },
            Err(error) => Err(Error::Decode(error.in_answer_to(self.method().to_owned().into()))),
        }
    }

    fn result_of_error(&self) -> Option<(ErrorCode, fn() -> T)> {
        match &self.0 {
            Reader::Plain(..) => None,
            Reader::Special(special) => special.result_of_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fpnn::FLAG_MSGPACK;

    const METHOD: MethodName<'static> = MethodName::literal("getmsg");

    fn read_rid(reader: &mut PayloadReader<'_>) -> Result<i64, DecodeError> {
        match reader.next_key()? {
            Some(_) => reader.int("rid"),
            None => Ok(0),
        }
    }

    #[test]
    fn decode_error_names_the_method() {
        let request = Request::new(METHOD, |params| params, read_rid);
        let error = request.answer.read(0, FLAG_MSGPACK, b"\x81\xa3rid\xa1x").unwrap_err();
        assert_eq!(error.code(), ErrorCode::FPNN_EC_CORE_DECODING);
        assert_eq!(error.to_string(), "the answer to getmsg cannot be read: `rid` is not an integer");
    }

    #[test]
    fn context_is_available_to_every_read() {
        let context = 40;
        let request =
            Request::with_context(METHOD, Ok(()), |(), params| params, move |reader| Ok(read_rid(reader)? + context));
        for _ in 0..2 {
            assert_eq!(request.answer.read(0, FLAG_MSGPACK, b"\x81\xa3rid\x02").unwrap(), 42);
        }
    }

    #[test]
    fn one_error_code_can_stand_for_a_result() {
        let request = Request::new(METHOD, |params| params, read_rid).error_means(200_070.into(), || -1);
        let answer = |code: &[u8]| [&b"\x81\xa4code\xce"[..], code].concat();
        let not_found = answer(&200_070_u32.to_be_bytes());
        assert_eq!(request.answer.read(1, FLAG_MSGPACK, &not_found).unwrap(), -1);
        let other = answer(&200_034_u32.to_be_bytes());
        assert_eq!(request.answer.read(1, FLAG_MSGPACK, &other).unwrap_err().code(), 200_034);
    }
}
