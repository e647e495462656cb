//! What the whole layer costs over signing alone: `cargo bench --bench layer`.
//!
//! The layer stands over a service that does nothing. Beside it, in the same run, the same requests are signed by
//! `Signer::sign`, the hash of the body included. The requests are made anew each time, and what that costs is taken off.
#![allow(missing_docs)]

mod support;

use std::{
    future::Future,
    hint::black_box,
    pin::pin,
    task::{Context, Waker},
};

use bytes::Bytes;
use criterion::Criterion;
use http::{Request, Response, request::Parts};
use http_body_util::Full;
use support::{
    Contender, compare,
    requests::{Case, now},
    service::{Nothing, at_once},
};
use tower::{Layer, Service};
use tower_sigv4::SigV4Layer;

fn through_layer(case: &Case) -> impl FnMut() -> Response<()> {
    let mut service = SigV4Layer::new(case.service, case.region, case.cached_credentials()).layer(Nothing);
    move || {
        let mut cx = Context::from_waker(Waker::noop());
        let request = case.request();
        at_once(Service::<Request<Full<Bytes>>>::poll_ready(&mut service, &mut cx)).unwrap();
        at_once(pin!(service.call(request)).poll(&mut cx)).unwrap()
    }
}

fn signed(case: &Case) -> impl FnMut() -> Parts {
    let (signer, credentials, time) = (case.signer(), case.credentials(), now());
    move || {
        let (mut parts, body) = case.request().into_parts();
        signer.sign(&mut parts, case.payload(), black_box(&credentials), black_box(time)).unwrap();
        drop(body);
        parts
    }
}

fn summary(case: &Case) -> String {
    let costs = compare(vec![
        Contender::new("sign", signed(case)),
        Contender::new("layer", through_layer(case)),
        Contender::new("request", || case.request()),
    ]);
    let [sign, layer, request] = &costs[..] else { unreachable!("as many costs as contenders") };
    format!(
        "layer_{} ns={:.0} sign_ns={:.0} over_sign_ns={:.0} allocations={} sign_allocations={}",
        case.name,
        layer.nanoseconds - request.nanoseconds,
        sign.nanoseconds - request.nanoseconds,
        layer.nanoseconds - sign.nanoseconds,
        layer.allocations - request.allocations,
        sign.allocations - request.allocations,
    )
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let cases = [Case::post(), Case::get()];
    for case in &cases {
        let mut group = criterion.benchmark_group(format!("layer/{}", case.name));
        group.bench_function("layer", |b| b.iter(through_layer(case)));
        group.bench_function("sign", |b| b.iter(signed(case)));
        group.finish();
    }
    criterion.final_summary();
    cases.iter().map(summary).for_each(|line| println!("{line}"));
}
