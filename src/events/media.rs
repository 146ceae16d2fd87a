//! What a leg's media did, how good it was, and what was wrong with it.

use crate::ids::Redacted;
use serde::{Deserialize, Serialize};

/// In what way a key was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    Rfc4733,
    Info,
    /// As tones in the voice.
    Inband,
}

/// What one leg's media did, from our receive side and the peer's RTCP reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaReport {
    pub packets_in: u64,
    pub packets_out: u64,
    pub octets_in: u64,
    pub octets_out: u64,
    /// RTP packets missing from the peer's sequence (RFC 3550 A.3).
    pub lost: u64,
    /// Interarrival jitter in microseconds (RFC 3550 A.8).
    pub jitter_us: u32,
    /// Packets from an address other than the latched one, dropped unheard.
    pub stray: u64,
    /// Datagrams that were not RTP, dropped.
    pub malformed: u64,
    /// Packets of an encrypted leg that were not the peer's: forged, damaged, or sent before; dropped.
    #[serde(default)]
    pub forged: u64,
    /// Fraction lost that the peer last reported of what we sent, in 1/256.
    pub peer_loss_256: u8,
    pub peer_jitter_us: u32,
    pub round_trip_us: Option<u32>,
    /// Packets of ours that by the peer's reports never came.
    #[serde(default)]
    pub peer_lost: u64,
    /// How good what came from the peer was; `None` if nothing came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Quality>,
    /// How good what the peer got of us was; `None` if it has not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Quality>,
    /// What the peer's own meter says of what it got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_metrics: Option<VoipMetrics>,
}

/// One direction of a leg, rated by ITU-T G.107.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Transmission rating, 0 to 93.2.
    pub r: f32,
    /// Estimated mean opinion of people in conversation, 1 to 4.41.
    pub mos: f32,
    /// Fraction of packets that never came, 0 to 1.
    pub loss: f32,
}

/// What a peer measured at its ear (RFC 3611 4.7). `None` = it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VoipMetrics {
    /// Fractions of packets that never came, and that came too late to be played.
    pub loss: f32,
    pub discard: f32,
    /// From its microphone to its ear, without the network.
    pub end_system_delay_ms: u16,
    pub jitter_buffer_ms: u16,
    pub r: Option<u8>,
    pub mos_listening: Option<f32>,
    pub mos_conversation: Option<f32>,
}

/// Something wrong with a leg's media that an operator would otherwise have to find in a packet trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "trouble", rename_all = "snake_case")]
pub enum MediaTrouble {
    /// Nothing has come from the peer since the answer. `one_way`: the other party is heard.
    NoAudio { one_way: bool },
    /// What came has stopped.
    AudioStopped { one_way: bool },
    /// What was missing comes (again), after so long.
    AudioBack { after_ms: u64 },
    /// The peer's SDP names one address, its audio comes from another. `private`: the one named is of a private network.
    WrongAddress { signalled: Redacted<String>, heard: Redacted<String>, private: bool },
    /// By the peer's own reports nothing of ours reaches it.
    NotReceived,
    /// Packets from an address that is not the peer's are dropped unheard; the one that most lately was.
    Strays { from: Redacted<String> },
    /// The handshake that was to give keys has come to nothing, and the leg with it.
    NoKeys { why: NoKeys },
}

/// Why a leg that is encrypted by DTLS-SRTP has no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoKeys {
    /// No connectivity check of the peer has come.
    Unreachable,
    /// Nothing of the handshake has come, or too little.
    Unanswered,
    /// The peer showed another certificate than its description announced.
    Certificate,
    /// The two sides have no cipher or SRTP profile in common, or the peer broke it off.
    Refused,
    /// Too many begin at once.
    Overload,
}

impl MediaTrouble {
    /// The label by which it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoAudio { .. } => "no_audio",
            Self::AudioStopped { .. } => "audio_stopped",
            Self::AudioBack { .. } => "audio_back",
            Self::WrongAddress { .. } => "wrong_address",
            Self::NotReceived => "not_received",
            Self::Strays { .. } => "strays",
            Self::NoKeys { .. } => "no_keys",
        }
    }

    /// What an operator reads, without addresses. `who` is the party: "the caller".
    pub fn words(&self, who: &str) -> String {
        let one_way = |one_way: bool| if one_way { "; the other side is heard: one-way audio" } else { "" };
        match self {
            Self::NoAudio { one_way: half } => format!("no audio from {who} since the answer{}", one_way(*half)),
            Self::AudioStopped { one_way: half } => format!("audio from {who} has stopped{}", one_way(*half)),
            Self::AudioBack { after_ms } => {
                format!("audio from {who} comes after {}.{} s without", after_ms / 1000, after_ms % 1000 / 100)
            }
            Self::WrongAddress { private, .. } => {
                let kind = if *private { "a private address" } else { "an address" };
                format!("{who} announces {kind} from which nothing comes; its audio comes from another")
            }
            Self::NotReceived => format!("{who} reports that nothing of what is sent to it arrives"),
            Self::Strays { .. } => format!("packets for {who} come from a third address and are dropped"),
            Self::NoKeys { why } => {
                let why = match why {
                    NoKeys::Unreachable => "none of its connectivity checks has come",
                    NoKeys::Unanswered => "its handshake did not complete within 15 s",
                    NoKeys::Certificate => "it showed another certificate than its description announced",
                    NoKeys::Refused => "the handshake broke off",
                    NoKeys::Overload => "too many handshakes begin at once",
                };
                format!("no keys for the audio of {who}: {why}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_written_before_quality_was_measured_can_be_read() {
        let old = r#"{"packets_in":1,"packets_out":2,"octets_in":3,"octets_out":4,"lost":5,"jitter_us":6,"stray":7,
            "malformed":8,"peer_loss_256":9,"peer_jitter_us":10,"round_trip_us":null}"#;
        let report: MediaReport = serde_json::from_str(old).expect("a report");
        assert_eq!((report.lost, report.heard, report.sent), (5, None, None));
    }

    #[test]
    fn trouble_is_told_in_words_without_addresses() {
        let address = || Redacted::new("10.9.8.7:4000".to_owned());
        let wrong = MediaTrouble::WrongAddress { signalled: address(), heard: address(), private: true };
        assert!(wrong.words("the caller").starts_with("the caller announces a private address from which nothing"));
        assert!(!format!("{wrong:?}").contains("10.9.8"));
        let back = MediaTrouble::AudioBack { after_ms: 7_250 };
        assert_eq!(back.words("agent 1001"), "audio from agent 1001 comes after 7.2 s without");
    }
}
