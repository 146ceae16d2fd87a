//! What the log hears of messages that broke the rules of SIP: the first, and then one line in a while with how many there
//! were, so that a phone that is set up wrongly shows and a flood fills no disk. Nothing of the message itself is written.

use crate::sip::endpoint::Unusable;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Between two lines.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Complaints {
    told: Option<Instant>,
    untold: u64,
}

impl Complaints {
    /// The line to write, if it is time for one.
    pub(super) fn note(&mut self, now: Instant, unusable: &Unusable) -> Option<String> {
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < EVERY) {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        let Unusable { peer, answered, why } = unusable;
        let transport = peer.transport.via_name();
        let mut line = format!("a SIP message from {} by {transport} was ", peer.remote);
        // Writing into a String does not fail.
        let _ = match answered {
            Some(status) => write!(line, "refused with {status}: {why}"),
            None => write!(line, "dropped: {why}"),
        };
        let untold = std::mem::take(&mut self.untold);
        if untold > 0 {
            let _ = write!(line, "; {untold} more since the last such line");
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::peer::Peer;

    #[test]
    fn a_flood_of_broken_messages_is_a_line_in_ten_seconds_with_their_number() {
        let peer = Peer::udp(([192, 0, 2, 1], 5060).into(), ([192, 0, 2, 2], 5060).into());
        let refused = Unusable { peer, answered: Some(400), why: "Bad Via" };
        let dropped = Unusable { peer, answered: None, why: "no Via to answer to" };
        let (mut complaints, start) = (Complaints::default(), Instant::now());
        let first = "a SIP message from 192.0.2.1:5060 by UDP was refused with 400: Bad Via";
        assert_eq!(complaints.note(start, &refused).as_deref(), Some(first));
        for ms in 0..9_999 {
            assert_eq!(complaints.note(start + Duration::from_millis(ms), &refused), None);
        }
        assert_eq!(
            complaints.note(start + EVERY, &dropped).as_deref(),
            Some(
                "a SIP message from 192.0.2.1:5060 by UDP was dropped: no Via to answer to; 9999 more since the last such line"
            )
        );
        assert!(complaints.note(start + 3 * EVERY, &refused).is_some_and(|line| !line.contains("more")));
    }
}
