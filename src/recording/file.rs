//! One recording on disk: `<folder>/<date>/<call>.wav.part` while it grows, `.wav` when it is complete.
//!
//! The header is brought up to date with every write, so the file can be played at any time, also after the process was
//! killed. What a killed process left behind is completed at the next start.

use super::{RATE, Stereo};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::UNIX_EPOCH;

/// Recordings of one call. More than one only if a flow starts and stops recording again and again.
const MAX_OF_ONE_CALL: u32 = 1000;
/// `RIFF`, size, `WAVE`, `fmt `, 16, format, `data`, size.
const HEADER: u64 = 44;
const OCTETS_PER_SAMPLE: u64 = 4;

pub(super) struct WavFile {
    writer: hound::WavWriter<BufWriter<File>>,
    part: PathBuf,
    done: PathBuf,
    name: String,
}

impl WavFile {
    /// A new file for `call`, only for this user to read. An earlier recording of the same call is not touched.
    pub fn create(folder: &Path, date: &str, call: &str) -> io::Result<Self> {
        let day = folder.join(date);
        DirBuilder::new().recursive(true).mode(0o700).create(&day)?;
        for nth in 1..=MAX_OF_ONE_CALL {
            let stem = if nth == 1 { call.to_string() } else { format!("{call}-{nth}") };
            let done = day.join(format!("{stem}.wav"));
            let part = day.join(format!("{stem}.wav.part"));
            if done.exists() {
                continue;
            }
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part) {
                Ok(file) => {
                    let mut writer = hound::WavWriter::new(BufWriter::new(file), spec()).map_err(plain)?;
                    writer.flush().map_err(plain)?;
                    return Ok(Self { writer, part, done, name: format!("{date}/{stem}.wav") });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other(format!("call {call} has {MAX_OF_ONE_CALL} recordings already")))
    }

    /// The name it will have, below the folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds samples and makes the file playable with them.
    pub fn write(&mut self, samples: &[Stereo]) -> io::Result<()> {
        if samples.is_empty() {
            return Ok(());
        }
        let count = u32::try_from(samples.len() * 2).map_err(io::Error::other)?;
        let mut batch = self.writer.get_i16_writer(count);
        for [left, right] in samples {
            batch.write_sample(*left);
            batch.write_sample(*right);
        }
        batch.flush().map_err(plain)?;
        self.writer.flush().map_err(plain)
    }

    pub fn finish(self, safe: &Safe) -> io::Result<String> {
        self.writer.finalize().map_err(plain)?;
        fs::rename(&self.part, &self.done)?;
        safe.keep(self.done);
        Ok(self.name)
    }
}

/// Brings finished recordings from the system's memory to the disk, so that they survive the machine's power too. On a
/// thread of its own: a disk may take its time for that, longer than the rings hold audio.
pub(super) struct Safe(SyncSender<PathBuf>);

/// Files that may wait to be brought to the disk. One beyond that is left to the system, which does it in half a minute.
const UNSAFE_FILES: usize = 1000;

impl Safe {
    pub fn spawn() -> io::Result<Self> {
        let (files, waiting) = sync_channel::<PathBuf>(UNSAFE_FILES);
        std::thread::Builder::new().name("recording-sync".into()).spawn(move || {
            for path in waiting {
                // The file was written without an error; the system tells of a failing disk in its own way.
                let _ = File::open(&path).and_then(|file| file.sync_all());
                let _ = path.parent().map(|day| File::open(day).and_then(|day| day.sync_all()));
            }
        })?;
        Ok(Self(files))
    }

    fn keep(&self, file: PathBuf) {
        let _ = self.0.try_send(file);
    }
}

#[cfg(test)]
impl WavFile {
    /// From here on every write is refused as on a full disk.
    pub fn fill_the_disk(&mut self) {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        self.writer = hound::WavWriter::new(BufWriter::new(full), spec()).unwrap();
    }
}

fn spec() -> hound::WavSpec {
    let (sample_rate, sample_format) = (RATE as u32, hound::SampleFormat::Int);
    hound::WavSpec { channels: 2, sample_rate, bits_per_sample: 16, sample_format }
}

fn plain(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        error => io::Error::other(error.to_string()),
    }
}

/// A recording that was found unfinished and is complete now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The path below the recordings folder.
    pub file: String,
    pub length_ms: u64,
    /// When it last grew, in milliseconds since 1970.
    pub last_wall: u64,
}

/// Completes what a killed process left: the header takes in all that was written. Files that cannot be completed stay
/// as they are.
pub(super) fn recover(folder: &Path) -> Vec<Recovered> {
    let mut found = Vec::new();
    for day in entries(folder).into_iter().filter(|path| path.is_dir()) {
        for part in entries(&day).into_iter().filter(|path| path.to_string_lossy().ends_with(".wav.part")) {
            let done = part.with_extension("");
            let grown = fs::metadata(&part).and_then(|about| about.modified()).unwrap_or(UNIX_EPOCH);
            let last_wall = grown.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
            let Ok(length_ms) = complete(&part) else { continue };
            if done.exists() || fs::rename(&part, &done).is_err() {
                continue;
            }
            let name = done.strip_prefix(folder).unwrap_or(&done);
            found.push(Recovered { file: name.to_string_lossy().into_owned(), length_ms, last_wall });
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    paths.sort();
    paths
}

fn complete(part: &Path) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).write(true).open(part)?;
    let mut header = [0; HEADER as usize];
    file.read_exact(&mut header)?;
    if !header.starts_with(b"RIFF") || &header[36..40] != b"data" {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    // Half a sample at the end was being written when the process died.
    let octets = (file.metadata()?.len() - HEADER) / OCTETS_PER_SAMPLE * OCTETS_PER_SAMPLE;
    file.set_len(HEADER + octets)?;
    let size = |octets: u64| u32::try_from(octets).unwrap_or(u32::MAX).to_le_bytes();
    file.seek(SeekFrom::Start(4))?;
    file.write_all(&size(HEADER - 8 + octets))?;
    file.seek(SeekFrom::Start(40))?;
    file.write_all(&size(octets))?;
    Ok(octets / OCTETS_PER_SAMPLE * 1000 / RATE as u64)
}
