//! The JSON in which the metadata endpoints of EC2, ECS and EKS, and programs, hand out credentials.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_smithy_json::deserialize::{Token, json_token_iter};
use aws_smithy_types::{
    Number,
    date_time::{DateTime, Format},
};
use tower::BoxError;

/// One answer; its keys are found in any case.
pub(crate) struct Document(Vec<(String, Field)>);

enum Field {
    Text(String),
    Number(u64),
    Null,
    Other,
}

/// Why an answer is of no use. Nothing of its contents is repeated: they may be secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the answer is not JSON")]
    NotJson,
    #[error("the answer is JSON, but not an object")]
    NotAnObject,
    #[error("the answer has no {0}")]
    Missing(&'static str),
    #[error("{0} in the answer is not text")]
    NotText(&'static str),
    #[error("{0} in the answer holds characters that cannot stand in a header")]
    Characters(&'static str),
    #[error("Expiration in the answer is not a date")]
    NotADate(#[source] BoxError),
}

impl Document {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Unreadable> {
        let (mut fields, mut key) = (Vec::new(), None);
        let (mut depth, mut is_object) = (0_usize, None);
        for token in json_token_iter(json) {
            let token = token.map_err(|_| Unreadable::NotJson)?;
            if depth == 0 && is_object.is_some() {
                return Err(Unreadable::NotJson);
            }
            is_object.get_or_insert(matches!(token, Token::StartObject { .. }));
            let field = match token {
                Token::ObjectKey { key: name, .. } if depth == 1 => {
                    key = Some(name.to_unescaped().map_err(|_| Unreadable::NotJson)?.into_owned());
                    continue;
                }
                Token::ObjectKey { .. } => continue,
                Token::EndObject { .. } | Token::EndArray { .. } => {
                    depth = depth.saturating_sub(1);
                    continue;
                }
                Token::StartObject { .. } | Token::StartArray { .. } => {
                    depth += 1;
                    Field::Other
                }
                Token::ValueString { value, .. } => {
                    Field::Text(value.to_unescaped().map_err(|_| Unreadable::NotJson)?.into_owned())
                }
                Token::ValueNumber { value: Number::PosInt(number), .. } => Field::Number(number),
                Token::ValueNull { .. } => Field::Null,
                Token::ValueNumber { .. } | Token::ValueBool { .. } => Field::Other,
            };
            fields.extend(key.take().map(|key| (key, field)));
        }
        match is_object {
            Some(true) if depth == 0 => Ok(Self(fields)),
            Some(false) if depth == 0 => Err(Unreadable::NotAnObject),
            _ => Err(Unreadable::NotJson),
        }
    }

    fn get(&self, name: &str) -> Option<&Field> {
        let find = |is_it: &dyn Fn(&str) -> bool| self.0.iter().rev().find(|(key, _)| is_it(key));
        find(&|key| key == name).or_else(|| find(&|key| key.eq_ignore_ascii_case(name))).map(|(_, field)| field)
    }

    /// The whole number that a field holds.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            Field::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The text of a field; one that is absent, `null` or blank is `None`.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, Unreadable> {
        match self.get(name) {
            None | Some(Field::Null) => Ok(None),
            Some(Field::Text(text)) => Ok(Some(text.as_str()).filter(|text| !text.trim().is_empty())),
            Some(_) => Err(Unreadable::NotText(name)),
        }
    }

    pub(crate) fn required(&self, name: &'static str) -> Result<&str, Unreadable> {
        self.text(name)?.ok_or(Unreadable::Missing(name))
    }

    /// The text of a field that goes into headers, where a line break would start a header of its own.
    pub(crate) fn printable(&self, name: &'static str) -> Result<Option<&str>, Unreadable> {
        match self.text(name)? {
            Some(text) if !text.bytes().all(|byte| byte.is_ascii_graphic()) => Err(Unreadable::Characters(name)),
            text => Ok(text),
        }
    }

    pub(crate) fn access_key_id(&self) -> Result<&str, Unreadable> {
        self.printable("AccessKeyId")?.ok_or(Unreadable::Missing("AccessKeyId"))
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
            .access_key_id(self.access_key_id()?)
            .secret_access_key(self.required("SecretAccessKey")?)
            .provider_name(provider);
        credentials.set_session_token(self.printable("Token")?.map(Into::into));
        credentials.set_expiry(self.date("Expiration")?);
        credentials.set_account_id(self.text("AccountId")?.map(Into::into));
        Ok(credentials.build())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

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
            (" \n", "the answer is not JSON"),
            ("{} {}", "the answer is not JSON"),
            (r#"{"AccessKeyId": "hush",}"#, "the answer is not JSON"),
            (r#"{"AccessKeyId": "hush\x"}"#, "the answer is not JSON"),
            (r#"{"Else": ["hush"}"#, "the answer is not JSON"),
            (r#""hush""#, "the answer is JSON, but not an object"),
            (r#"{"AccessKeyId": "hush"#, "the answer is not JSON"),
            ("<html>hush</html>", "the answer is not JSON"),
            (r#"["hush"]"#, "the answer is JSON, but not an object"),
            (r#"{"NotTheExpectedDocumentFormat": "hush"}"#, "the answer has no AccessKeyId"),
            (
                r#"{"AccessKeyId": "hush\n", "SecretAccessKey": "s"}"#,
                "AccessKeyId in the answer holds characters that cannot stand in a header",
            ),
            (
                r#"{"AccessKeyId": "a", "SecretAccessKey": "s", "Token": "hush\r\nX-Evil: 1"}"#,
                "Token in the answer holds characters that cannot stand in a header",
            ),
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

    fn whole() -> String {
        let whole = json!({
            "AccessKeyId": "a\u{e9}\n\"", "Number": 18_446_744_073_709_551_615_u64, "Negative": -1, "Half": 0.5,
            "Nothing": null, "List": [1, {"AccessKeyId": []}, []], "Nested": {"Token": {}, "": ""}, "Yes": true,
        });
        whole.to_string()
    }

    #[test]
    fn what_is_cut_off_is_not_read() {
        let whole = whole();
        assert!(Document::parse(whole.as_bytes()).is_ok());
        for length in 0..whole.len() {
            assert!(matches!(Document::parse(&whole.as_bytes()[..length]), Err(Unreadable::NotJson)), "{length}");
        }
    }

    /// A document, and texts that hardly differ from it.
    fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
        let whole = whole().into_bytes();
        let byte = prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b'{'), Just(b'}'), Just(b','), Just(b' ')];
        prop::collection::vec((0..whole.len(), byte, 0..4_u8), 0..4).prop_map(move |changes| {
            let mut text = whole.clone();
            for (at, byte, change) in changes {
                let at = at.min(text.len() - 1);
                match change {
                    0 => text[at] = byte,
                    1 => text.insert(at, byte),
                    2 if text.len() > 1 => drop(text.remove(at)),
                    _ => text.truncate(at + 1),
                }
            }
            text
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_serde_json_reads_is_read_as_it_does(text in nearly_json()) {
            let (ours, theirs) = (Document::parse(&text), serde_json::from_slice(&text));
            let shown = String::from_utf8_lossy(&text);
            match theirs {
                Ok(Value::Object(theirs)) => {
                    let ours = ours.expect(&shown);
                    for (name, value) in &theirs {
                        let is_same = match ours.get(name) {
                            Some(Field::Text(text)) => value.as_str() == Some(text),
                            Some(Field::Number(number)) => value.as_u64() == Some(*number),
                            Some(Field::Null) => value.is_null(),
                            Some(Field::Other) => !value.is_string() && !value.is_u64() && !value.is_null(),
                            None => false,
                        };
                        prop_assert!(is_same, "{name} of {shown}");
                    }
                }
                Ok(_) => prop_assert!(matches!(ours, Err(Unreadable::NotAnObject)), "{shown}"),
                // Other than that it may be laxer, in the numbers that it passes over.
                Err(_) => {}
            }
        }
    }
}
