//! Prompt files to clips: read, mixed to mono, brought to 8 kHz, kept from clipping and encoded once per codec. Done when
//! a bundle is loaded, never while a caller waits.
//!
//! A file is named `<lang>/<id>.wav`, or by another end that is read. One bad file is told with its name and a remedy, and
//! all bad files are told at once.

pub use super::audio_file::READ;
use super::audio_file::{self, Sound};
use super::clip::Clip;
use super::resample::{self, OUT_RATE};
use hound::{SampleFormat, WavReader};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A clip is held in memory for each codec, 8 kB a second.
pub(super) const MAX_SECONDS: u64 = 20 * 60;
/// Peaks above this are scaled down to it (-3 dBFS): room for the quantiser of G.711 and for what is mixed in.
const PEAK: f32 = 0.707_946;
/// Ids are file names, flow words and metric labels at once.
const MAX_ID: usize = 64;

/// All clips of a bundle, by language and id. Cheap to clone; what plays keeps its clip.
#[derive(Clone, Debug, Default)]
pub struct ClipLibrary {
    clips: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<Clip>>>,
    /// The files that they came from, by language and id.
    files: BTreeMap<(Box<str>, Box<str>), Box<str>>,
}

/// A prompt file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipError {
    pub file: String,
    pub fault: ClipFault,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClipFault {
    TooLong,
    /// Not an audio file, or a kind of it that is not read.
    Format(String),
    /// There is a file of the same prompt already.
    Twice(String),
    /// The file ends before the sound that its header promises.
    Cut,
    Rate(u32),
    Empty,
    Name,
}

impl ClipLibrary {
    /// Loads files that are in memory, each named `<lang>/<id>.wav` or by another end that is read.
    pub fn from_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, Vec<ClipError>> {
        let mut library = Self::default();
        let mut errors = Vec::new();
        for (name, bytes) in files {
            let Some((path, extension)) = name.rsplit_once('.') else { continue };
            let Some((lang, id)) = path.rsplit_once('/') else { continue };
            if !extensions().contains(&extension) {
                continue;
            }
            let lang = lang.rsplit('/').next().unwrap_or(lang);
            let loaded = match library.files.insert((lang.into(), id.into()), name.into()) {
                Some(other) => Err(ClipFault::Twice(other.to_string())),
                None => Clip::from_file(id, lang, extension, bytes),
            };
            library.take(loaded, name.to_string(), &mut errors);
        }
        if errors.is_empty() { Ok(library) } else { Err(errors) }
    }

    pub fn find(&self, lang: &str, id: &str) -> Option<&Arc<Clip>> {
        self.clips.get(lang)?.get(id)
    }

    /// Adds a clip; one of the same name is replaced.
    pub fn insert(&mut self, clip: Arc<Clip>) {
        self.clips.entry(clip.lang.clone()).or_default().insert(clip.id.clone(), clip);
    }

    /// In the order of language and id.
    pub fn clips(&self) -> impl Iterator<Item = &Arc<Clip>> {
        self.clips.values().flat_map(BTreeMap::values)
    }

    pub fn len(&self) -> usize {
        self.clips.values().map(BTreeMap::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.clips.is_empty()
    }

    fn take(&mut self, loaded: Result<Clip, ClipFault>, file: String, errors: &mut Vec<ClipError>) {
        match loaded {
            Ok(clip) => self.insert(Arc::new(clip)),
            Err(fault) => errors.push(ClipError { file, fault }),
        }
    }
}

impl Clip {
    /// Any WAV of 8 kHz or more: 8, 16, 24 or 32 bit or float, any number of channels.
    pub fn from_wav(id: &str, lang: &str, bytes: &[u8]) -> Result<Clip, ClipFault> {
        Self::from_file(id, lang, "wav", bytes)
    }

    /// Sound in any form that is read, by the end of the file's name.
    pub fn from_file(id: &str, lang: &str, extension: &str, bytes: &[u8]) -> Result<Clip, ClipFault> {
        if !is_name(id) || !is_name(lang) {
            return Err(ClipFault::Name);
        }
        let sound = match extension {
            // What hound cannot read may still be a WAV of compressed sound.
            "wav" => plain_wav(bytes).or_else(|fault| match fault {
                ClipFault::Format(_) => audio_file::read(extension, bytes).map_err(|_| fault),
                fault => Err(fault),
            }),
            extension if audio_file::REFUSED.contains(&extension) => {
                Err(ClipFault::Format(format!(".{extension} files are not")))
            }
            extension => audio_file::read(extension, bytes),
        }?;
        let mono = resample::to_8k(&sound.mono, sound.rate);
        let peak = mono.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        let gain = if peak > PEAK { PEAK / peak } else { 1.0 };
        let pcm: Vec<i16> = mono.iter().map(|sample| (sample * gain * 32_768.0).round() as i16).collect();
        Ok(Clip::from_pcm(id, lang, &pcm))
    }
}

/// The sound of a WAV file that is not compressed.
fn plain_wav(bytes: &[u8]) -> Result<Sound, ClipFault> {
    let mut reader = WavReader::new(bytes).map_err(|error| match error {
        hound::Error::IoError(_) => ClipFault::Cut,
        error => ClipFault::Format(error.to_string()),
    })?;
    let spec = reader.spec();
    if spec.sample_rate < OUT_RATE || spec.sample_rate > 384_000 {
        return Err(ClipFault::Rate(spec.sample_rate));
    }
    if spec.channels == 0 || !(1..=32).contains(&spec.bits_per_sample) {
        return Err(ClipFault::Format(format!("{} channels of {} bit", spec.channels, spec.bits_per_sample)));
    }
    let frames = u64::from(reader.duration());
    if frames == 0 {
        return Err(ClipFault::Empty);
    }
    if frames > MAX_SECONDS * u64::from(spec.sample_rate) {
        return Err(ClipFault::TooLong);
    }
    let channels = usize::from(spec.channels);
    let mixed = match spec.sample_format {
        SampleFormat::Float => mix(reader.samples::<f32>(), channels, 1.0),
        SampleFormat::Int => {
            // hound gives 8-bit samples signed, like all others.
            let full = 2f64.powi(i32::from(spec.bits_per_sample) - 1) as f32;
            mix(reader.samples::<i32>().map(|sample| sample.map(|sample| sample as f32)), channels, full)
        }
    }?;
    if mixed.is_empty() {
        return Err(ClipFault::Empty);
    }
    Ok(Sound { mono: mixed, rate: spec.sample_rate })
}

/// The mean of the channels. What is no number, or out of all bounds, counts as its limit.
fn mix(samples: impl Iterator<Item = hound::Result<f32>>, channels: usize, full: f32) -> Result<Vec<f32>, ClipFault> {
    let mut mixed = Vec::new();
    let (mut sum, mut of) = (0.0f32, 0);
    for sample in samples {
        let sample = sample.map_err(|error| match error {
            hound::Error::IoError(_) => ClipFault::Cut,
            error => ClipFault::Format(error.to_string()),
        })?;
        sum += if sample.is_finite() { (sample / full).clamp(-4.0, 4.0) } else { 0.0 };
        of += 1;
        if of == channels {
            mixed.push(sum / channels as f32);
            (sum, of) = (0.0, 0);
        }
    }
    Ok(mixed)
}

/// How files end that are read, and those that are refused by name.
pub fn extensions() -> Vec<&'static str> {
    audio_file::READ.into_iter().chain(audio_file::REFUSED).collect()
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_ID
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

impl fmt::Display for ClipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CONVERT: &str = "convert it with `ffmpeg -i FILE -ar 8000 -ac 1 -c:a pcm_s16le NEW.wav`";
        write!(f, "{}: ", self.file)?;
        match &self.fault {
            ClipFault::TooLong => write!(f, "is longer than {} minutes: cut it into parts", MAX_SECONDS / 60),
            ClipFault::Format(what) => write!(
                f,
                "cannot be read ({what}); WAV, MP3, FLAC, Ogg, AIFF and headerless .ul, .al and .sln are: {CONVERT}"
            ),
            ClipFault::Twice(other) => write!(f, "is the same prompt as {other}: delete one of them"),
            ClipFault::Cut => write!(f, "ends before its sound does: copy or export it again"),
            ClipFault::Rate(rate) => write!(f, "has {rate} samples a second, 8000 to 384000 are read: {CONVERT}"),
            ClipFault::Empty => write!(f, "holds no sound: record it again or delete it"),
            ClipFault::Name => write!(f, "name it with letters, digits, '_', '-' and '.', at most {MAX_ID} of them"),
        }
    }
}

impl std::error::Error for ClipError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::Law;
    use hound::WavSpec;
    use std::io;

    fn wav(channels: u16, rate: u32, bits: u16, format: SampleFormat, write: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
        let mut bytes = io::Cursor::new(Vec::new());
        let spec = WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: format };
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        write(&mut writer);
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    type Writer<'a> = hound::WavWriter<&'a mut io::Cursor<Vec<u8>>>;

    fn sine(n: u32, rate: u32) -> f32 {
        (2.0 * std::f32::consts::PI * 1000.0 * n as f32 / rate as f32).sin()
    }

    /// The sound of a clip, as the caller's phone decodes it.
    fn heard(clip: &Clip) -> Vec<f32> {
        clip.pcmu.iter().map(|&octet| f32::from(Law::Mu.linear(octet)) / 32_768.0).collect()
    }

    fn peak(clip: &Clip) -> f32 {
        heard(clip).iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()))
    }

    #[test]
    fn a_prompt_sounds_the_same_from_every_kind_of_wav() {
        let half = |n, rate| sine(n, rate) * 0.5;
        let kinds: Vec<(&str, Vec<u8>)> = vec![
            (
                "8k",
                wav(1, 8000, 16, SampleFormat::Int, |w| {
                    (0..8000).for_each(|n| w.write_sample((half(n, 8000) * 32767.0) as i16).unwrap())
                }),
            ),
            (
                "8bit",
                wav(1, 16000, 8, SampleFormat::Int, |w| {
                    (0..16000).for_each(|n| w.write_sample((half(n, 16000) * 127.0) as i8).unwrap())
                }),
            ),
            (
                "24bit",
                wav(1, 22050, 24, SampleFormat::Int, |w| {
                    (0..22050).for_each(|n| w.write_sample((half(n, 22050) * 8_388_607.0) as i32).unwrap())
                }),
            ),
            (
                "stereo",
                wav(2, 44100, 16, SampleFormat::Int, |w| {
                    (0..88200).for_each(|n| w.write_sample((half(n / 2, 44100) * 32767.0) as i16).unwrap())
                }),
            ),
            (
                "float",
                wav(1, 48000, 32, SampleFormat::Float, |w| {
                    (0..48000).for_each(|n| w.write_sample(half(n, 48000)).unwrap())
                }),
            ),
        ];
        for (kind, bytes) in kinds {
            let clip = Clip::from_wav("x", "en", &bytes).unwrap();
            assert_eq!(clip.duration_ms(), 1000, "{kind}");
            let sound = heard(&clip);
            let middle = &sound[2000..6000];
            let rms = (middle.iter().map(|x| x * x).sum::<f32>() / 4000.0).sqrt();
            let level = 20.0 * (rms / (0.5 / 2f32.sqrt())).log10();
            assert!(level.abs() < 0.3, "{kind}: {level} dB");
        }
    }

    #[test]
    fn a_stereo_prompt_is_the_mean_of_both_sides() {
        let bytes = wav(2, 8000, 16, SampleFormat::Int, |w| {
            for _ in 0..800 {
                w.write_sample(12_000i16).unwrap();
                w.write_sample(-4_000i16).unwrap();
            }
        });
        assert!((peak(&Clip::from_wav("x", "en", &bytes).unwrap()) - 4000.0 / 32768.0).abs() < 0.003);
    }

    #[test]
    fn only_a_prompt_that_is_too_loud_is_changed() {
        let clip = |peak: f32| {
            let bytes = wav(1, 8000, 16, SampleFormat::Int, |w| {
                (0..8000).for_each(|n| w.write_sample((sine(n, 8000) * peak * 32767.0) as i16).unwrap())
            });
            Clip::from_wav("x", "en", &bytes).unwrap()
        };
        assert!((peak(&clip(1.0)) - PEAK).abs() < 0.02, "full scale comes down to -3 dBFS");
        assert!((peak(&clip(0.3)) - 0.3).abs() < 0.01, "a quiet one stays quiet");
    }

    #[test]
    fn a_file_in_memory_is_found_by_language_and_id() {
        let bytes = wav(1, 8000, 16, SampleFormat::Int, |w| (0..80).for_each(|_| w.write_sample(0i16).unwrap()));
        let files = [("en/hello.wav", &bytes[..]), ("prompts/zh-CN/hello.wav", &bytes), ("en/README.md", b"no")];
        let library = ClipLibrary::from_files(files).unwrap();
        assert_eq!(library.len(), 2);
        assert_eq!(library.find("zh-CN", "hello").unwrap().duration_ms(), 10);
        assert!(library.find("zh-CN", "bye").is_none() && library.find("fr", "hello").is_none());
    }

    #[test]
    fn every_bad_file_is_named_with_a_remedy() {
        let good = wav(1, 8000, 16, SampleFormat::Int, |w| (0..80).for_each(|_| w.write_sample(0i16).unwrap()));
        let slow = wav(1, 6000, 16, SampleFormat::Int, |w| (0..80).for_each(|_| w.write_sample(0i16).unwrap()));
        let empty = wav(1, 8000, 16, SampleFormat::Int, |_| {});
        let mut alaw = good.clone();
        alaw[20] = 6;
        let files = [
            ("en/a.wav", &b"ID3 this is an mp3"[..]),
            ("en/b.wav", &good[..good.len() - 3]),
            ("en/c.wav", &slow),
            ("en/d.wav", &empty),
            ("en/e\n.wav", &good),
            ("en/f.wav", &alaw),
            ("en/ok.wav", &good),
        ];
        let errors = ClipLibrary::from_files(files).unwrap_err();
        let told: Vec<_> = errors.iter().map(|error| error.to_string()).collect();
        assert_eq!(told.len(), 6, "{told:?}");
        for (text, (name, part)) in told.iter().zip([
            ("en/a.wav", "ffmpeg"),
            ("en/b.wav", "export it again"),
            ("en/c.wav", "6000 samples"),
            ("en/d.wav", "no sound"),
            ("en/e", "letters"),
            ("en/f.wav", "ffmpeg"),
        ]) {
            assert!(text.starts_with(name) && text.contains(part), "{text}");
        }
    }

    #[test]
    fn mutated_files_never_panic() {
        let cases: u64 = std::env::var("HOTLINE_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(3000);
        let seed: u64 = std::env::var("HOTLINE_FUZZ_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0xa0d10);
        let seeds = [
            wav(2, 8000, 16, SampleFormat::Int, |w| (0..64).for_each(|n| w.write_sample(n as i16).unwrap())),
            wav(1, 48000, 32, SampleFormat::Float, |w| (0..64).for_each(|n| w.write_sample(n as f32).unwrap())),
            wav(3, 16000, 24, SampleFormat::Int, |w| (0..63).for_each(|n| w.write_sample(n).unwrap())),
        ];
        let mut state = seed | 1;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below.max(1) as u64) as usize
        };
        for case in 0..cases {
            let mut bytes = seeds[random(seeds.len())].clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len().min(80));
                match random(4) {
                    0 => bytes[at] = random(256) as u8,
                    1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random(5)],
                    2 => bytes.truncate(at + 1),
                    _ => bytes.insert(at, random(256) as u8),
                }
            }
            let loaded = std::panic::catch_unwind(|| Clip::from_wav("x", "en", &bytes).map(|clip| clip.samples()));
            let loaded = loaded.unwrap_or_else(|_| panic!("case {case}, HOTLINE_FUZZ_SEED={seed}: {bytes:02x?}"));
            // IMA ADPCM holds two samples in an octet.
            assert!(loaded.is_err() || loaded.is_ok_and(|samples| samples <= 2 * bytes.len()), "case {case}");
        }
    }

    const FIXTURES: [(&str, &[u8]); 11] = [
        ("alaw.wav", include_bytes!("../../tests/fixtures/audio/alaw.wav")),
        ("ulaw.wav", include_bytes!("../../tests/fixtures/audio/ulaw.wav")),
        ("ima.wav", include_bytes!("../../tests/fixtures/audio/ima.wav")),
        ("tone.mp3", include_bytes!("../../tests/fixtures/audio/tone.mp3")),
        ("tone.flac", include_bytes!("../../tests/fixtures/audio/tone.flac")),
        ("vorbis.ogg", include_bytes!("../../tests/fixtures/audio/vorbis.ogg")),
        ("opus.ogg", include_bytes!("../../tests/fixtures/audio/opus.ogg")),
        ("tone.aiff", include_bytes!("../../tests/fixtures/audio/tone.aiff")),
        ("tone.ul", include_bytes!("../../tests/fixtures/audio/tone.ul")),
        ("tone.al", include_bytes!("../../tests/fixtures/audio/tone.al")),
        ("tone.sln", include_bytes!("../../tests/fixtures/audio/tone.sln")),
    ];

    fn load(name: &str, bytes: &[u8]) -> Result<Clip, ClipFault> {
        Clip::from_file("x", "en", name.rsplit('.').next().unwrap(), bytes)
    }

    #[test]
    fn a_prompt_sounds_the_same_whatever_it_was_exported_as() {
        for (name, bytes) in FIXTURES {
            let clip = load(name, bytes).unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
            assert!((480..=620).contains(&clip.duration_ms()), "{name}: {} ms", clip.duration_ms());
            let sound = heard(&clip);
            let middle = &sound[1000..3000];
            let rms = (middle.iter().map(|x| x * x).sum::<f32>() / 2000.0).sqrt();
            // A sine whose peak is at -17 dBFS.
            let level = 20.0 * rms.log10() + 17.0 + 3.01;
            assert!(level.abs() < 1.0, "{name}: {level:+.2} dB");
            let crossings = middle.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
            assert!((249..=251).contains(&crossings), "{name}: {crossings} periods in a quarter of a second");
        }
    }

    #[test]
    fn what_is_not_read_is_refused_with_what_to_do_about_it() {
        let gsm = include_bytes!("../../tests/fixtures/audio/gsm.wav");
        let refused = [("en/a.wav", &gsm[..]), ("en/b.gsm", b"\xd2"), ("en/c.mp3", b"no sound"), ("en/d.ul", b"")];
        let errors = ClipLibrary::from_files(refused).unwrap_err();
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(told.len() == 4 && told[..3].iter().all(|text| text.contains("ffmpeg -i")), "{told:?}");
        assert!(told[3].contains("holds no sound"), "{told:?}");
        let twice = ClipLibrary::from_files([("en/a.ul", &[0xff; 80][..]), ("en/a.al", &[0xd5; 80])]).unwrap_err();
        assert_eq!(twice[0].to_string(), "en/a.al: is the same prompt as en/a.ul: delete one of them");
    }

    /// Cut and bent files of each form: sound or a fault, never a panic.
    #[test]
    fn a_spoilt_file_of_any_form_is_told_or_played() {
        let mut state = 7u32;
        let mut roll = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below.max(1)
        };
        for (name, bytes) in FIXTURES {
            for case in 0..20 {
                let mut spoilt = bytes.to_vec();
                (0..=case % 8).for_each(|_| {
                    let at = roll(spoilt.len());
                    spoilt[at] = roll(256) as u8;
                });
                if case % 3 == 0 {
                    spoilt.truncate(roll(bytes.len()));
                }
                let loaded = load(name, &spoilt);
                assert!(loaded.is_err() || loaded.is_ok_and(|clip| clip.samples() < 8_000 * 1_200), "{name} {case}");
            }
        }
    }
}
