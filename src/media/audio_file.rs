//! Audio files to sound, whatever they were exported as: compressed WAV, MP3, FLAC, Ogg with Vorbis or Opus, AIFF, and the
//! headerless files of telephone systems, known by their names. The one file that names symphonia; plain WAV is hound's.

use super::codec::Law;
use super::codec::opus;
use super::prompts::{ClipFault, MAX_SECONDS};
use std::io::Cursor;
use std::panic::catch_unwind;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

/// How the names of files end that are read.
pub const READ: [&str; 12] = ["wav", "mp3", "flac", "ogg", "oga", "opus", "aiff", "aif", "ul", "al", "sln", "raw"];
/// How those end that somebody may take for readable.
pub(super) const REFUSED: [&str; 9] = ["aac", "ac3", "amr", "g722", "g729", "gsm", "m4a", "mp4", "wma"];

/// Of the headerless files, and of what the Opus decoder is asked for.
const RAW_RATE: u32 = 8_000;
const OPUS_RATE: u32 = 16_000;
/// Samples of the longest Opus packet (RFC 6716 2.1.4) at that rate.
const OPUS_PACKET: usize = 1_920;

/// One channel, full scale 1.
#[derive(Debug)]
pub(super) struct Sound {
    pub mono: Vec<f32>,
    pub rate: u32,
}

/// Reads a file by the end of its name.
pub(super) fn read(extension: &str, bytes: &[u8]) -> Result<Sound, ClipFault> {
    let raw = |mono: Vec<f32>| Ok(Sound { mono, rate: RAW_RATE });
    let law = |law: Law| bytes.iter().map(|&octet| f32::from(law.linear(octet)) / 32_768.0).collect();
    let sound = match extension {
        "ul" => raw(law(Law::Mu)),
        "al" => raw(law(Law::A)),
        "sln" | "raw" => {
            raw(bytes.as_chunks().0.iter().map(|pair| f32::from(i16::from_le_bytes(*pair)) / 32_768.0).collect())
        }
        // The outside reader is kept from ending the process with a file that an admin was sent.
        extension => catch_unwind(|| demux(extension, bytes))
            .unwrap_or_else(|_| Err(ClipFault::Format("it is broken in a way that its reader does not bear".into()))),
    }?;
    match sound.mono.len() as u64 {
        0 => Err(ClipFault::Empty),
        length if length > MAX_SECONDS * u64::from(sound.rate) => Err(ClipFault::TooLong),
        _ => Ok(sound),
    }
}

fn demux(extension: &str, bytes: &[u8]) -> Result<Sound, ClipFault> {
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let mut hint = Hint::new();
    hint.with_extension(extension);
    let mut format = symphonia::default::get_probe()
        .probe(&hint, source, FormatOptions::default(), MetadataOptions::default())
        .map_err(fault)?;
    let nothing = || ClipFault::Format("there is no sound in it".into());
    let track = format.default_track(TrackType::Audio).ok_or_else(nothing)?;
    let (id, delay) = (track.id, track.delay.unwrap_or(0));
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio()).ok_or_else(nothing)?.clone();
    match parameters.codec == CODEC_ID_OPUS {
        true => opus(&mut *format, id, delay),
        false => decode(&mut *format, id, &parameters),
    }
}

fn decode(format: &mut dyn FormatReader, track: u32, parameters: &AudioCodecParameters) -> Result<Sound, ClipFault> {
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(fault)?;
    let mut sound = Sound { mono: Vec::new(), rate: 0 };
    let mut samples: Vec<f32> = Vec::new();
    while let Some(packet) = next(format, track)? {
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            // A packet that is spoilt costs its own sound only.
            Err(Error::DecodeError(_)) => continue,
            Err(error) => return Err(fault(error)),
        };
        let spec = decoded.spec();
        let (rate, channels) = (spec.rate(), spec.channels().count().max(1));
        if sound.rate == 0 {
            sound.rate = rate;
        }
        if rate != sound.rate {
            return Err(ClipFault::Format("its sample rate changes".into()));
        }
        decoded.copy_to_vec_interleaved(&mut samples);
        let frames = samples.chunks_exact(channels);
        // What is no number, or out of all bounds, counts as its limit.
        let mean =
            |frame: &[f32]| frame.iter().map(|s| if s.is_finite() { s.clamp(-4.0, 4.0) } else { 0.0 }).sum::<f32>();
        sound.mono.extend(frames.map(|frame| mean(frame) / channels as f32));
        if sound.mono.len() as u64 > MAX_SECONDS * u64::from(sound.rate) {
            return Err(ClipFault::TooLong);
        }
    }
    match sound.rate {
        0 => Err(ClipFault::Empty),
        8_000..=384_000 => Ok(sound),
        rate => Err(ClipFault::Rate(rate)),
    }
}

/// Ogg Opus (RFC 7845), with the decoder that calls have. `delay`: what the decoder needs to settle, at 48 kHz.
fn opus(format: &mut dyn FormatReader, track: u32, delay: u32) -> Result<Sound, ClipFault> {
    let mut decoder = opus::Decoder::new().ok_or_else(|| ClipFault::Format("it needs an Opus decoder".into()))?;
    let mut mono = Vec::new();
    let mut pcm = [0; OPUS_PACKET];
    while let Some(packet) = next(format, track)? {
        let length = decoder.decode(&packet.data, &mut pcm);
        mono.extend(pcm.iter().take(length).map(|&sample| f32::from(sample) / 32_768.0));
        if mono.len() as u64 > MAX_SECONDS * u64::from(OPUS_RATE) {
            return Err(ClipFault::TooLong);
        }
    }
    mono.drain(..mono.len().min(delay as usize / 3));
    Ok(Sound { mono, rate: OPUS_RATE })
}

/// The next packet of the track; `None` at the end, which is also where another stream begins.
fn next(format: &mut dyn FormatReader, track: u32) -> Result<Option<symphonia::core::packet::Packet>, ClipFault> {
    loop {
        match format.next_packet() {
            Ok(Some(packet)) if packet.track_id == track => return Ok(Some(packet)),
            Ok(Some(_)) => {}
            Ok(None) | Err(Error::ResetRequired) => return Ok(None),
            Err(error) => return Err(fault(error)),
        }
    }
}

fn fault(error: Error) -> ClipFault {
    match error {
        Error::IoError(_) => ClipFault::Cut,
        error => ClipFault::Format(error.to_string()),
    }
}
