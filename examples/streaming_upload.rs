//! Uploads a large file that is signed while it is sent: `cargo run --release --example streaming_upload -- --help`.
//!
//! The file is made on the spot, and goes to an S3 server that runs in this process and checks every signature. What is
//! printed of each upload is how long it took, and how much memory the process, its server included, held at most.

#[path = "support/line.rs"]
mod line;

use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    process::ExitCode,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use clap::{Parser, ValueEnum};
use http::{Request, header::CONTENT_LENGTH};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt, ReadBuf},
    net::TcpListener,
};
use tower::{BoxError, Layer, ServiceExt};
#[cfg(feature = "checksums")]
use tower_sigv4::Checksum;
use tower_sigv4::{Chunks, Payload, SigV4Layer, credentials::Credentials};

const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const BLOCK: usize = 256 << 10;

/// Uploads a file that is made on the spot to an S3 server in this process, signed while it is sent.
///
/// Prints the time that each upload took and the most memory that the process held meanwhile, its server included. A
/// progress bar shows on a terminal. Build it with --release: hashing takes long without.
#[derive(Debug, Parser)]
#[command(name = "streaming_upload", version, after_long_help = EXAMPLES, max_term_width = 110)]
struct Args {
    /// The length of the file: a number of bytes, or one with KiB, MiB or GiB behind it
    #[arg(long, value_name = "BYTES", default_value = "1GiB", value_parser = parse_size)]
    size: u64,

    /// How the body is signed and sent
    #[arg(long, value_name = "MODE", default_value = "chunked")]
    mode: Mode,

    /// The length of a chunk, 8KiB or more
    #[arg(long, value_name = "BYTES", default_value = "64KiB", value_parser = parse_size)]
    chunk_size: u64,

    /// The checksum behind the chunks: crc32, crc32c, crc64nvme, sha1 or sha256
    #[cfg(feature = "checksums")]
    #[arg(long, value_name = "NAME", default_value = "crc64nvme")]
    checksum: Checksum,

    /// Speak HTTP/2 instead of HTTP/1.1
    #[arg(long)]
    http2: bool,

    /// Put the file and the server's copy of it here, for as long as this runs [default: the system's place for such]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

const EXAMPLES: &str = "\
With the feature `checksums` there are the modes chunked-trailer and chunked-unsigned-trailer, and --checksum.

Examples:
  streaming_upload --size 5GiB
  streaming_upload --mode all --http2
  streaming_upload --mode signed --size 200MiB      to see what holding the body in memory takes";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Chunks that are signed one by one
    Chunked,
    /// The same, with a checksum behind them that is computed on the way
    #[cfg(feature = "checksums")]
    ChunkedTrailer,
    /// Chunks that are not signed, and a checksum behind them
    #[cfg(feature = "checksums")]
    ChunkedUnsignedTrailer,
    /// The body as it is, not signed
    Unsigned,
    /// The body as it is, signed by a hash that takes a pass over the file before
    Precomputed,
    /// The body read into memory to be hashed
    Signed,
    /// All of these, one after the other, but for the last
    All,
}

fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let shift = match text[digits.len()..].trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "kib" => 10,
        "mib" => 20,
        "gib" => 30,
        unit => return Err(format!("{unit:?} is not a unit: use KiB, MiB or GiB")),
    };
    let number: u64 = digits.parse().map_err(|_| "give a number of bytes, such as 5GiB".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "that is too long".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = match line::arguments() {
        Ok(args) => args,
        Err(status) => return status,
    };
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => line::failed("streaming_upload", &*error),
    }
}

async fn run(args: Args) -> Result<(), BoxError> {
    let folder = match &args.folder {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let path = folder.path().join("file");
    make(&path, args.size)?;
    println!("made a file of {}", BinaryBytes(args.size));
    let address = serve(&folder.path().join("store")).await?;

    let modes = match args.mode {
        Mode::All => {
            Mode::value_variants().iter().copied().filter(|mode| !matches!(mode, Mode::Signed | Mode::All)).collect()
        }
        mode => vec![mode],
    };
    for mode in modes {
        let before = reset_peak();
        let started = Instant::now();
        upload(&args, mode, &path, address).await?;
        let seconds = started.elapsed().as_secs_f64();
        let name = mode.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let speed = BinaryBytes((args.size as f64 / seconds) as u64);
        println!("{name}: {} in {seconds:.1} s, {speed}/s, {}", BinaryBytes(args.size), memory(before));
    }
    Ok(())
}

/// One upload, and a look at what the server has then.
async fn upload(args: &Args, mode: Mode, path: &Path, address: SocketAddr) -> Result<(), BoxError> {
    let chunks = Chunks::new().chunk_size(usize::try_from(args.chunk_size)?);
    let payload = match mode {
        Mode::Chunked | Mode::All => Payload::Chunked(chunks),
        #[cfg(feature = "checksums")]
        Mode::ChunkedTrailer => Payload::Chunked(chunks.checksum(args.checksum)),
        #[cfg(feature = "checksums")]
        Mode::ChunkedUnsignedTrailer => Payload::ChunkedUnsigned(chunks.checksum(args.checksum)),
        Mode::Unsigned => Payload::Unsigned,
        Mode::Precomputed => Payload::Precomputed(hash(path).await?.into()),
        Mode::Signed => Payload::Signed,
    };
    let layer = SigV4Layer::builder(Credentials::new(KEY_ID, SECRET, None, None, "example"))
        .service("s3")
        .region("us-east-1")
        .payload(payload)
        .buffer_limit(args.size)
        .build();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).http2_only(args.http2).build(connector);
    let client = layer.layer(client);

    let progress = ProgressBar::new(args.size).with_style(ProgressStyle::with_template(
        "{bar:40} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}",
    )?);
    let body = FileBody { file: File::open(path).await?, left: args.size, progress: progress.clone() };
    let url = format!("http://{address}/bucket/key");
    let response = client.clone().oneshot(Request::put(&url).body(body.boxed_unsync())?).await?;
    progress.finish_and_clear();
    if !response.status().is_success() {
        let reason = response.into_body().collect().await?.to_bytes();
        return Err(format!("the server refused it: {}", String::from_utf8_lossy(&reason)).into());
    }

    let nothing = http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync();
    let head = Request::head(&url).extension(tower_sigv4::SigningOverrides::new().payload(Payload::Signed));
    let stored = client.oneshot(head.body(nothing)?).await?;
    match stored.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()) {
        Some(length) if length == args.size.to_string() => Ok(()),
        length => Err(format!("the server has {length:?} bytes").into()),
    }
}

/// The server, on a socket of this machine alone.
async fn serve(store: &Path) -> Result<SocketAddr, BoxError> {
    fs::create_dir_all(store.join("bucket"))?;
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(store).map_err(|error| format!("{error:?}"))?);
    builder.set_auth(SimpleAuth::from_single(KEY_ID, SECRET));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Else the small frames by which HTTP/2 asks for more wait for one another.
            let _ = stream.set_nodelay(true);
            let service = service.clone();
            tokio::spawn(async move {
                let connection = auto::Builder::new(TokioExecutor::new());
                connection.serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    Ok(address)
}

/// Fills a file with bytes that are nowhere the same for long.
fn make(path: &Path, size: u64) -> io::Result<()> {
    let mut file = io::BufWriter::with_capacity(BLOCK, fs::File::create(path)?);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut left = size;
    while left > 0 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bytes = state.to_le_bytes();
        let length = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        file.write_all(&bytes[..length])?;
        left -= length as u64;
    }
    file.flush()
}

async fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path).await?;
    let mut block = vec![0; BLOCK];
    let mut hash = Sha256::new();
    loop {
        match file.read(&mut block).await? {
            0 => return Ok(hash.finalize().into()),
            length => hash.update(&block[..length]),
        }
    }
}

/// A file as a body, in blocks.
struct FileBody {
    file: File,
    left: u64,
    progress: ProgressBar,
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut block = BytesMut::zeroed(BLOCK);
        let mut room = ReadBuf::new(&mut block);
        ready!(Pin::new(&mut self.file).poll_read(cx, &mut room))?;
        let length = room.filled().len();
        if length == 0 {
            return Poll::Ready(None);
        }
        block.truncate(length);
        self.left = self.left.saturating_sub(length as u64);
        self.progress.inc(length as u64);
        Poll::Ready(Some(Ok(Frame::data(block.freeze()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The most memory that this process held, in KiB, where the system tells.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Begins to look for the peak anew, and gives back what is held now.
fn reset_peak() -> Option<u64> {
    // Where that is not allowed, the peak is that of the whole run.
    let _ = fs::write("/proc/self/clear_refs", "5");
    peak()
}

fn memory(before: Option<u64>) -> String {
    let mebibytes = |kibibytes: u64| BinaryBytes(kibibytes << 10);
    match (before, peak()) {
        (Some(before), Some(peak)) => format!("peak memory {} ({} before)", mebibytes(peak), mebibytes(before)),
        _ => "peak memory is not known on this system".to_owned(),
    }
}
