//! Reading query strings: each parameter once, of its type, and none that the endpoint does not know.

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, Query},
    http::{Uri, request::Parts},
};

use serde::de::{
    DeserializeOwned, IntoDeserializer as _,
    value::{Error, StrDeserializer},
};

use crate::problem::{Code, Problem};

/// Longest name of a parameter that is repeated to the sender, in characters.
const NAME_MAX_CHARS: usize = 64;

/// The parameters of a request. Each is taken by its name; [`Self::end`] refuses what is left.
#[derive(Default)]
pub struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri)
    }
}

impl Parameters {
    /// Those of an address.
    ///
    /// # Errors
    /// [`Code::UnknownQueryParameter`] where the query cannot be read.
    pub fn of(address: &Uri) -> Result<Self, Problem> {
        let unreadable = |_| Problem::new(Code::UnknownQueryParameter, "The query string cannot be read.");
        Query::try_from_uri(address).map(|Query(pairs)| Self(pairs)).map_err(unreadable)
    }

    /// The value of a parameter; `None` where it is not there. `remedy` says what it may be.
    ///
    /// # Errors
    /// [`Code::InvalidQueryParameter`] where it is of another form, or stands there twice.
    pub fn take<T: FromStr>(&mut self, name: &'static str, remedy: &'static str) -> Result<Option<T>, Problem> {
        let refuse = |detail| Problem::new(Code::InvalidQueryParameter, detail).field(name).remedy(remedy);
        let mut found = self.0.extract_if(.., |(known, _)| known == name);
        let Some((_, value)) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(refuse("The parameter stands there twice."));
        }
        value.parse().map(Some).map_err(|_| refuse("The parameter is not valid."))
    }

    /// Every value of a parameter, which may stand there any number of times. `remedy` says what they may be.
    ///
    /// # Errors
    /// [`Code::InvalidQueryParameter`] where one is of another form.
    pub fn take_all<T: FromStr>(&mut self, name: &'static str, remedy: &'static str) -> Result<Vec<T>, Problem> {
        let refuse = |_| Problem::new(Code::InvalidQueryParameter, "The parameter is not valid.");
        let found = self.0.extract_if(.., |(known, _)| known == name);
        found
            .map(|(_, value)| value.parse().map_err(refuse))
            .collect::<Result<_, Problem>>()
            .map_err(|problem| problem.field(name).remedy(remedy))
    }

    /// How many entries a page shall have: `limit`, from 1 to `most`; `usual` where it is not there.
    ///
    /// # Errors
    /// [`Code::InvalidQueryParameter`].
    pub fn limit(&mut self, usual: usize, most: usize) -> Result<usize, Problem> {
        let limit = self.take("limit", "send a whole number")?.unwrap_or(usual);
        if (1..=most).contains(&limit) {
            return Ok(limit);
        }
        Err(Problem::new(Code::InvalidQueryParameter, "The parameter is out of range.")
            .field("limit")
            .remedy(format!("send a number from 1 to {most}")))
    }

    /// Refuses every parameter that was not taken.
    ///
    /// # Errors
    /// [`Code::UnknownQueryParameter`] with the name of the first one.
    pub fn end(self) -> Result<(), Problem> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::new(Code::UnknownQueryParameter, "The endpoint takes no such parameter.")
                .field(name.chars().take(NAME_MAX_CHARS).collect::<String>())),
        }
    }
}

/// A plain enum, as JSON names it.
#[derive(Debug)]
pub struct Word<T>(pub T);

impl<T: DeserializeOwned> FromStr for Word<T> {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let word: StrDeserializer<'_, Error> = text.into_deserializer();
        T::deserialize(word).map(Self).map_err(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::of(&format!("/x?{query}").parse().unwrap()).unwrap()
    }

    #[test]
    fn parameters_are_read_once_and_by_their_type() {
        let mut given = parameters("limit=5&name=a%20b");
        assert_eq!(given.take::<u8>("limit", "").unwrap(), Some(5));
        assert_eq!(given.take::<u8>("offset", "").unwrap(), None);
        assert_eq!(given.take::<String>("name", "").unwrap().as_deref(), Some("a b"));
        given.end().unwrap();
    }

    #[test]
    fn what_is_wrong_is_named() {
        for query in ["limit=", "limit=x", "limit=-1", "limit=300", "limit", "limit=1&limit=1", "limit=%ff"] {
            let problem = parameters(query).take::<u8>("limit", "send 0 to 255").unwrap_err();
            assert_eq!(
                (problem.code(), problem.named_field()),
                (Code::InvalidQueryParameter, Some("limit")),
                "{query}"
            );
        }
        let problem = parameters("colour=red").end().unwrap_err();
        assert_eq!((problem.code(), problem.named_field()), (Code::UnknownQueryParameter, Some("colour")));
    }
}
