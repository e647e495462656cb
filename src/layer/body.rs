use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use sha2::{Digest, Sha256};
use tower::BoxError;

use super::chunked::Chunking;
use crate::{Error, ErrorKind, sign::PayloadHash};

pin_project! {
    /// The body of a signed request: the request's own, what was read of it to be hashed, or the chunks that it is cut into
    /// while it is sent.
    ///
    /// Its size hint is exact where the request's was. It cannot be made out of nothing, so that a layer which sends a
    /// request anew without its body, as one that follows redirects does, cannot stand beneath the signer.
    ///
    /// ```compile_fail
    /// # use tower_sigv4::SignedBody;
    /// let body: SignedBody<http_body_util::Full<bytes::Bytes>> = Default::default();
    /// ```
    #[derive(Clone)]
    pub struct SignedBody<B> {
        #[pin]
        inner: Inner<B>,
    }
}

pin_project! {
    #[project = InnerProjection]
    #[derive(Clone)]
    enum Inner<B> {
        Passed { #[pin] body: B },
        Buffered { buffered: Buffered },
        Chunked { #[pin] body: B, chunking: Box<Chunking> },
    }
}

/// What was read of a body, and is still to be sent. It is small, since clients move a request many times.
#[derive(Clone)]
struct Buffered {
    /// Nearly always the whole; empty once it is sent.
    first: Bytes,
    rest: Option<Box<Rest>>,
}

#[derive(Clone)]
struct Rest {
    pieces: vec::IntoIter<Bytes>,
    trailers: Option<HeaderMap>,
}

impl<B> SignedBody<B> {
    pub(super) fn passed(body: B) -> Self {
        Self { inner: Inner::Passed { body } }
    }

    pub(super) fn chunked(body: B, chunking: Chunking) -> Self {
        Self { inner: Inner::Chunked { body, chunking: Box::new(chunking) } }
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for SignedBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().inner.project() {
            InnerProjection::Passed { body } => {
                body.poll_frame(cx).map_ok(|frame| frame.map_data(into_bytes)).map_err(Into::into)
            }
            InnerProjection::Buffered { buffered } => Poll::Ready(buffered.next_frame().map(Ok)),
            InnerProjection::Chunked { body, chunking } => chunking.poll_frame(body, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Passed { body } => body.is_end_stream(),
            Inner::Buffered { buffered } => buffered.is_end(),
            Inner::Chunked { chunking, .. } => chunking.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Passed { body } => body.size_hint(),
            Inner::Buffered { buffered } => SizeHint::with_exact(buffered.left()),
            Inner::Chunked { chunking, .. } => SizeHint::with_exact(chunking.left()),
        }
    }
}

impl Buffered {
    fn next_frame(&mut self) -> Option<Frame<Bytes>> {
        if !self.first.is_empty() {
            return Some(Frame::data(mem::take(&mut self.first)));
        }
        let rest = self.rest.as_mut()?;
        rest.pieces.next().map(Frame::data).or_else(|| rest.trailers.take().map(Frame::trailers))
    }

    fn is_end(&self) -> bool {
        self.first.is_empty() && self.rest.as_ref().is_none_or(|rest| rest.pieces.len() == 0 && rest.trailers.is_none())
    }

    fn left(&self) -> u64 {
        let rest = self.rest.as_ref().map_or(&[][..], |rest| rest.pieces.as_slice());
        [&self.first].into_iter().chain(rest).map(|piece| piece.len() as u64).sum()
    }
}

/// `Bytes` stays what it is; other data is copied where it is not one piece of shared memory.
pub(super) fn into_bytes(mut data: impl Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}

/// Pieces shorter than this are joined, but for the first: kept as they are, they would take more memory than they hold.
const SHORT: usize = 512;

/// Reads a body to its end.
pub(super) struct Buffering {
    /// The first piece, which nearly always is the whole.
    first: Bytes,
    more: Option<Box<More>>,
    trailers: Option<Box<HeaderMap>>,
    length: u64,
    limit: u64,
}

/// What a second piece needs: the hash is made on the way.
struct More {
    hash: Sha256,
    pieces: Vec<Bytes>,
    joined: BytesMut,
}

impl Buffering {
    pub(super) fn new(limit: u64) -> Self {
        Self { first: Bytes::new(), more: None, trailers: None, length: 0, limit }
    }

    pub(super) fn poll<B: Body<Error: Into<BoxError>>>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        while let Some(frame) = ready!(body.as_mut().poll_frame(cx)) {
            let mut frame = frame.map_err(|error| Error::caused_by(ErrorKind::Body, error))?;
            if let Some(data) = frame.data_mut() {
                self.length = self.length.saturating_add(data.remaining() as u64);
                if self.length > self.limit {
                    return Poll::Ready(Err(Error::new(ErrorKind::BodyTooLarge)));
                }
                self.push(into_bytes(data));
            } else {
                self.trailers = frame.into_trailers().ok().map(Box::new);
            }
            if body.is_end_stream() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The hash of what was read.
    pub(super) fn hash(&self) -> PayloadHash {
        match &self.more {
            None => PayloadHash::of(&self.first),
            Some(more) => <[u8; 32]>::from(more.hash.clone().finalize()).into(),
        }
    }

    /// What was read.
    pub(super) fn body<B>(&mut self) -> SignedBody<B> {
        let (more, trailers) = (self.more.take(), self.trailers.take());
        let rest = (more.is_some() || trailers.is_some()).then(|| {
            let pieces = more.map(|more| more.all()).unwrap_or_default().into_iter();
            Box::new(Rest { pieces, trailers: trailers.map(|trailers| *trailers) })
        });
        let buffered = Buffered { first: mem::take(&mut self.first), rest };
        SignedBody { inner: Inner::Buffered { buffered } }
    }

    fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
        } else if !piece.is_empty() {
            self.more.get_or_insert_with(|| Box::new(More::after(&self.first))).push(piece);
        }
    }
}

impl More {
    fn after(first: &Bytes) -> Self {
        Self { hash: Sha256::new_with_prefix(first), pieces: Vec::new(), joined: BytesMut::new() }
    }

    fn push(&mut self, piece: Bytes) {
        self.hash.update(&piece);
        if piece.len() < SHORT {
            self.joined.extend_from_slice(&piece);
        } else {
            self.part();
            self.pieces.push(piece);
        }
    }

    fn all(mut self) -> Vec<Bytes> {
        self.part();
        self.pieces
    }

    /// The pieces that were joined become one.
    fn part(&mut self) {
        if !self.joined.is_empty() {
            self.pieces.push(self.joined.split().freeze());
        }
    }
}

/// How it is sent, not what it holds.
impl<B> fmt::Debug for SignedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.inner {
            Inner::Passed { .. } => "SignedBody::Passed",
            Inner::Buffered { .. } => "SignedBody::Buffered",
            Inner::Chunked { .. } => "SignedBody::Chunked",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, convert::Infallible, future::Future, pin::pin, task::Waker};

    use http_body_util::BodyExt;

    use super::*;

    struct Pieces(VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }

    #[test]
    fn short_pieces_are_joined_and_long_ones_kept() {
        let lengths = [1, 1, 0, SHORT - 1, SHORT, 1, 1, 3 * SHORT];
        let pieces: Vec<Bytes> = lengths.iter().zip(b'a'..).map(|(length, byte)| vec![byte; *length].into()).collect();
        let mut body = Pieces(pieces.clone().into());
        let cx = &mut Context::from_waker(Waker::noop());
        let mut buffering = Buffering::new(u64::MAX);
        let Poll::Ready(Ok(())) = buffering.poll(Pin::new(&mut body), cx) else { panic!("the body is there") };
        assert_eq!(buffering.hash(), PayloadHash::of(pieces.concat()));
        let signed = buffering.body::<Pieces>();
        let Inner::Buffered { buffered } = &signed.inner else { panic!("the body was read") };
        let kept: Vec<usize> = [&buffered.first]
            .into_iter()
            .chain(buffered.rest.as_ref().unwrap().pieces.as_slice())
            .map(Bytes::len)
            .collect();
        assert_eq!(kept, [1, SHORT, SHORT, 2, 3 * SHORT]);
        let Poll::Ready(Ok(sent)) = pin!(signed.collect()).poll(cx) else { panic!("the body is there") };
        assert_eq!(sent.to_bytes(), pieces.concat());
    }
}
