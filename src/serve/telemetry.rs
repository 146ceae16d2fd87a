//! Log lines: standard error, filtered by `HOTLINE_LOG` (a tracing filter; `info` when unset).
//!
//! A terminal that was stopped or a log pipe that nobody reads must not stop calls, so a thread of its own writes the
//! lines; those that find its queue full are dropped and counted.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait: a few megabytes.
const MAX_LINES: usize = 16_384;
/// How long the first line waits for company: one wake-up and one write for all of them.
const GATHER: Duration = Duration::from_millis(10);
/// What the last lines are given at the end.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

enum Entry {
    Line(Vec<u8>),
    /// Answered when all lines before it are written.
    Flush(SyncSender<()>),
}

#[derive(Clone)]
struct Logger {
    lines: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

/// Writes the last lines when dropped.
pub struct LastLines(SyncSender<Entry>);

/// Starts the log. A second start in one process (tests) keeps the first one's.
pub fn init() -> io::Result<LastLines> {
    let (lines, queue) = sync_channel(MAX_LINES);
    let lost = Arc::new(AtomicU64::new(0));
    let logger = Logger { lines: lines.clone(), lost: lost.clone() };
    std::thread::Builder::new().name("log".into()).spawn(move || write(&queue, &lost, io::stderr()))?;
    let wanted = std::env::var("HOTLINE_LOG").unwrap_or_default();
    let filter = match wanted.as_str() {
        "" => Ok(EnvFilter::new("info")),
        wanted => EnvFilter::try_new(wanted),
    };
    let filter = filter.unwrap_or_else(|error| {
        eprintln!("hotline: HOTLINE_LOG={wanted} cannot be read ({error}); info is used. Write a level such as debug, or hotline::sip=debug");
        EnvFilter::new("info")
    });
    let format =
        tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(io::stderr().is_terminal());
    let _ = format.with_writer(logger).try_init();
    Ok(LastLines(lines))
}

impl Drop for LastLines {
    fn drop(&mut self) {
        let (done, wait) = sync_channel(1);
        if self.0.try_send(Entry::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(FLUSH_LIMIT);
        }
    }
}

fn write(queue: &Receiver<Entry>, lost: &AtomicU64, mut out: impl Write) {
    let mut text = Vec::new();
    while let Ok(first) = queue.recv() {
        if matches!(first, Entry::Line(_)) {
            std::thread::sleep(GATHER);
        }
        let mut flushes = Vec::new();
        for entry in std::iter::once(first).chain(queue.try_iter()) {
            match entry {
                Entry::Line(line) => text.extend(line),
                Entry::Flush(done) => flushes.push(done),
            }
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            text.extend(format!("{lost} log lines were lost because nobody took them\n").into_bytes());
        }
        // Nobody reading is no reason to stop.
        let _ = out.write_all(&text);
        text.clear();
        for done in flushes {
            // Whoever asked may have stopped waiting.
            let _ = done.try_send(());
        }
    }
}

/// One line, handed over when it is complete.
struct Line<'a> {
    logger: &'a Logger,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Logger {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { logger: self, text: Vec::new() }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.text);
        if !line.is_empty() && self.logger.lines.try_send(Entry::Line(line)).is_err() {
            self.logger.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written, and a pipe that is stuck until it is let go.
    struct Pipe {
        written: std::sync::mpsc::Sender<Vec<u8>>,
        stuck: Receiver<()>,
    }

    impl Write for Pipe {
        fn write(&mut self, part: &[u8]) -> io::Result<usize> {
            let _ = self.stuck.recv();
            let _ = self.written.send(part.to_vec());
            Ok(part.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_nobody_reads_holds_up_nobody_and_tells_what_was_lost() {
        let (lines, queue) = sync_channel(4);
        let lost = Arc::new(AtomicU64::new(0));
        let logger = Logger { lines: lines.clone(), lost: lost.clone() };
        let (written, log) = std::sync::mpsc::channel();
        let (go, stuck) = std::sync::mpsc::channel();
        let writer = std::thread::spawn(move || write(&queue, &lost, Pipe { written, stuck }));
        // More than the queue and the writer together can hold, and this thread is through.
        for nth in 0..100 {
            writeln!(logger.make_writer(), "line {nth}").unwrap();
        }
        drop(go);
        drop((lines, logger));
        writer.join().unwrap();
        let text = String::from_utf8(log.iter().flatten().collect()).unwrap();
        assert!(text.starts_with("line 0\nline 1\n"), "{text}");
        assert!(text.contains("log lines were lost"), "{text}");
    }
}
