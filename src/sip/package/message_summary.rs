//! `application/simple-message-summary` (RFC 3842): whether a mailbox has something new, for the lamp of its phone.

/// How many messages of each kind a mailbox holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    pub new: u32,
    pub old: u32,
    pub new_urgent: u32,
    pub old_urgent: u32,
}

pub fn body(account: &str, counts: MessageCounts) -> String {
    let MessageCounts { new, old, new_urgent, old_urgent } = counts;
    let waiting = if new > 0 { "yes" } else { "no" };
    let account: String = account.chars().filter(|c| !c.is_control()).collect();
    format!(
        "Messages-Waiting: {waiting}\r\nMessage-Account: {account}\r\n\
         Voice-Message: {new}/{old} ({new_urgent}/{old_urgent})\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lamp_is_lit_for_new_messages_only() {
        let counts = MessageCounts { new: 2, old: 8, new_urgent: 0, old_urgent: 2 };
        assert_eq!(
            body("sip:1001@pbx", counts),
            "Messages-Waiting: yes\r\nMessage-Account: sip:1001@pbx\r\nVoice-Message: 2/8 (0/2)\r\n"
        );
        let read = body("sip:1001@pbx", MessageCounts { old: 8, ..MessageCounts::default() });
        assert!(read.starts_with("Messages-Waiting: no\r\n"));
    }
}
