//! What signing a body while it is sent costs, beside SHA-256 over the same bytes: `cargo bench --bench streaming`.
//!
//! Each contender takes a body from the layer and polls it to its end, the signing of its request included. The first one
//! hashes the same bytes and does nothing else; a share is that one's time over the contender's.
#![allow(missing_docs)]
#![allow(clippy::cast_precision_loss, reason = "figures are rounded")]

mod support;

use std::{
    convert::Infallible,
    fmt::Write,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use sha2::{Digest, Sha256};
use support::{Contender, Cost, compare, service::at_once};
use tower::{Layer, Service};
use tower_sigv4::{Chunks, CredentialsCache, Payload, SigV4, SigV4Layer, SignedBody, credentials::Credentials};

const LENGTH: usize = 4 << 20;
const CHUNK: usize = 64 << 10;

/// A body that is there, in frames of one length that share its memory.
struct Frames {
    data: Bytes,
    length: usize,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.length.min(self.data.len());
        Poll::Ready((length > 0).then(|| Ok(Frame::data(self.data.split_to(length)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.len() as u64)
    }
}

/// Answers with the request.
#[derive(Clone)]
struct Echo;

impl<B> Service<Request<B>> for Echo {
    type Response = Response<Request<B>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Request<B>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(Response::new(request)))
    }
}

fn signed(service: &mut SigV4<Echo>, body: Frames) -> SignedBody<Frames> {
    let mut cx = Context::from_waker(Waker::noop());
    at_once(Service::<Request<Frames>>::poll_ready(service, &mut cx)).unwrap();
    let request = Request::put("http://s3.eu-central-1.amazonaws.com/bucket/key").body(body).unwrap();
    at_once(pin!(service.call(request)).poll(&mut cx)).unwrap().into_body().into_body()
}

fn credentials() -> CredentialsCache {
    let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "bench");
    let cache = CredentialsCache::from(credentials);
    tokio::runtime::Runtime::new().unwrap().block_on(cache.get()).unwrap();
    cache
}

/// Sends the data in frames of this length, and gives back how many bytes went out.
fn sends(layer: &SigV4Layer, data: &Bytes, length: usize) -> impl FnMut() -> usize {
    let (mut service, data) = (layer.layer(Echo), data.clone());
    move || {
        let mut body = pin!(signed(&mut service, Frames { data: data.clone(), length }));
        let mut sent = 0;
        while let Some(frame) = at_once(body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()))) {
            sent += black_box(frame.unwrap().into_data().unwrap()).len();
        }
        assert!(sent > data.len());
        sent
    }
}

fn summary(costs: &[Cost], of_one_chunk: &[Cost]) -> String {
    let bytes_per_second = |nanoseconds: f64| LENGTH as f64 / nanoseconds * 1e9;
    let mut line = format!("sha256_mb_per_s={:.0}", bytes_per_second(costs[0].nanoseconds) / 1e6);
    for (cost, one) in costs.iter().zip(of_one_chunk).skip(1) {
        let name = cost.name;
        // What the request takes, and the room that each chunk uses again, is not counted for each.
        let allocations = (cost.allocations - one.allocations) as f64 / (LENGTH / CHUNK - 1) as f64;
        let _ = write!(
            line,
            " {name}_mb_per_s={:.0} {name}_share={:.3} {name}_allocations_per_chunk={allocations:.2}",
            bytes_per_second(cost.nanoseconds) / 1e6,
            1.0 / cost.ratio,
        );
    }
    line
}

fn main() {
    let credentials = credentials();
    let layer =
        |payload| SigV4Layer::builder(credentials.clone()).service("s3").region("eu-central-1").payload(payload);
    let data: Bytes = (0..LENGTH).flat_map(usize::to_le_bytes).take(LENGTH).collect();
    let chunked = layer(Payload::Chunked(Chunks::new())).build();
    #[cfg_attr(not(feature = "checksums"), allow(unused_mut, reason = "checksums add to them"))]
    let mut kinds = vec![
        ("chunked", &chunked, CHUNK),
        ("chunked_long_frames", &chunked, 1 << 20),
        ("chunked_odd_frames", &chunked, 100_003),
        ("chunked_4k_frames", &chunked, 4 << 10),
        ("chunked_tiny_frames", &chunked, 100),
    ];
    #[cfg(feature = "checksums")]
    let with_trailer = layer(Payload::Chunked(Chunks::new().checksum(tower_sigv4::Checksum::Crc64Nvme))).build();
    #[cfg(feature = "checksums")]
    let unsigned = layer(Payload::ChunkedUnsigned(Chunks::new().checksum(tower_sigv4::Checksum::Crc64Nvme))).build();
    #[cfg(feature = "checksums")]
    kinds.extend([("crc64nvme", &with_trailer, CHUNK), ("unsigned_crc64nvme", &unsigned, CHUNK)]);
    #[cfg(feature = "sigv4a")]
    let region_set = layer(Payload::Chunked(Chunks::new())).region_set("*").build();
    #[cfg(feature = "sigv4a")]
    kinds.push(("sigv4a", &region_set, CHUNK));

    let costs = |data: &Bytes| {
        let hashed = data.clone();
        let mut contenders = vec![Contender::new("sha256", move || Sha256::digest(black_box(&hashed)))];
        for (name, layer, length) in &kinds {
            contenders.push(Contender::new(name, sends(layer, data, *length)));
        }
        compare(contenders)
    };
    let of_one_chunk = costs(&data.slice(..CHUNK));
    println!("{}", summary(&costs(&data), &of_one_chunk));
}
