//! A service that keeps what it is sent, and the credentials that it knows.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{BoxError, Service};
use tower_sigv4::{
    CredentialsCache, SigV4Layer, SigV4LayerBuilder,
    clock::TimeSource,
    credentials::{Credentials, ProvideCredentials},
};

use crate::{
    service::{Accepted, Authority, Refusal, answer, answer_to},
    virtual_time::VirtualClock,
};

pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW";

pub(crate) fn credentials(access_key_id: &str) -> Credentials {
    Credentials::new(access_key_id, SECRET, Some(TOKEN.to_owned()), None, "test")
}

/// A service with the right time, which knows `AKIDFIRST`. What it is told to say it says first, and then it judges.
#[derive(Clone)]
pub(crate) struct Aws(Arc<State>);

struct State {
    authority: Authority,
    clock: VirtualClock,
    seen: Mutex<Vec<Seen>>,
    scripted: Mutex<VecDeque<Scripted>>,
}

/// What a service does without a look at the signature.
#[derive(Clone, Copy)]
pub(crate) enum Scripted {
    Says(u16, Option<&'static str>),
    Hangs,
}

/// A request that has arrived.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) at: SystemTime,
    pub(crate) parts: Arc<Parts>,
    pub(crate) body: Bytes,
    pub(crate) judged: Result<Accepted, Refusal>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.parts.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn signed_at(&self) -> SystemTime {
        self.judged.as_ref().unwrap().signed_at
    }
}

impl Aws {
    pub(crate) fn new(clock: &VirtualClock) -> Self {
        Self(Arc::new(State {
            authority: Authority::knowing([credentials("AKIDFIRST")]),
            clock: clock.another(),
            seen: Mutex::default(),
            scripted: Mutex::default(),
        }))
    }

    pub(crate) fn first(self, script: impl IntoIterator<Item = Scripted>) -> Self {
        self.0.scripted.lock().unwrap().extend(script);
        self
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.0.authority
    }

    /// What has arrived, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.0.seen.lock().unwrap().clone()
    }

    /// How the requests were judged.
    pub(crate) fn refusals(&self) -> Vec<Refusal> {
        self.seen().into_iter().filter_map(|seen| seen.judged.err()).collect()
    }

    async fn receive(&self, parts: Parts, body: Bytes) -> Response<Full<Bytes>> {
        let now = self.0.clock.now();
        let judged = self.0.authority.judge(&parts, &body, now, true);
        let seen = Seen { at: now, parts: Arc::new(parts), body, judged: judged.clone() };
        self.0.seen.lock().unwrap().push(seen);
        let scripted = self.0.scripted.lock().unwrap().pop_front();
        match scripted {
            Some(Scripted::Hangs) => std::future::pending().await,
            Some(Scripted::Says(status, code)) => answer(status, code, false, now),
            None => answer_to(&judged, false, now),
        }
    }
}

/// As a client, it is where requests arrive at once.
impl<B> Service<Request<B>> for Aws
where
    B: Body<Error: Into<BoxError>, Data: Send> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let aws = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(Into::into)?.to_bytes();
            Ok(aws.receive(parts, body).await)
        })
    }
}

/// A layer for `dynamodb` in `eu-central-1`, with this clock.
pub(crate) fn signer(credentials: impl ProvideCredentials + 'static, clock: &VirtualClock) -> SigV4Layer {
    signer_builder(credentials, clock).build()
}

pub(crate) fn signer_builder(
    credentials: impl ProvideCredentials + 'static,
    clock: &VirtualClock,
) -> SigV4LayerBuilder {
    let cache = CredentialsCache::builder(credentials).time_source(clock.shared()).build();
    SigV4Layer::builder(cache).service("dynamodb").region("eu-central-1")
}

pub(crate) const URI: &str = "https://dynamodb.eu-central-1.amazonaws.com/";

pub(crate) fn request(body: &'static str) -> Request<Full<Bytes>> {
    Request::post(URI).header("x-amz-target", "DynamoDB_20120810.ListTables").body(Full::from(body)).unwrap()
}

pub(crate) async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
