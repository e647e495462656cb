use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame};
use tower::BoxError;

use super::{Checksum, checksum::Running, plan::Chunked};
use crate::{
    Error, ErrorKind,
    layer::body::into_bytes,
    sign::{ChunkSigner, Framer},
};

/// Pieces of a chunk that are this long on average go out as they came; shorter ones are joined.
const PIECE: usize = 1 << 10;

/// Cuts a body into chunks while it is polled. It holds one chunk at a time.
#[derive(Clone)]
pub(in crate::layer) struct Chunking {
    framer: Framer,
    chunk_size: usize,
    /// Bytes that the body still has to give.
    missing: u64,
    /// Bytes that still go out.
    left: u64,
    /// What a frame of the body holds beyond the chunk.
    rest: Bytes,
    chunk: Chunk,
    state: State,
    checksum: Option<(Checksum, Running)>,
    announced: Vec<Checksum>,
    trailers: Option<HeaderMap>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The chunk is being filled.
    Filling,
    /// The chunk goes out.
    Sending,
    /// What ends the body goes out.
    Ending,
    /// There was an error, and it was told.
    Failed,
}

/// A chunk as a list of pieces, so that what came in one frame need not be copied into another.
#[derive(Clone, Default)]
struct Chunk {
    pieces: VecDeque<Bytes>,
    /// What was joined of pieces that are too short, behind the others.
    joined: Vec<u8>,
    length: usize,
}

impl Chunk {
    /// `full` is the length that the chunk will have.
    fn push(&mut self, piece: Bytes, full: usize) {
        self.length += piece.len();
        if self.joined.is_empty() && self.pieces.len() < full.div_ceil(PIECE) {
            return self.pieces.push_back(piece);
        }
        if self.joined.is_empty() {
            // Filled to its end, it becomes `Bytes` without another allocation.
            self.joined.reserve_exact(full);
            for piece in self.pieces.drain(..) {
                self.joined.extend_from_slice(&piece);
            }
        }
        self.joined.extend_from_slice(&piece);
    }

    /// Puts the head before the pieces, which go out one by one.
    fn end(&mut self, head: Bytes) {
        self.length = 0;
        if !self.joined.is_empty() {
            self.pieces.push_back(mem::take(&mut self.joined).into());
        }
        self.pieces.push_front(head);
    }
}

impl Chunking {
    pub(in crate::layer) fn new(plan: Chunked, signer: ChunkSigner) -> Self {
        Self {
            framer: plan.framing.framer(signer),
            chunk_size: plan.chunk_size,
            missing: plan.decoded_length,
            left: plan.encoded_length,
            rest: Bytes::new(),
            chunk: Chunk::default(),
            state: State::Filling,
            #[cfg(feature = "checksums")]
            checksum: plan.checksum.map(|checksum| (checksum, Running::new(checksum))),
            #[cfg(not(feature = "checksums"))]
            checksum: None,
            announced: plan.announced,
            trailers: None,
        }
    }

    pub(in crate::layer) fn left(&self) -> u64 {
        self.left
    }

    pub(in crate::layer) fn is_end(&self) -> bool {
        self.state == State::Ending && self.chunk.pieces.is_empty() && self.trailers.is_none()
    }

    pub(in crate::layer) fn poll_frame<B: Body<Error: Into<BoxError>>>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            match self.state {
                State::Filling => {
                    if let Err(error) = ready!(self.poll_fill(body.as_mut(), cx)) {
                        self.fail();
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                State::Sending | State::Ending => match self.chunk.pieces.pop_front() {
                    Some(piece) => {
                        self.left = self.left.saturating_sub(piece.len() as u64);
                        return Poll::Ready(Some(Ok(Frame::data(piece))));
                    }
                    None if self.state == State::Sending => self.state = State::Filling,
                    None => return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))),
                },
                State::Failed => return Poll::Ready(None),
            }
        }
    }

    /// Takes from the body until there is something to send: a chunk, or what ends the body.
    fn poll_fill<B: Body<Error: Into<BoxError>>>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BoxError>> {
        while self.state == State::Filling {
            if !self.rest.is_empty() {
                self.fill();
                continue;
            }
            match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data().map(into_bytes) {
                    Ok(data) => {
                        let missing = self.missing.checked_sub(data.len() as u64);
                        self.missing = missing.ok_or_else(|| length_error("it gave more"))?;
                        self.rest = data;
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                Some(Err(error)) => return Poll::Ready(Err(error.into())),
                None => self.end()?,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Moves what there is into the chunk, up to its end.
    fn fill(&mut self) {
        let there = self.chunk.length + self.rest.len();
        let full = usize::try_from(self.missing)
            .map_or(self.chunk_size, |missing| self.chunk_size.min(there.saturating_add(missing)));
        let room = full - self.chunk.length;
        let piece = if room < self.rest.len() { self.rest.split_to(room) } else { mem::take(&mut self.rest) };
        self.framer.update(&piece);
        if let Some((_, running)) = &mut self.checksum {
            running.update(&piece);
        }
        self.chunk.push(piece, full);
        if self.chunk.length == full {
            self.chunk.end(self.framer.chunk());
            self.state = State::Sending;
        }
    }

    /// The body has ended: so does what goes out, if all of it has come.
    fn end(&mut self) -> Result<(), Error> {
        if self.missing > 0 {
            return Err(length_error("it ended before"));
        }
        let mut trailers = self.own_trailers()?;
        self.chunk.end(self.framer.end(&mut trailers));
        self.state = State::Ending;
        Ok(())
    }

    /// The trailers that were announced to the server.
    fn own_trailers(&mut self) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        let mut own = Vec::new();
        if let Some((checksum, running)) = self.checksum.take() {
            let (name, value) = (checksum.header_name(), running.finish());
            // One that the body brings too would go out behind it, and say something else perhaps.
            self.trailers.as_mut().and_then(|trailers| trailers.remove(&name));
            own.push((name, HeaderValue::try_from(value).map_err(trailer_error)?));
        }
        for checksum in &self.announced {
            let name = checksum.header_name();
            let value = self.trailers.as_mut().and_then(|trailers| trailers.remove(&name));
            match value {
                Some(value) if value.len() == checksum.value_length() => own.push((name, value)),
                Some(_) => return Err(trailer_error(format!("{name} is not the base64 of a checksum"))),
                None => return Err(trailer_error(format!("{name} was announced and did not come"))),
            }
        }
        self.trailers = self.trailers.take().filter(|trailers| !trailers.is_empty());
        Ok(own)
    }

    /// Nothing goes out any more: what is missing shows that it is not the whole.
    fn fail(&mut self) {
        self.state = State::Failed;
        self.rest = Bytes::new();
        self.chunk = Chunk::default();
    }
}

fn length_error(what: &'static str) -> Error {
    Error::caused_by(ErrorKind::WrongLength, what)
}

fn trailer_error(source: impl Into<BoxError>) -> Error {
    Error::caused_by(ErrorKind::Trailer, source)
}
