//! The XML that STS answers with. Nothing of it is repeated in an error: all of it may be secret.

use aws_credential_types::Credentials;
use aws_smithy_types::date_time::{DateTime, Format};
use quick_xml::{Reader, escape::resolve_xml_entity, events::Event};

/// No answer of STS nests half as deep.
const MAX_DEPTH: usize = 16;

/// Why an answer is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the answer is not whole XML")]
    NotXml,
    #[error("the answer has no {0}")]
    Missing(&'static str),
    #[error("the answer has more than one {0}")]
    Twice(&'static str),
    #[error("{0} in the answer holds characters that cannot stand there")]
    Characters(&'static str),
    #[error("Expiration in the answer is not a date")]
    NotADate,
}

/// What an error says of itself.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fault {
    pub(super) code: String,
    pub(super) message: String,
}

/// Reads the answer to a call of this action.
///
/// The expiry is required, as it is in the model of STS. An answer without one breaks that contract, and to guess it
/// from the duration that was asked for would let a cache hold the credentials past their end, or for ever.
pub(super) fn read_credentials(action: &str, provider: &'static str, xml: &[u8]) -> Result<Credentials, Unreadable> {
    const FIELDS: [&str; 5] = ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "Arn"];
    let mut values: [Option<String>; 5] = Default::default();
    let result = format!("{action}Response/{action}Result/");
    leaves(xml, |path, text| {
        let (parent, name) = path.strip_prefix(&result).and_then(|path| path.split_once('/')).unwrap_or_default();
        let Some(index) = FIELDS.iter().position(|field| *field == name) else { return Ok(()) };
        if parent != if name == "Arn" { "AssumedRoleUser" } else { "Credentials" } {
            return Ok(());
        }
        match values[index].replace(text) {
            None => Ok(()),
            Some(_) => Err(Unreadable::Twice(FIELDS[index])),
        }
    })?;
    let mut take = |index: usize| values[index].take().filter(|text| !text.is_empty());
    let mut need = |index: usize| {
        let text = take(index).ok_or(Unreadable::Missing(FIELDS[index]))?;
        // They go into headers, where a line break would start a header of its own.
        let graphic = text.bytes().all(|byte| byte.is_ascii_graphic());
        if graphic { Ok(text) } else { Err(Unreadable::Characters(FIELDS[index])) }
    };
    let (key, secret, token, expiration) = (need(0)?, need(1)?, need(2)?, need(3)?);
    let expiry = DateTime::from_str(&expiration, Format::DateTimeWithOffset).ok().and_then(|date| date.try_into().ok());
    let mut credentials = Credentials::builder()
        .access_key_id(key)
        .secret_access_key(secret)
        .session_token(token)
        .expiry(expiry.ok_or(Unreadable::NotADate)?)
        .provider_name(provider);
    // arn:partition:sts::account:assumed-role/name/session
    let arn = take(4).unwrap_or_default();
    let account = arn.split(':').nth(4).filter(|account| !account.is_empty());
    credentials.set_account_id(account.map(Into::into));
    Ok(credentials.build())
}

/// Reads an error: STS wraps its `<Error>` in an `<ErrorResponse>`, some services of AWS and some of its imitations send
/// it bare, or in `<Errors>` too.
pub(super) fn read_fault(xml: &[u8]) -> Option<Fault> {
    let mut fault = Fault::default();
    let read = leaves(xml, |path, text| {
        let path = path.strip_prefix("ErrorResponse/").unwrap_or(path);
        match path.strip_prefix("Errors/").unwrap_or(path) {
            "Error/Code" if !fault.code.is_empty() => return Err(Unreadable::Twice("Code")),
            "Error/Code" => fault.code = text,
            "Error/Message" => fault.message = text,
            _ => {}
        }
        Ok(())
    });
    let plain = |code: &str| (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (read.is_ok() && plain(&fault.code)).then_some(fault)
}

/// Hands over the path and the text of each element that has no others in it. Namespaces are passed over.
fn leaves(xml: &[u8], mut found: impl FnMut(&str, String) -> Result<(), Unreadable>) -> Result<(), Unreadable> {
    let mut reader = Reader::from_str(std::str::from_utf8(xml).map_err(|_| Unreadable::NotXml)?);
    let (mut path, mut ends) = (String::new(), Vec::new());
    let (mut text, mut is_leaf) = (String::new(), false);
    let mut roots = 0;
    loop {
        match reader.read_event().map_err(|_| Unreadable::NotXml)? {
            Event::Start(element) => {
                roots += usize::from(ends.is_empty());
                if ends.len() == MAX_DEPTH || roots > 1 {
                    return Err(Unreadable::NotXml);
                }
                ends.push(path.len());
                if !path.is_empty() {
                    path.push('/');
                }
                path.push_str(element.local_name().as_ref());
                text.clear();
                is_leaf = true;
            }
            Event::End(_) => {
                if is_leaf {
                    found(&path, text.trim().to_owned())?;
                }
                path.truncate(ends.pop().ok_or(Unreadable::NotXml)?);
                is_leaf = false;
            }
            Event::Empty(_) => is_leaf = false,
            Event::Text(piece) => text.push_str(&piece),
            Event::CData(piece) => text.push_str(&piece.into_inner()),
            Event::GeneralRef(entity) => match entity.resolve_char_ref().map_err(|_| Unreadable::NotXml)? {
                Some(character) => text.push(character),
                None => text.push_str(resolve_xml_entity(&entity).ok_or(Unreadable::NotXml)?),
            },
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof if ends.is_empty() && roots == 1 => return Ok(()),
            // A document type can define entities, and no answer of STS has one.
            Event::Eof | Event::DocType(_) => return Err(Unreadable::NotXml),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const ROLE: &str = "AssumeRole";

    fn answer(credentials: &str) -> String {
        format!(
            "<?xml version='1.0'?><AssumeRoleResponse xmlns=\"x\"><AssumeRoleResult>\
             <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser>\
             <Credentials>{credentials}</Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )
    }

    const KEYS: &str = "<AccessKeyId>AKID</AccessKeyId><SecretAccessKey>hunter2</SecretAccessKey>\
        <SessionToken>token</SessionToken><Expiration>2009-02-13T23:31:30Z</Expiration>";

    fn read(credentials: &str) -> Result<Credentials, Unreadable> {
        read_credentials(ROLE, "test", answer(credentials).as_bytes())
    }

    #[test]
    fn a_whole_answer() {
        let credentials = read(KEYS).unwrap();
        assert_eq!((credentials.access_key_id(), credentials.secret_access_key()), ("AKID", "hunter2"));
        assert_eq!(credentials.session_token(), Some("token"));
        assert_eq!(credentials.expiry(), Some(UNIX_EPOCH + Duration::from_secs(1_234_567_890)));
        assert_eq!(credentials.account_id().unwrap().as_str(), "123456789012");
    }

    #[test]
    fn entities_sections_and_white_space() {
        let credentials = KEYS.replace(">token<", ">\n  a&amp;b&#x3d;<![CDATA[c<d]]>\n<").replace(">AKID<", "> AKID <");
        let credentials = read(&credentials).unwrap();
        assert_eq!(credentials.session_token(), Some("a&b=c<d"));
        assert_eq!(credentials.access_key_id(), "AKID");
    }

    #[test]
    fn each_part_is_needed_once_and_in_its_place() {
        for (field, value) in [
            ("AccessKeyId", "AKID"),
            ("SecretAccessKey", "hunter2"),
            ("SessionToken", "token"),
            ("Expiration", "2009-02-13T23:31:30Z"),
        ] {
            let element = format!("<{field}>{value}</{field}>");
            assert_eq!(read(&KEYS.replace(&element, "")).unwrap_err(), Unreadable::Missing(field));
            assert_eq!(read(&KEYS.replace(&element, &format!("<{field}/>"))).unwrap_err(), Unreadable::Missing(field));
            assert_eq!(read(&format!("{KEYS}{element}")).unwrap_err(), Unreadable::Twice(field));
            let deeper = KEYS.replace(&element, &format!("<Other>{element}</Other>"));
            assert_eq!(read(&deeper).unwrap_err(), Unreadable::Missing(field));
        }
        let other = answer(KEYS).replace("AssumeRoleRes", "OtherRes");
        assert_eq!(read_credentials(ROLE, "test", other.as_bytes()).unwrap_err(), Unreadable::Missing("AccessKeyId"));
    }

    #[test]
    fn what_no_header_can_carry_is_refused() {
        for token in ["to\r\nken", "to ken", "tok\u{e9}n", "to&#10;ken"] {
            let error = read(&KEYS.replace(">token<", &format!(">{token}<"))).unwrap_err();
            assert_eq!(error, Unreadable::Characters("SessionToken"), "{token}");
        }
        assert_eq!(read(&KEYS.replace("2009-02-13T23:31:30Z", "tomorrow")).unwrap_err(), Unreadable::NotADate);
        assert_eq!(read(&KEYS.replace("2009", "999999")).unwrap_err(), Unreadable::NotADate);
    }

    #[test]
    fn what_is_no_whole_xml_is_refused_at_every_cut() {
        let whole = answer(KEYS);
        for cut in 0..whole.len() {
            assert!(read_credentials(ROLE, "test", &whole.as_bytes()[..cut]).is_err(), "{}", &whole[..cut]);
        }
        let deep = "<a>".repeat(100_000);
        let bomb = format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{}", answer(&KEYS.replace("token", "&b;")));
        let unknown = answer(&KEYS.replace("token", "&b;"));
        for bad in [
            "",
            "{}",
            "<a></b>",
            "\u{0}",
            &deep,
            &bomb,
            &unknown,
            &format!("{0}{0}", answer(KEYS)),
            "<html><p>hi</html>",
        ] {
            let error = read_credentials(ROLE, "test", bad.as_bytes()).unwrap_err();
            assert_eq!(error, Unreadable::NotXml, "{bad:.80}");
        }
        assert_eq!(read_credentials(ROLE, "test", &[b'<', 0xff, b'>']).unwrap_err(), Unreadable::NotXml);
    }

    #[test]
    fn errors_in_all_their_wrappings() {
        let bare = "<Error><Code>AccessDenied</Code><Message>not &lt;you&gt;</Message></Error>";
        let whole = format!("<ErrorResponse xmlns='x'>{bare}<RequestId>1</RequestId></ErrorResponse>");
        let list = format!("<ErrorResponse><Errors>{bare}</Errors></ErrorResponse>");
        for xml in [bare, &whole, &list] {
            let fault = Fault { code: "AccessDenied".into(), message: "not <you>".into() };
            assert_eq!(read_fault(xml.as_bytes()), Some(fault));
        }
        let doubled = bare.replace("<Message>", "<Code>B</Code><Message>");
        for none in
            ["", "<Error/>", "<Error><Code>a b</Code></Error>", "<Error><Code></Code></Error>", &bare[..40], &doubled]
        {
            assert_eq!(read_fault(none.as_bytes()), None, "{none}");
        }
    }
}
