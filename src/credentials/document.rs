//! The JSON in which the metadata endpoints of EC2, ECS and EKS, and programs, hand out credentials.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_smithy_types::date_time::{DateTime, Format};
use serde_json::{Map, Value};
use tower::BoxError;

/// One answer; its keys are found in any case.
pub(crate) struct Document(Map<String, Value>);

/// Why an answer is of no use. Nothing of its contents is repeated: they may be secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the answer is not JSON")]
    NotJson(#[source] serde_json::Error),
    #[error("the answer is JSON, but not an object")]
    NotAnObject,
    #[error("the answer has no {0}")]
    Missing(&'static str),
    #[error("{0} in the answer is not text")]
    NotText(&'static str),
    #[error("Expiration in the answer is not a date")]
    NotADate(#[source] BoxError),
}

impl Document {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Unreadable> {
        match serde_json::from_slice(json).map_err(Unreadable::NotJson)? {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(Unreadable::NotAnObject),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let in_any_case = || self.0.iter().find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value));
        self.0.get(name).or_else(in_any_case)
    }

    /// The whole number that a field holds.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_u64()
    }

    /// The text of a field; one that is absent, `null` or blank is `None`.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, Unreadable> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.trim().is_empty())),
            Some(_) => Err(Unreadable::NotText(name)),
        }
    }

    pub(crate) fn required(&self, name: &'static str) -> Result<&str, Unreadable> {
        self.text(name)?.ok_or(Unreadable::Missing(name))
    }

    /// A field that holds a date, as RFC 3339 writes it.
    pub(crate) fn date(&self, name: &'static str) -> Result<Option<SystemTime>, Unreadable> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let date = DateTime::from_str(text, Format::DateTimeWithOffset).map_err(|e| Unreadable::NotADate(e.into()))?;
        SystemTime::try_from(date).map(Some).map_err(|error| Unreadable::NotADate(error.into()))
    }

    /// `AccessKeyId`, `SecretAccessKey`, and of `Token`, `Expiration` and `AccountId` those that are there.
    pub(crate) fn credentials(&self, provider: &'static str) -> Result<Credentials, Unreadable> {
        let mut credentials = Credentials::builder()
            .access_key_id(self.required("AccessKeyId")?)
            .secret_access_key(self.required("SecretAccessKey")?)
            .provider_name(provider);
        credentials.set_session_token(self.text("Token")?.map(Into::into));
        credentials.set_expiry(self.date("Expiration")?);
        credentials.set_account_id(self.text("AccountId")?.map(Into::into));
        Ok(credentials.build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Credentials, String> {
        Document::parse(json.as_bytes()).and_then(|d| d.credentials("test")).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_found_in_any_case_and_others_are_passed_over() {
        let credentials = read(
            r#"{"accesskeyid": "AKID", "SECRETACCESSKEY": "secret", "Token": "token", "Else": {"AccessKeyId": 1},
                "expiration": "2009-02-13T23:31:30.25Z", "AccountId": "123456789012"}"#,
        )
        .unwrap();
        assert_eq!((credentials.access_key_id(), credentials.secret_access_key()), ("AKID", "secret"));
        assert_eq!(credentials.session_token(), Some("token"));
        assert_eq!(credentials.account_id().unwrap().as_str(), "123456789012");
        let expiry = credentials.expiry().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(expiry.as_millis(), 1_234_567_890_250);
    }

    #[test]
    fn the_key_as_it_is_written_wins_over_one_in_another_case() {
        let credentials = read(r#"{"ACCESSKEYID": "b", "AccessKeyId": "a", "SecretAccessKey": "s"}"#).unwrap();
        assert_eq!(credentials.access_key_id(), "a");
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_repeated() {
        for (json, expected) in [
            ("", "the answer is not JSON"),
            (r#"{"AccessKeyId": "hush"#, "the answer is not JSON"),
            ("<html>hush</html>", "the answer is not JSON"),
            (r#"["hush"]"#, "the answer is JSON, but not an object"),
            (r#"{"NotTheExpectedDocumentFormat": "hush"}"#, "the answer has no AccessKeyId"),
            (r#"{"AccessKeyId": "hush", "SecretAccessKey": " "}"#, "the answer has no SecretAccessKey"),
            (r#"{"AccessKeyId": "hush", "SecretAccessKey": null}"#, "the answer has no SecretAccessKey"),
            (r#"{"AccessKeyId": "a", "SecretAccessKey": ["hush"]}"#, "SecretAccessKey in the answer is not text"),
            (
                r#"{"AccessKeyId": "a", "SecretAccessKey": "s", "Expiration": "hush"}"#,
                "Expiration in the answer is not a date",
            ),
            (
                r#"{"AccessKeyId": "a", "SecretAccessKey": "s", "Expiration": 1234}"#,
                "Expiration in the answer is not text",
            ),
        ] {
            let error = read(json).unwrap_err();
            assert_eq!(error, expected, "{json}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(read(&deep).unwrap_err(), "the answer is not JSON");
    }
}
