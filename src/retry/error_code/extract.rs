//! The code in an error's body, found without a parser: what surrounds it may be cut off or broken.

use super::ErrorCode;

/// The code in what has been read of a body.
pub(super) fn error_code(body: &[u8]) -> Option<ErrorCode> {
    let body = body.trim_ascii_start();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let found = match body.first()? {
        b'{' => json(body),
        b'<' => xml(body),
        _ => None,
    };
    ErrorCode::new(std::str::from_utf8(found?).ok()?)
}

/// The text of the first `<Code>` that stands directly in an `<Error>`, as S3, EC2 and the query protocol write it.
///
/// See [Error responses](https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
fn xml(mut text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_usize;
    let mut in_error = None;
    loop {
        text = after(text, b"<")?;
        text = if let Some(comment) = text.strip_prefix(b"!--") {
            after(comment, b"-->")?
        } else if let Some(data) = text.strip_prefix(b"![CDATA[") {
            after(data, b"]]>")?
        } else {
            let end = text.iter().position(|byte| *byte == b'>')?;
            let (tag, rest) = (&text[..end], &text[end + 1..]);
            match Tag::of(tag) {
                Tag::Open(b"Code") if in_error == Some(depth) => {
                    return Some(&rest[..rest.iter().position(|byte| *byte == b'<')?]);
                }
                Tag::Open(name) => {
                    depth += 1;
                    if name == b"Error" {
                        in_error = Some(depth);
                    }
                }
                Tag::Close => {
                    in_error = in_error.filter(|error| *error != depth);
                    depth = depth.saturating_sub(1);
                }
                Tag::Other => {}
            }
            rest
        };
    }
}

/// What stands between `<` and `>`.
enum Tag<'a> {
    /// An opening tag, with its name without the prefix.
    Open(&'a [u8]),
    Close,
    Other,
}

impl<'a> Tag<'a> {
    fn of(tag: &'a [u8]) -> Self {
        match (tag.first(), tag.last()) {
            (Some(b'/'), _) => Self::Close,
            (Some(b'?' | b'!') | None, _) | (_, Some(b'/')) => Self::Other,
            _ => {
                let name = tag.split(u8::is_ascii_whitespace).next().unwrap_or_default();
                Self::Open(name.rsplit(|byte| *byte == b':').next().unwrap_or_default())
            }
        }
    }
}

fn after<'a>(text: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some(&text[at + mark.len()..])
}

/// The string under `__type`, else under `code` or `Code`, of the outermost object or of an `Error` in it.
fn json(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    let mut depth = 0_usize;
    let mut in_error = false;
    let mut fallback = None;
    let mut key: &[u8] = b"";
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'{' if depth == 1 && key == b"Error" && !in_error => (key, in_error) = (b"", true),
            b'}' if depth == 1 && in_error => in_error = false,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let Some((string, tail)) = string(tail) else { break };
                rest = tail.trim_ascii_start();
                if let Some(value) = rest.strip_prefix(b":") {
                    (key, rest) = (string, value);
                } else if depth == 1 {
                    match key {
                        b"__type" => return Some(string),
                        b"code" | b"Code" => fallback = fallback.or(Some(string)),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    fallback
}

/// A string up to its closing quote, escapes left as they are, and what follows it.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut escaped = false;
    let end = text.iter().position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    })?;
    Some((&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(body: &str) -> Option<String> {
        error_code(body.as_bytes()).map(|code| code.to_string())
    }

    #[test]
    fn the_three_shapes_of_xml() {
        for body in [
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>ExpiredToken</Code><Message>m</Message></Error>",
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n <Error>\n  <Type>Sender</Type>\n  \
             <Code>ExpiredToken</Code>\n <Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>",
            "<Response><Errors><Error><Code> ExpiredToken </Code></Error></Errors><RequestID>r</RequestID></Response>",
            "\u{feff}<e:Error xmlns:e='x'><!-- <Code>No</Code> --><e:Code a='b'>ExpiredToken</e:Code></e:Error>",
        ] {
            assert_eq!(code(body).as_deref(), Some("ExpiredToken"), "{body}");
        }
    }

    #[test]
    fn a_code_elsewhere_in_xml_is_not_the_errors() {
        for body in [
            "<Error><Detail><Code>ExpiredToken</Code></Detail></Error>",
            "<Html><Code>ExpiredToken</Code></Html>",
            "<Error><![CDATA[<Code>ExpiredToken</Code>]]></Error>",
            "<Error/><Code>ExpiredToken</Code>",
            "<a><Error></Error><Code>ExpiredToken</Code></a>",
            "<Error><Code>two words</Code></Error>",
            "<Error><Code></Code></Error>",
            "<a><Error><Message>m</Message></Error><Detail><Code>ExpiredToken</Code></Detail></a>",
        ] {
            assert_eq!(code(body), None, "{body}");
        }
    }

    #[test]
    fn json_by_its_three_keys() {
        for body in [
            r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"m"}"#,
            r#" { "Message" : "say \"__type\":\"No\"" , "__type" : "ExpiredTokenException:http://x/" }"#,
            r#"{"code":"ExpiredTokenException","type":"Client"}"#,
            r#"{"code":"Other","__type":"ExpiredTokenException"}"#,
            r#"{"Error":{"Code":"ExpiredTokenException","Message":"m"},"RequestId":"r"}"#,
            r#"{"inner":{"__type":"No","code":["No"]},"list":["__type",{"code":"No"}],"code":"ExpiredTokenException"}"#,
            r#"{"code":"ExpiredTokenException","message":"cut off he"#,
            r#"{"Error":{"Message":"m"},"__type":"ExpiredTokenException"}"#,
            r#"{"Error":{"Code":"Other"},"__type":"ExpiredTokenException"}"#,
            r#"{"Error":{"Message":"m","more":{}},"code":"ExpiredTokenException"}"#,
        ] {
            assert_eq!(code(body).as_deref(), Some("ExpiredTokenException"), "{body}");
        }
    }

    #[test]
    fn what_is_neither_gives_nothing() {
        for body in ["", "   ", "denied", "{", "<", "{}", "<a>", r#"{"__type":5}"#, r#"{"a":"__type"}"#, "[\"code\"]"] {
            assert_eq!(code(body), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_a_code_is_always_plain(body in r#"[<>/!\[\]{}":;#\\a-z_C -]{0,80}"#, bytes: Vec<u8>) {
            for found in [error_code(body.as_bytes()), error_code(&bytes)].into_iter().flatten() {
                prop_assert!(ErrorCode::new(found.as_str()) == Some(found));
            }
        }

        #[test]
        fn wherever_an_error_is_cut_off_it_does_not_change(at in 0_usize..200) {
            for body in [
                r#"{"message":"x \" {","list":[{"a":1}],"__type":"a.b#SlowDown:http://c/"}"#,
                "<Response><Errors><Error><Type>Sender</Type><Code>SlowDown</Code></Error></Errors></Response>",
            ] {
                let found = error_code(&body.as_bytes()[..at.min(body.len())]);
                prop_assert!(found.is_none_or(|code| code.as_str() == "SlowDown"));
            }
        }
    }
}
