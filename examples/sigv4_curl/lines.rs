//! `--lines`: one JSON object in, one out.

use std::{
    fmt::Display,
    io::{BufRead, Write},
    str::FromStr,
};

use bytes::Bytes;
use clap::ValueEnum;
use http_body_util::Full;
use serde_json::{Map, Value, json};
use tower_sigv4::{
    clock::{SystemTimeSource, TimeSource},
    credentials::Credentials,
    sign::PayloadHash,
};

use crate::{
    explain,
    problem::Problem,
    settings::{Settings, parse_time, parse_url},
};

/// Answers every line until the input ends.
pub(crate) fn answer(input: &mut impl BufRead, output: &mut impl Write) -> Result<(), Problem> {
    for line in input.lines() {
        let line = line.map_err(|error| Problem::failure("cannot read standard input", &error))?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = explained(&line).unwrap_or_else(|problem| json!({ "error": problem.line() }));
        writeln!(output, "{answer}").map_err(|error| Problem::failure("cannot write", &error))?;
    }
    output.flush().map_err(|error| Problem::failure("cannot write", &error))
}

fn explained(line: &str) -> Result<Value, Problem> {
    let Ok(Value::Object(members)) = serde_json::from_str(line) else {
        return Err(Problem::usage("the line is not a JSON object"));
    };
    let mut line = Line(members);
    let body = line.text("body_hex")?.unwrap_or_default();
    let body = decode_hex(&body).ok_or_else(|| Problem::usage("body_hex is not hexadecimal"))?;
    let credentials = Credentials::new(
        line.required("access_key_id")?,
        line.required("secret_access_key")?,
        line.text("session_token")?,
        None,
        "lines",
    );
    let settings = Settings {
        method: line.text("method")?.unwrap_or_else(|| "GET".to_owned()),
        url: parse_url(&line.required("url")?)?,
        headers: line.headers()?,
        service: line.text("service")?,
        region: line.text("region")?,
        region_set: line.text("region_set")?,
        sigv4a: line.boolean("sigv4a")?.unwrap_or_default(),
        payload: line.choice("payload")?,
        checksum: line.parsed("checksum")?,
        chunk_size: line.parsed("chunk_size")?,
        selection: line.choice("headers_mode")?.unwrap_or_default(),
        token: line.choice("token")?,
        encode: line.choice("encode")?,
        normalize: line.boolean("normalize")?,
        presign: line.number("presign")?,
        time: match line.text("time")? {
            Some(time) => parse_time(&time)?,
            None => SystemTimeSource::new().now(),
        },
    };
    if let Some(name) = line.0.keys().next() {
        return Err(Problem::usage(format!("there is no setting {name:?}")));
    }
    let signed = if settings.is_chunked() {
        settings.sign_chunked(Full::<Bytes>::from(body), &credentials)?.0
    } else {
        settings.sign(PayloadHash::of(&body), &credentials)?
    };
    Ok(explain::json(&signed))
}

/// The members that were not taken yet; `null` is the same as absent.
struct Line(Map<String, Value>);

impl Line {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::usage(format!("{name} is not a string"))),
        }
    }

    fn required(&mut self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| Problem::usage(format!("{name} is missing")))
    }

    fn choice<T: ValueEnum>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        T::from_str(&text, false).map(Some).map_err(|_| {
            let possible = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let possible = possible.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ");
            Problem::usage(format!("{name} is {text:?}, which is none of: {possible}"))
        })
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let text = match self.take(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
        };
        text.parse().map(Some).map_err(|error| Problem::usage(format!("{name}: {error}")))
    }

    fn boolean(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(Value::String(text)) if text == "true" || text == "false" => Ok(Some(text == "true")),
            Some(_) => Err(Problem::usage(format!("{name} is neither true nor false"))),
        }
    }

    fn number(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        let wrong = || Problem::usage(format!("{name} is not a number of seconds"));
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|_| wrong()),
            Some(value) => value.as_u64().map(Some).ok_or_else(wrong),
        }
    }

    fn headers(&mut self) -> Result<Vec<(String, String)>, Problem> {
        let wrong = || Problem::usage("headers is not an array of pairs of strings");
        let pairs = match self.take("headers") {
            None => return Ok(Vec::new()),
            Some(Value::Array(pairs)) => pairs,
            Some(Value::Object(members)) => members.into_iter().map(|(name, value)| json!([name, value])).collect(),
            Some(_) => return Err(wrong()),
        };
        let pair = |pair: &Value| match pair.as_array().map(Vec::as_slice) {
            Some([Value::String(name), Value::String(value)]) => Some((name.clone(), value.clone())),
            _ => None,
        };
        pairs.iter().map(|value| pair(value).ok_or_else(wrong)).collect()
    }
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits =
        text.bytes().map(|byte| char::from(byte).to_digit(16)?.try_into().ok()).collect::<Option<Vec<u8>>>()?;
    (digits.len() % 2 == 0).then(|| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
