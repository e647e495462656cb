//! What was signed, for programs and for people.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::settings::Signed;

/// The object that `--explain` prints.
pub(crate) fn json(signed: &Signed) -> Value {
    let explanation = &signed.explanation;
    let headers = signed.parts.headers.iter();
    let headers = headers.map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]));
    json!({
        "canonical_request": explanation.canonical_request,
        "string_to_sign": explanation.string_to_sign,
        "signature": explanation.signature.as_str(),
        "signed_headers": explanation.signed_headers,
        "url": signed.parts.uri.to_string(),
        "headers": headers.collect::<Vec<_>>(),
    })
}

/// The request as it would be sent; of a presigned one the URL, with the headers that belong to it.
pub(crate) fn text(signed: &Signed) -> String {
    let parts = &signed.parts;
    let mut text =
        if signed.presigned { format!("{}\n", parts.uri) } else { format!("{} {}\n", parts.method, parts.uri) };
    for (name, value) in &parts.headers {
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    text
}
