//! RFC 4475 and RFC 5118: each message, byte for byte, and what the RFC says to do with it.
//!
//! [`reading`] holds the message layer to it; [`wire`] the whole switch: over datagrams, over a stream, and inside a call.
//! [`DEVIATIONS`] lists where the switch does otherwise than the RFC would rather have it.

#[path = "../sim/mod.rs"]
mod sim;

mod reading;
mod wire;

use bytes::Bytes;
use hotline::sip::message::Message;
use std::path::PathBuf;

/// What is done with a message. `Accept` means that the message layer has no objection; a method that is known to nobody or
/// an unknown user is then refused by the layers above (405, 501, 404).
enum Reaction {
    Accept(fn(&Message)),
    /// The status owed.
    Owed(u16),
    Drop,
}
use Reaction::{Accept, Drop, Owed};
use reading::*;

/// Name, first 16 hexadecimal digits of the SHA-256 of the file in RFC 4475's archive, and the reaction.
const RFC_4475: [(&str, &str, Reaction); 49] = [
    // 3.1.1 valid messages
    ("wsinv", "d6f6cdee99cd0a1f", Accept(wsinv)),
    ("intmeth", "b957a8292c1c0a98", Accept(intmeth)),
    ("esc01", "be3a316d4ce5f69c", Accept(esc01)),
    ("escnull", "263fe2ecd12a5ccb", Accept(escnull)),
    ("esc02", "9a9c59449f00327b", Accept(esc02)),
    ("lwsdisp", "d1b36b6316c12824", Accept(lwsdisp)),
    ("longreq", "185739292bc67676", Accept(longreq)),
    ("dblreq", "a6be48426565c2a7", Accept(dblreq)),
    ("semiuri", "87bbaed6b4b354db", Accept(semiuri)),
    ("transports", "33b4553a3b941812", Accept(transports)),
    ("mpart01", "92147c8e24997bac", Accept(mpart01)),
    ("unreason", "4f939d6ebf4817ee", Accept(unreason)),
    ("noreason", "07e11e470a69fffa", Accept(noreason)),
    // 3.1.2 invalid messages
    ("badinv01", "9ee2b88f2e0b5a9e", Owed(400)),
    ("clerr", "d9da629086a38df4", Owed(400)),
    ("ncl", "7ea6538edc1f054f", Owed(400)),
    ("scalar02", "53158177326568e9", Owed(400)),
    ("scalarlg", "0957eca31737e359", Drop),
    ("quotbal", "e61978a2ea359fc6", Owed(400)),
    ("ltgtruri", "bcacb2dc17610e8c", Owed(400)),
    ("lwsruri", "3e22ceeca585ad23", Owed(400)),
    ("lwsstart", "f884e5626c6c5b12", Owed(400)),
    ("trws", "64ae20694026e28c", Owed(400)),
    ("escruri", "c3cf30af13a9d107", Owed(400)),
    ("baddate", "1208a6e3e0c8a8c3", Owed(400)),
    ("regbadct", "575d27530275814c", Owed(400)),
    ("badaspec", "f8f6e2f4247287b0", Owed(400)),
    ("baddn", "4768517cb1c40f60", Owed(400)),
    ("badvers", "037d702d19e934bf", Owed(505)),
    ("mismatch01", "a2c285636e451e75", Owed(400)),
    ("mismatch02", "01b287f9a9c492f7", Owed(501)),
    ("bigcode", "f79450070975da54", Drop),
    // 3.2 transaction layer semantics
    ("badbranch", "cb049c727f16b5ec", Owed(400)),
    // 3.3 application layer semantics
    ("insuf", "1e3efd9f3b238c63", Owed(400)),
    ("unkscm", "81be1a6a566c7ab5", Owed(416)),
    ("novelsc", "9a50a7343fcf685e", Owed(416)),
    ("unksm2", "f6914409ced613ef", Accept(unksm2)),
    ("bext01", "57181987c02c4f57", Owed(420)),
    ("invut", "9b39e824947df46f", Owed(415)),
    ("regaut01", "885ba0488872cfc0", Accept(regaut01)),
    ("multi01", "d156ab12105b4bfd", Owed(400)),
    ("mcl01", "887191619bf003b7", Owed(400)),
    ("bcast", "073637c635971991", Drop),
    ("zeromf", "50954ef47acca4f9", Accept(|message| assert_eq!(message.max_forwards(), Some(Ok(0))))),
    ("cparam01", "dfa6b5cdb289adc6", Accept(cparam01)),
    ("cparam02", "e93574215bd1d804", Accept(cparam02)),
    ("regescrt", "dab4087c133348b0", Accept(regescrt)),
    ("sdp01", "497c5f1ced6c7b57", Owed(406)),
    // 3.4 backward compatibility
    ("inv2543", "76fac8afe22dee49", Accept(inv2543)),
];

/// RFC 5118 section 4. The three with SDP carry a true Content-Length; the RFC's own text gives other numbers there.
const RFC_5118: [(&str, Reaction); 12] = [
    ("ipv6-good", Accept(ipv6_good)),
    ("ipv6-bad", Owed(400)),
    ("port-ambiguous", Accept(port_ambiguous)),
    ("port-unambiguous", Accept(port_unambiguous)),
    ("via-received-param-with-delim", Accept(received_ipv6)),
    ("via-received-param-no-delim", Accept(received_ipv6)),
    ("ipv6-in-sdp", Accept(|message| assert_eq!(message.body().len(), 251))),
    ("mult-ip-in-header", Accept(mult_ip_in_header)),
    ("mult-ip-in-sdp", Accept(|message| assert!(message.body().ends_with(b"H263-1998/90000\r\n")))),
    ("ipv4-mapped-ipv6", Accept(ipv4_mapped)),
    ("ipv6-bug-abnf-3-colons", Accept(colons)),
    ("ipv6-correct-abnf-2-colons", Accept(colons)),
];

/// Where the RFC names two reactions and the switch takes the second: the message, the RFC's first choice, ours, and why.
const DEVIATIONS: [(&str, &str, u16, &str); 1] = [(
    "baddate",
    "RFC 4475 3.1.2.12: fine to refuse, though better not to unless the Date matters",
    400,
    "what starts something new is to be right; a request inside a call is not refused for its Date",
)];

fn fixture(folder: &str, name: &str) -> Bytes {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{folder}/{name}.dat"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into()
}
