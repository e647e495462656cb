//! What an answer says that the server computed.

use std::borrow::Cow;

/// No answer of AWS comes near this; what stands beyond it is not looked at.
const LIMIT: usize = 1 << 20;

const CANONICAL: &str = "The Canonical String for this request should have been";
const TO_SIGN: &str = "The String-to-Sign should have been";

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) canonical_request: Option<String>,
    pub(super) string_to_sign: Option<String>,
    pub(super) message: Option<String>,
}

/// Finds the texts in a body of XML or JSON.
pub(super) fn read(body: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(&body[..body.len().min(LIMIT)]);
    let mut answer = Answer {
        canonical_request: element(&text, "CanonicalRequest"),
        string_to_sign: element(&text, "StringToSign"),
        message: element(&text, "Message").or_else(|| element(&text, "message")).or_else(|| json_message(&text)),
    };
    if let Some(message) = &answer.message {
        let (canonical_request, string_to_sign) = quoted(message);
        answer.canonical_request = answer.canonical_request.or(canonical_request);
        answer.string_to_sign = answer.string_to_sign.or(string_to_sign);
    }
    answer
}

/// The texts that a message quotes. An apostrophe may stand inside them, so a quotation ends at the last one before the
/// next heading.
fn quoted(message: &str) -> (Option<String>, Option<String>) {
    let after = |heading: &str| message.split_once(heading).map(|(_, rest)| rest);
    let inside = |text: &str| {
        let (_, text) = text.split_once('\'')?;
        let (text, _) = text.rsplit_once('\'')?;
        Some(text.to_owned())
    };
    let canonical = after(CANONICAL).map(|rest| rest.split_once(TO_SIGN).map_or(rest, |(before, _)| before));
    (canonical.and_then(inside), after(TO_SIGN).and_then(inside))
}

/// The text of the first element of this name.
fn element(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (_, after) = rest.split_once('<')?;
        rest = after;
        let Some(tag) = after.strip_prefix(name) else { continue };
        if !tag.starts_with(['>', ' ', '\t', '\r', '\n']) {
            continue;
        }
        let (_, content) = tag.split_once('>')?;
        let (content, _) = content.split_once(&format!("</{name}"))?;
        let content = content
            .trim_start()
            .strip_prefix("<![CDATA[")
            .map_or_else(|| unescape(content), |raw| Cow::Borrowed(raw.split_once("]]>").map_or(raw, |(raw, _)| raw)));
        return Some(content.into_owned());
    }
}

/// XML's five entities and numbered characters; anything else stays as it is.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        // The longest reference is `&#x10FFFF;`.
        let end = after.bytes().take(10).position(|byte| byte == b';');
        if let Some((character, end)) = end.and_then(|end| Some((entity(&after[..end])?, end))) {
            out.push(character);
            rest = &after[end + 1..];
        } else {
            out.push('&');
            rest = after;
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

/// The string of the first member called `message`, in any spelling that services use.
fn json_message(text: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (_, after) = rest.split_once('"')?;
        rest = after;
        let value = ["message\"", "Message\"", "errorMessage\""].iter().find_map(|key| after.strip_prefix(key));
        let Some(value) = value.and_then(|value| value.trim_start().strip_prefix(':')) else { continue };
        if let Some(string) = value.trim_start().strip_prefix('"') {
            return json_string(string);
        }
    }
}

/// The rest of a JSON string, up to its closing quote.
fn json_string(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some(out),
            '\\' => match characters.next()? {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                'u' => {
                    let first = hex4(&mut characters)?;
                    let mut ahead = characters.clone();
                    let pair =
                        (ahead.next() == Some('\\') && ahead.next() == Some('u')).then(|| hex4(&mut ahead)).flatten();
                    let character = char::decode_utf16([Some(first), pair].into_iter().flatten()).next();
                    let character = character.and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER);
                    if character.len_utf16() == 2 {
                        characters = ahead;
                    }
                    out.push(character);
                }
                // `\"`, `\\` and `\/` stand for what follows them.
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
}

fn hex4(characters: &mut std::str::Chars<'_>) -> Option<u16> {
    let text = characters.as_str().get(..4)?;
    let code = u16::from_str_radix(text, 16).ok()?;
    *characters = characters.as_str()[4..].chars();
    Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_their_whole_name() {
        let xml = "<Error><CanonicalRequestBytes>47</CanonicalRequestBytes><CanonicalRequest a='b'>G&amp;&#x20;&#10;&lt;&nope;&\
                   </CanonicalRequest></Error>";
        assert_eq!(element(xml, "CanonicalRequest").unwrap(), "G& \n<&nope;&");
        assert_eq!(element("<Message><![CDATA[a & b]]></Message>", "Message").unwrap(), "a & b");
        assert_eq!(element("<Message>torn", "Message"), None);
        assert_eq!(element("<Mess", "Message"), None);
    }

    #[test]
    fn json_strings_are_unescaped() {
        assert_eq!(
            json_message(r#"{"__type":"x", "Message" : "a\nb\"c\\ \u00e9 \ud83d\ude00 \ud83d"}"#).unwrap(),
            "a\nb\"c\\ é 😀 \u{fffd}"
        );
        assert_eq!(json_message(r#"{"message":null,"errorMessage":"yes"}"#).unwrap(), "yes");
        assert_eq!(json_message(r#"{"message":"torn"#), None);
        assert_eq!(json_message(r#"{"message":"\u12"}"#), None);
    }

    #[test]
    fn a_quotation_may_hold_apostrophes() {
        let (canonical, to_sign) = quoted(&format!("{CANONICAL}\n'it's\nso'\n\n{TO_SIGN}\n'A\nB'\n"));
        assert_eq!((canonical.unwrap().as_str(), to_sign.unwrap().as_str()), ("it's\nso", "A\nB"));
        assert_eq!(quoted(&format!("{CANONICAL} nothing")), (None, None));
    }
}
