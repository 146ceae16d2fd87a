//! Why a description cannot be used, with the SIP status and the warning (RFC 3261 20.43) that tell the peer.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SdpError {
    /// Larger than [`super::MAX_BYTES`].
    TooLong,
    /// Not a session description; the text says what is wrong.
    Syntax(&'static str),
    /// No `m=audio` with a port: video or fax only, or every stream refused.
    NoAudio,
    /// Fax is offered, and the other party of the call does not take it.
    NoFax,
    /// Audio is offered over a transport not spoken here, or turned off.
    Transport,
    /// Audio is offered in the clear, and this leg's must be encrypted.
    Unprotected,
    /// SRTP without a key that can be used: another suite, or parameters not spoken here.
    NoCommonCrypto,
    /// Keys were to come from a handshake, and nothing says with whom: no fingerprint, or by an unknown hash only.
    NoFingerprint,
    /// Audio is offered, but in no codec spoken here.
    NoCommonCodec,
    /// The address is a host name. Names are not looked up.
    AddressIsName,
    /// The address is of a family that this leg's socket does not have.
    AddressFamily,
    /// The address is not that of one peer.
    NotUnicast,
    /// Audio, but no `c=` says where to send it.
    NoAddress,
    /// An answer that no offer of ours asked for.
    AnswerWithoutOffer,
}

impl SdpError {
    /// The status owed when this was found in an offer (RFC 3261 21.4.1, 21.4.26).
    pub const fn status(self) -> u16 {
        match self {
            SdpError::TooLong | SdpError::Syntax(_) | SdpError::NoAddress | SdpError::AnswerWithoutOffer => 400,
            SdpError::NoAudio
            | SdpError::NoFax
            | SdpError::Transport
            | SdpError::Unprotected
            | SdpError::NoCommonCrypto
            | SdpError::NoFingerprint
            | SdpError::NoCommonCodec
            | SdpError::AddressIsName
            | SdpError::AddressFamily
            | SdpError::NotUnicast => 488,
        }
    }

    /// Code and text for a `Warning` header.
    pub const fn warning(self) -> (u16, &'static str) {
        match self {
            SdpError::TooLong => (399, "Session description longer than 16384 bytes"),
            SdpError::Syntax(what) => (399, what),
            SdpError::NoAudio => (304, "No audio stream offered"),
            SdpError::NoFax => (304, "The other party takes no T.38: send the fax as audio in G.711"),
            SdpError::Transport => (302, "Audio must be offered as RTP/AVP"),
            SdpError::Unprotected => (302, "Audio must be encrypted here: offer RTP/SAVP with a=crypto, or DTLS-SRTP"),
            SdpError::NoCommonCrypto => {
                (302, "SRTP needs a=crypto with AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32 or AEAD_AES_128_GCM")
            }
            SdpError::NoFingerprint => {
                (302, "DTLS-SRTP needs UDP/TLS/RTP/SAVPF with a=fingerprint by sha-256, sha-384, sha-512 or sha-1")
            }
            SdpError::NoCommonCodec => (305, "Offer PCMA, PCMU, G722 or opus/48000/2"),
            SdpError::AddressIsName => (301, "Use an IP address in c=, host names are not looked up"),
            SdpError::AddressFamily => (300, "Address family not available here"),
            SdpError::NotUnicast => (301, "Use a unicast address in c="),
            SdpError::NoAddress => (399, "No c= line for the audio stream"),
            SdpError::AnswerWithoutOffer => (399, "Session description was not asked for"),
        }
    }
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.warning().1)
    }
}

impl std::error::Error for SdpError {}
