//! What has been accepted and is not in the database yet, as lines in a plain file. Appending is one cheap write every few
//! milliseconds, so that a kill -9 costs next to nothing although the database commits far less often; after a commit
//! the file is emptied, and what is found in it at a start is brought into the database first.

use crate::events::SwitchEvent;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

/// A line beyond this is not one of ours. The longest event has a diagnostic of some kilobytes.
const MAX_LINE: usize = 1 << 20;

/// What an earlier run left, in order.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub events: Vec<SwitchEvent>,
    pub kept: Vec<KeptLine>,
}

/// The new value of a name, `None` for none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptLine {
    pub keep: String,
    pub value: Option<String>,
}

pub(super) struct Spool {
    file: File,
    used: bool,
    /// The last append may have left half a line.
    torn: bool,
}

impl Spool {
    /// Opens or makes the file, readable by this user only, and gives what an earlier run left in it, oldest first.
    pub fn open(path: &Path) -> io::Result<(Self, Left)> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let mut left = Left::default();
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = io::Read::take(&mut reader, MAX_LINE as u64).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            // Half a line, where the process was killed within a write, is left out.
            match line.starts_with(br#"{"keep":"#) {
                true => left.kept.extend(serde_json::from_slice::<KeptLine>(&line)),
                false => left.events.extend(serde_json::from_slice::<SwitchEvent>(&line)),
            }
        }
        let used = file.metadata()?.len() > 0;
        Ok((Self { file, used, torn: true }, left))
    }

    /// `lines` end with a line break each.
    pub fn append(&mut self, lines: &str) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.used = true;
        if self.torn {
            self.file.write_all(b"\n")?;
        }
        self.torn = true;
        self.file.write_all(lines.as_bytes())?;
        self.torn = false;
        Ok(())
    }

    /// All that was appended is in the database.
    pub fn clear(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.used) {
            self.file.set_len(0)?;
            self.torn = false;
        }
        Ok(())
    }
}

#[cfg(test)]
impl Spool {
    /// Refuses every write like a full disk.
    pub fn full() -> Self {
        let file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        Self { file, used: false, torn: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::EventKind;

    fn line(seq: u64) -> String {
        let event = SwitchEvent { seq, wall: 1, mono: 1, call: None, kind: EventKind::Draining };
        serde_json::to_string(&event).unwrap() + "\n"
    }

    #[test]
    fn half_a_line_costs_itself_and_nothing_after_it() {
        let folder = crate::test_folder::TestFolder::new("spool");
        let path = folder.join("spool");
        let (mut spool, left) = Spool::open(&path).unwrap();
        assert!(left.events.is_empty());
        spool.append(&(line(1) + &line(2)[..9])).unwrap();
        drop(spool);
        let (mut spool, left) = Spool::open(&path).unwrap();
        assert_eq!(left.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1]);
        spool.append(&line(3)).unwrap();
        let (mut spool, left) = Spool::open(&path).unwrap();
        assert_eq!(left.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 3]);
        spool.clear().unwrap();
        assert!(Spool::open(&path).unwrap().1.events.is_empty());
    }
}
