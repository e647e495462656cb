//! What stands in the table, and what the project holds itself to.

use std::fmt;

#[derive(Clone, Copy)]
pub(crate) enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

use Bar::{AtLeast, AtMost};

impl Bar {
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            AtMost(bar) => value <= bar,
            AtLeast(bar) => value >= bar,
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AtMost(bar) => write!(f, "≤ {bar}"),
            AtLeast(bar) => write!(f, "≥ {bar}"),
        }
    }
}

pub(crate) struct Row {
    pub(crate) what: &'static str,
    /// The name of the line that a benchmark prints, and of the figure in it.
    pub(crate) line: &'static str,
    pub(crate) figure: &'static str,
    pub(crate) decimals: usize,
    pub(crate) unit: &'static str,
    pub(crate) must: Option<Bar>,
    pub(crate) aim: Option<Bar>,
}

const fn row(what: &'static str, line: &'static str, figure: &'static str, decimals: usize) -> Row {
    Row { what, line, figure, decimals, unit: "", must: None, aim: None }
}

impl Row {
    const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    const fn must(self, bar: Bar) -> Self {
        Self { must: Some(bar), ..self }
    }

    const fn aim(self, bar: Bar) -> Self {
        Self { aim: Some(bar), ..self }
    }
}

pub(crate) const ROWS: &[Row] = &[
    row("POST, signed", "post", "ns", 0).unit(" ns"),
    row("… over the floor of SHA-256", "post", "floor_ratio", 2).unit(" ×").must(AtMost(1.7)).aim(AtMost(1.5)),
    row("… aws-sigv4 over it", "post", "aws_sigv4_ratio", 2).unit(" ×").must(AtLeast(4.2)).aim(AtLeast(5.0)),
    row("… reqsign over it", "post", "reqsign_ratio", 2).unit(" ×"),
    row("… allocations", "post", "allocations", 0).must(AtMost(2.0)),
    row("POST to a path that changes, signed", "invoke", "ns", 0).unit(" ns"),
    row("… over the floor", "invoke", "floor_ratio", 2).unit(" ×"),
    row("… aws-sigv4 over it", "invoke", "aws_sigv4_ratio", 2).unit(" ×"),
    row("GET, signed", "get", "ns", 0).unit(" ns"),
    row("… over the floor", "get", "floor_ratio", 2).unit(" ×").must(AtMost(2.8)).aim(AtMost(2.2)),
    row("… aws-sigv4 over it", "get", "aws_sigv4_ratio", 2).unit(" ×").must(AtLeast(5.3)).aim(AtLeast(6.5)),
    row("… reqsign over it", "get", "reqsign_ratio", 2).unit(" ×"),
    row("… allocations", "get", "allocations", 0).must(AtMost(4.0)),
    row("presigned URL", "presign", "ns", 0).unit(" ns"),
    row("… over the floor", "presign", "floor_ratio", 2).unit(" ×").must(AtMost(2.9)).aim(AtMost(2.4)),
    row("… rusty-s3 over it", "presign", "rusty_s3_ratio", 2).unit(" ×").must(AtLeast(3.3)).aim(AtLeast(4.0)),
    row("… aws-sigv4 over it", "presign", "aws_sigv4_ratio", 2).unit(" ×"),
    row("… allocations", "presign", "allocations", 0).must(AtMost(2.0)),
    row("20 headers and 20 parameters", "many", "ns", 0).unit(" ns"),
    row("… over the floor", "many", "floor_ratio", 2).unit(" ×"),
    row("… aws-sigv4 over it", "many", "aws_sigv4_ratio", 2).unit(" ×"),
    row("… allocations", "many", "allocations", 0),
    row("the whole layer over signing, POST", "layer_post", "over_sign_ns", 0)
        .unit(" ns")
        .must(AtMost(200.0))
        .aim(AtMost(120.0)),
    row("… allocations", "layer_post", "allocations", 0),
    row("… of which signing's", "layer_post", "sign_allocations", 0),
    row("the whole layer over signing, GET", "layer_get", "over_sign_ns", 0)
        .unit(" ns")
        .must(AtMost(200.0))
        .aim(AtMost(120.0)),
    row("… allocations", "layer_get", "allocations", 0),
    row("… of which signing's", "layer_get", "sign_allocations", 0),
    row("hit of the credentials cache", "hit", "ns", 0).unit(" ns").must(AtMost(60.0)),
    row("… allocations", "hit", "allocations", 0).must(AtMost(0.0)),
    row("signed chunks, throughput beside SHA-256", "streaming", "chunked_share", 3),
    row("… allocations a chunk", "streaming", "chunked_allocations_per_chunk", 2),
    row("hyper on loopback, POST, beside headers by hand", "stack_post", "ratio", 3)
        .must(AtLeast(0.9))
        .aim(AtLeast(0.95)),
    row("… where one thread does all", "stack_post", "one_thread_ratio", 3),
    row("… where the server has a thread of its own", "stack_post", "client_alone_ratio", 3),
    row("… requests a second", "stack_post", "signed_per_s", 0),
    row("hyper on loopback, GET, beside headers by hand", "stack_get", "ratio", 3)
        .must(AtLeast(0.9))
        .aim(AtLeast(0.95)),
    row("… where one thread does all", "stack_get", "one_thread_ratio", 3),
    row("… where the server has a thread of its own", "stack_get", "client_alone_ratio", 3),
    row("… requests a second", "stack_get", "signed_per_s", 0),
    row("a second thread's gain, beside that of hashing", "scale_threads", "share", 2).must(AtLeast(0.9)),
    row("1,000 services and regions in turn, POST", "scale_scopes_post", "n1000_ratio", 2).unit(" ×").must(AtMost(1.2)),
    row("1,000 services and regions in turn, GET", "scale_scopes_get", "n1000_ratio", 2).unit(" ×").must(AtMost(1.2)),
    row("100 requests in flight, each beside one alone", "scale_in_flight", "n100_ratio", 2).unit(" ×"),
    row("10,000 requests in flight", "scale_in_flight", "n10000_ratio", 2).unit(" ×"),
    row("100,000 requests in flight", "scale_in_flight", "n100000_ratio", 2).unit(" ×"),
    row("crates without default features", "weight", "lean_crates", 0).must(AtMost(60.0)),
    row("crates with default features", "weight", "default_crates", 0).must(AtMost(90.0)),
    row("clean release build with them", "weight", "build_s", 0).unit(" s").must(AtMost(45.0)),
    row("… of aws-config with aws-sigv4", "weight", "peer_build_s", 0).unit(" s"),
    row("… and its crates", "weight", "peer_crates", 0),
];
