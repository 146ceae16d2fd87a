use super::*;
use crate::media::Side;
use crate::media::ring::{TapWriter, tap_rings};
use crate::sdp::Codec;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::{self, Receiver};

/// A folder of this test's own, gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("hotline-recording-{}-{nth}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn recorder(folder: &Folder) -> (Recorder, TapWriter, Receiver<RecordingNotice>) {
    let (mut writers, readers) = tap_rings(1, 8192);
    let (told, notices) = mpsc::channel();
    let (archive, _) = Archive::open(folder.0.clone()).unwrap();
    let recorder = Recorder::spawn(archive, readers, move |notice| drop(told.send(notice))).unwrap();
    (recorder, writers.remove(0), notices)
}

/// The recorder without its thread.
fn desk<N: FnMut(RecordingNotice)>(folder: &Folder, notify: N) -> Desk<N> {
    let dropped = Lost { frames: Arc::default(), told: None };
    let (folder, safe) = (folder.0.clone(), Safe::spawn().unwrap());
    Desk { folder, notify, safe, dropped, recordings: BTreeMap::new(), samples: Vec::new() }
}

/// Longer than any machine takes.
const PATIENCE: Duration = Duration::from_secs(20);
const CALL: CallId = CallId(0xabc);
const ID: RecordingId = RecordingId(7);

fn frames(side: Side, codec: Codec, start: Instant, from_ms: u32, to_ms: u32) -> impl Iterator<Item = TapFrame> {
    (from_ms..to_ms).step_by(20).map(move |at| {
        let arrived = start + Duration::from_millis(u64::from(at) + 20);
        let mut frame = TapFrame::empty(ID, side, codec, arrived);
        frame.timestamp = at * 8;
        TapFrame::split(frame, &[0x10; 160]).next().unwrap()
    })
}

fn read(path: &Path) -> Vec<Stereo> {
    let mut reader = hound::WavReader::open(path).unwrap();
    assert_eq!((reader.spec().channels, reader.spec().sample_rate, reader.spec().bits_per_sample), (2, 8000, 16));
    let samples: Vec<i16> = reader.samples().map(|sample| sample.unwrap()).collect();
    samples.chunks(2).map(|pair| [pair[0], pair[1]]).collect()
}

#[test]
fn a_call_is_on_disk_with_the_caller_left_and_the_agent_right() {
    let folder = Folder::new();
    let (recorder, mut tap, notices) = recorder(&folder);
    // Far ahead, so that a machine that stands still is not taken for a gap in the talk.
    let at = Instant::now() + Duration::from_secs(3600);
    tap.note(TapNote::Open { at, recording: ID, call: CALL });
    let RecordingNotice::Started { file, .. } = notices.recv_timeout(PATIENCE).unwrap() else {
        panic!("started first")
    };
    let part = folder.0.join(format!("{file}.part"));
    assert_eq!(fs::metadata(&part).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(part.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    frames(Side::Near, Codec::Pcmu, at, 0, 1000).for_each(|frame| tap.push(frame));
    frames(Side::Far, Codec::Pcma, at, 500, 1500).for_each(|frame| tap.push(frame));
    tap.note(TapNote::Close { at: at + Duration::from_millis(2000), recording: ID });
    let RecordingNotice::Ended { file, length_ms, call, .. } = notices.recv_timeout(PATIENCE).unwrap() else {
        panic!("then ended")
    };
    assert_eq!((file.ends_with("/abc.wav"), length_ms, call), (true, 2000, CALL));
    let sound = read(&folder.0.join(file));
    assert_eq!(sound.len(), 16_000);
    let heard = |side: usize| {
        let first = sound.iter().position(|sample| sample[side] != 0).unwrap();
        let last = sound.iter().rposition(|sample| sample[side] != 0).unwrap();
        (first, last + 1)
    };
    assert_eq!((heard(0), heard(1)), ((0, 8000), (4000, 12_000)));
    assert!(!part.exists());
    drop(recorder);
}

#[test]
fn a_second_recording_of_a_call_has_its_own_file() {
    let folder = Folder::new();
    let (recorder, tap, notices) = recorder(&folder);
    let mut files = Vec::new();
    for id in [1, 2] {
        let (at, recording) = (Instant::now(), RecordingId(id));
        tap.note(TapNote::Open { at, recording, call: CALL });
        tap.note(TapNote::Close { at: at + Duration::from_millis(100), recording });
        assert!(matches!(notices.recv_timeout(PATIENCE).unwrap(), RecordingNotice::Started { .. }));
        let RecordingNotice::Ended { file, .. } = notices.recv_timeout(PATIENCE).unwrap() else { panic!("ended") };
        files.push(file);
    }
    assert!(files[0].ends_with("/abc.wav") && files[1].ends_with("/abc-2.wav"), "{files:?}");
    assert!(files.iter().all(|file| read(&folder.0.join(file)).len() == 800));
    drop(recorder);
}

#[test]
fn stopping_the_switch_completes_every_file() {
    let folder = Folder::new();
    let (recorder, mut tap, notices) = recorder(&folder);
    let at = Instant::now();
    for id in 0..20 {
        tap.note(TapNote::Open { at, recording: RecordingId(id), call: CallId(id) });
    }
    frames(Side::Near, Codec::Pcmu, at, 0, 100).for_each(|frame| tap.push(frame));
    drop(recorder);
    let notices: Vec<_> = notices.iter().collect();
    assert_eq!(notices.iter().filter(|notice| matches!(notice, RecordingNotice::Ended { .. })).count(), 20);
    for notice in notices {
        if let RecordingNotice::Ended { file, length_ms, .. } = notice {
            assert_eq!(read(&folder.0.join(file)).len() as u64 / 8, length_ms);
        }
    }
}

#[test]
fn a_killed_process_leaves_a_playable_file_that_lacks_less_than_a_second() {
    let folder = Folder::new();
    let start = Instant::now();
    let mut desk = desk(&folder, |_| {});
    desk.open(ID, CALL, start);
    // Ten seconds as the thread lives them: rings emptied every 20 ms.
    let mut coming = frames(Side::Near, Codec::Pcmu, start, 0, 20_000).peekable();
    for now in (0..10_000).step_by(20).map(|at| start + Duration::from_millis(at)) {
        while let Some(frame) = coming.next_if(|frame| frame.arrived <= now) {
            desk.place(&frame);
        }
        desk.write_due(now);
    }
    let file = desk.recordings[&ID].file.name().to_string();
    // Killed: nothing is flushed, nothing is dropped.
    std::mem::forget(desk);
    let part = folder.0.join(format!("{file}.part"));
    let playable = read(&part).len();
    assert!((9_000 * 8..=10_000 * 8).contains(&playable), "{playable} samples of 80000");
    assert!(read(&part).iter().all(|sample| sample[0] != 0));
    // Half a sample more than the header knows of, as if killed within a write.
    fs::OpenOptions::new()
        .append(true)
        .open(&part)
        .and_then(|mut file| io::Write::write_all(&mut file, &[1, 2, 3, 4, 5]))
        .unwrap();
    let (_archive, recovered) = Archive::open(folder.0.clone()).unwrap();
    let length_ms = (playable as u64 + 1) / 8;
    assert_eq!(recovered.iter().map(|it| (&it.file, it.length_ms)).collect::<Vec<_>>(), [(&file, length_ms)]);
    let grown = fs::metadata(folder.0.join(&file)).unwrap().modified().unwrap();
    let grown = grown.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!(recovered[0].last_wall <= grown && recovered[0].last_wall + 60_000 > grown);
    assert_eq!(read(&folder.0.join(&file)).len(), playable + 1);
    assert!(!part.exists());
}

#[test]
fn a_folder_that_cannot_be_written_costs_the_recording_and_is_told() {
    let folder = Folder::new();
    let (recorder, tap, notices) = recorder(&folder);
    fs::remove_dir_all(&folder.0).unwrap();
    fs::write(&folder.0, b"a file where the folder was").unwrap();
    tap.note(TapNote::Open { at: Instant::now(), recording: ID, call: CALL });
    let RecordingNotice::Failed { recording, call, error, .. } = notices.recv_timeout(PATIENCE).unwrap() else {
        panic!("failed")
    };
    assert_eq!((recording, call, error.is_empty()), (ID, CALL, false));
    drop(recorder);
    fs::remove_file(&folder.0).unwrap();
}

#[test]
fn a_disk_that_fills_up_fails_the_recording_and_spares_the_others() {
    // /dev/full refuses every write like a full disk.
    let folder = Folder::new();
    let told = std::cell::RefCell::new(Vec::new());
    let notify = |notice| told.borrow_mut().push(notice);
    let mut desk = desk(&folder, notify);
    let start = Instant::now();
    desk.open(ID, CALL, start);
    desk.open(RecordingId(8), CallId(2), start);
    desk.recordings.get_mut(&ID).unwrap().file.fill_the_disk();
    desk.write_due(start + Duration::from_secs(2));
    assert_eq!(desk.recordings.keys().copied().collect::<Vec<_>>(), [RecordingId(8)]);
    let failed = told.borrow().iter().any(
        |notice| matches!(notice, RecordingNotice::Failed { recording: ID, error, .. } if error.contains("is full")),
    );
    assert!(failed, "{:?}", told.borrow());
}

#[test]
fn two_processes_never_share_a_folder() {
    let folder = Folder::new();
    let (first, _tap, _) = recorder(&folder);
    let error = Archive::open(folder.0.clone()).err().unwrap();
    assert!(error.to_string().contains("name another folder"), "{error}");
    drop(first);
    assert!(Archive::open(folder.0.clone()).is_ok());
}

#[test]
fn a_recorder_that_stops_by_a_fault_says_so() {
    let folder = Folder::new();
    let (mut writers, readers) = tap_rings(1, 8);
    let (told, notices) = mpsc::channel();
    let (archive, _) = Archive::open(folder.0.clone()).unwrap();
    let notify = move |notice| match notice {
        RecordingNotice::Started { .. } => panic!("a fault of ours"),
        notice => drop(told.send(notice)),
    };
    let recorder = Recorder::spawn(archive, readers, notify).unwrap();
    writers.remove(0).note(TapNote::Open { at: Instant::now(), recording: ID, call: CALL });
    assert_eq!(notices.recv_timeout(PATIENCE).unwrap(), RecordingNotice::Stopped);
    drop(recorder);
}

#[test]
fn audio_that_found_no_room_is_told_at_once_and_then_once_a_minute() {
    let mut lost = Lost { frames: Arc::default(), told: None };
    let now = Instant::now();
    let at = |s| now + Duration::from_secs(s);
    assert_eq!(lost.news(at(0)), None);
    lost.frames.store(3, Ordering::Relaxed);
    assert_eq!((lost.news(at(1)), lost.news(at(2))), (Some(3), None));
    lost.frames.store(9, Ordering::Relaxed);
    assert_eq!((lost.news(at(60)), lost.news(at(61)), lost.news(at(200))), (None, Some(9), None));
}

#[test]
fn a_recorder_that_was_held_up_for_minutes_keeps_the_length_and_grows_no_memory() {
    let folder = Folder::new();
    let told = std::cell::RefCell::new(Vec::new());
    let mut desk = desk(&folder, |notice| told.borrow_mut().push(notice));
    let start = Instant::now();
    desk.open(ID, CALL, start);
    frames(Side::Near, Codec::Pcmu, start, 0, 1000).for_each(|frame| desk.place(&frame));
    // The next frame that found room came five minutes later.
    frames(Side::Near, Codec::Pcmu, start, 300_000, 300_100).for_each(|frame| desk.place(&frame));
    assert!(desk.recordings[&ID].line.open_samples() < 2 * 8_000, "{}", desk.recordings[&ID].line.open_samples());
    desk.close(ID, start + Duration::from_secs(600));
    assert!(desk.samples.capacity() < 4 * 8_000, "{}", desk.samples.capacity());
    let told = told.borrow();
    let Some(RecordingNotice::Ended { length_ms: 600_000, file, .. }) = told.last() else { panic!("{told:?}") };
    let sound = read(&folder.0.join(file));
    assert_eq!(sound.len(), 600 * 8_000);
    let heard = |from: usize| sound[from..from + 80].iter().all(|sample| sample[0] != 0);
    assert!(heard(0) && heard(300 * 8_000) && !heard(200 * 8_000));
}
