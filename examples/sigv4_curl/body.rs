//! What is sent: nothing, data, or a file that is streamed.

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::Either;
use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt, ReadBuf},
};
use tower_sigv4::{SignedBody, sign::PayloadHash};

use crate::{problem::Problem, response::Progress};

/// How much of a file is read at once.
const CHUNK: usize = 64 * 1024;

/// The request's body, as the command line describes it.
#[derive(Debug)]
pub(crate) enum Body {
    None,
    Data(Bytes),
    File { path: PathBuf, length: u64 },
}

impl Body {
    /// `-T FILE`
    pub(crate) async fn file(path: &Path) -> Result<Self, Problem> {
        let metadata = tokio::fs::metadata(path).await.map_err(|error| cannot_read(path, &error))?;
        if !metadata.is_file() {
            return Err(Problem::usage(format!("{} is not a file", path.display())));
        }
        Ok(Self::File { path: path.to_owned(), length: metadata.len() })
    }

    /// `--data-binary DATA` or `@FILE`
    pub(crate) async fn data(data: &str) -> Result<Self, Problem> {
        Ok(Self::Data(read(data).await?.into()))
    }

    /// `-d DATA` or `@FILE`, several times
    pub(crate) async fn form(data: &[String]) -> Result<Self, Problem> {
        let mut form = Vec::new();
        for (index, data) in data.iter().enumerate() {
            if index > 0 {
                form.push(b'&');
            }
            let from_file = data.starts_with('@');
            let data = read(data).await?;
            form.extend(data.into_iter().filter(|byte| !from_file || !b"\r\n\0".contains(byte)));
        }
        Ok(Self::Data(form.into()))
    }

    /// The hash of the body; a file is read for it without being kept in memory.
    pub(crate) async fn hash(&self) -> Result<PayloadHash, Problem> {
        match self {
            Self::None => Ok(PayloadHash::EMPTY),
            Self::Data(data) => Ok(PayloadHash::of(data)),
            Self::File { path, .. } => {
                let digest = hash_file(path).await.map_err(|error| cannot_read(path, &error))?;
                Ok(digest.into())
            }
        }
    }

    /// The body to send, which moves a progress bar where there is one to show.
    pub(crate) async fn open(self) -> Result<Upload, Problem> {
        match self {
            Self::None => Ok(Upload::data(Bytes::new())),
            Self::Data(data) => Ok(Upload::data(data)),
            Self::File { path, length } => {
                let file = File::open(&path).await.map_err(|error| cannot_read(&path, &error))?;
                Ok(Upload { source: Source::File(file), left: length, progress: Progress::new("up", Some(length)) })
            }
        }
    }
}

/// A body that goes out as it is, or in chunks.
#[derive(Debug)]
pub(crate) enum Sending {
    Whole(Body),
    Chunked(SignedBody<Upload>),
}

impl Sending {
    pub(crate) async fn open(self) -> Result<Either<Upload, SignedBody<Upload>>, Problem> {
        match self {
            Self::Whole(body) => Ok(Either::Left(body.open().await?)),
            Self::Chunked(body) => Ok(Either::Right(body)),
        }
    }
}

async fn read(data: &str) -> Result<Vec<u8>, Problem> {
    match data.strip_prefix('@') {
        None => Ok(data.as_bytes().to_vec()),
        Some("-") => {
            let mut all = Vec::new();
            let read = tokio::io::stdin().read_to_end(&mut all).await;
            read.map_err(|error| Problem::failure("cannot read standard input", &error))?;
            Ok(all)
        }
        Some(path) => tokio::fs::read(path).await.map_err(|error| cannot_read(Path::new(path), &error)),
    }
}

fn cannot_read(path: &Path, error: &io::Error) -> Problem {
    Problem::failure(&format!("cannot read {}", path.display()), error)
}

async fn hash_file(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path).await?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk).await? {
            0 => return Ok(hash.finalize().into()),
            length => hash.update(&chunk[..length]),
        }
    }
}

/// A body on its way.
#[derive(Debug)]
pub(crate) struct Upload {
    source: Source,
    left: u64,
    progress: Progress,
}

#[derive(Debug)]
enum Source {
    Data(Bytes),
    File(File),
}

impl Upload {
    fn data(data: Bytes) -> Self {
        let left = data.len() as u64;
        Self { source: Source::Data(data), left, progress: Progress::new("up", Some(left)) }
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let most = usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK);
        match &mut self.source {
            Source::Data(data) => Poll::Ready(Ok(data.split_to(most))),
            Source::File(file) => {
                let mut chunk = BytesMut::zeroed(most);
                let mut buffer = ReadBuf::new(&mut chunk);
                ready!(Pin::new(file).poll_read(context, &mut buffer))?;
                let length = buffer.filled().len();
                if length == 0 {
                    return Poll::Ready(Err(io::Error::other("the file became shorter while it was sent")));
                }
                chunk.truncate(length);
                Poll::Ready(Ok(chunk.freeze()))
            }
        }
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            self.progress.finish();
            return Poll::Ready(None);
        }
        let chunk = ready!(self.poll_chunk(context))?;
        self.left -= chunk.len() as u64;
        self.progress.advance(chunk.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
