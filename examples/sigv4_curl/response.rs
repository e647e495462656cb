//! Where the answer goes, and how far it has come.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use http::{HeaderMap, StatusCode, Version};
use indicatif::{ProgressBar, ProgressStyle};

use crate::problem::Problem;

/// Less than this is over before a bar could be read.
const WORTH_A_BAR: u64 = 1024 * 1024;

/// Standard output or a file, which is created when there is something to write.
pub(crate) struct Output {
    path: Option<PathBuf>,
    include: bool,
    sink: Option<Box<dyn Write>>,
}

impl Output {
    pub(crate) fn new(path: Option<PathBuf>, include: bool) -> Self {
        Self { path, include, sink: None }
    }

    /// Opens the output for an answer: the file that was asked for is for a success alone.
    pub(crate) fn open(&mut self, version: Version, status: StatusCode, headers: &HeaderMap) -> Result<(), Problem> {
        let mut sink: Box<dyn Write> = match &self.path {
            Some(path) if status.is_success() => {
                let file = std::fs::File::create(path);
                let file =
                    file.map_err(|error| Problem::failure(&format!("cannot write {}", path.display()), &error))?;
                Box::new(io::BufWriter::new(file))
            }
            Some(_) => Box::new(io::stderr()),
            None => Box::new(io::stdout()),
        };
        if self.include {
            let mut head = format!("{version:?} {status}\r\n");
            for (name, value) in headers {
                let _ = write!(head, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
            }
            head.push_str("\r\n");
            sink.write_all(head.as_bytes()).map_err(|error| cannot_write(&error))?;
        }
        self.sink = Some(sink);
        Ok(())
    }

    pub(crate) fn write(&mut self, data: &[u8]) -> Result<(), Problem> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        sink.write_all(data).map_err(|error| cannot_write(&error))
    }

    pub(crate) fn close(&mut self) -> Result<(), Problem> {
        let Some(mut sink) = self.sink.take() else { return Ok(()) };
        sink.flush().map_err(|error| cannot_write(&error))
    }

    /// A bar for the answer, unless it would be drawn between the lines of the answer itself.
    pub(crate) fn progress(&self, length: Option<u64>) -> Progress {
        if self.path.is_none() && io::stdout().is_terminal() { Progress::none() } else { Progress::new("down", length) }
    }
}

fn cannot_write(error: &io::Error) -> Problem {
    Problem::failure("cannot write the answer", error)
}

/// A bar on standard error, where that is a terminal and the transfer is long enough to watch.
#[derive(Debug)]
pub(crate) struct Progress {
    direction: &'static str,
    length: Option<u64>,
    seen: u64,
    wanted: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new(direction: &'static str, length: Option<u64>) -> Self {
        let wanted = io::stderr().is_terminal() && length.is_none_or(|length| length > WORTH_A_BAR);
        Self { direction, length, seen: 0, wanted, bar: None }
    }

    pub(crate) fn none() -> Self {
        Self { direction: "", length: None, seen: 0, wanted: false, bar: None }
    }

    pub(crate) fn advance(&mut self, by: u64) {
        self.seen += by;
        // A transfer of unknown length gets its bar once it has turned out to be long.
        if self.wanted && self.bar.is_none() && (self.length.is_some() || self.seen > WORTH_A_BAR) {
            self.bar = Some(bar(self.direction, self.length));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.seen);
        }
    }

    pub(crate) fn finish(&mut self) {
        self.wanted = false;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(direction: &'static str, length: Option<u64>) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
        None => (ProgressBar::new_spinner(), "{prefix} {spinner} {bytes} {bytes_per_sec}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_prefix(direction)
}
