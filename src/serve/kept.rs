//! Registrations between the switch and the store, as JSON, and which of them a start can use.

use crate::config::Listen;
use crate::store::KeptValue;
use crate::switch::{KeptContact, KeptExtension};

/// `None` when there is nothing to keep.
pub(super) fn written(extension: &KeptExtension) -> Option<String> {
    let something = !extension.contacts.is_empty();
    something.then(|| serde_json::to_string(extension).ok()).flatten()
}

/// What can be read of what was kept, and reached from the sockets that there are now.
pub(super) fn read(kept: Vec<KeptValue>, listen: &Listen) -> Vec<KeptExtension> {
    let extensions = kept.into_iter().map(|(id, json)| {
        let unreadable = || KeptExtension { id: id.as_str().into(), contacts: Vec::new() };
        let mut extension: KeptExtension = serde_json::from_str(&json).unwrap_or_else(|_| unreadable());
        extension.contacts.retain(|contact| is_served(contact, listen));
        extension
    });
    extensions.collect()
}

fn is_served(contact: &KeptContact, listen: &Listen) -> bool {
    listen.sip_udp.is_some_and(|own| {
        let any = own.ip().is_unspecified() && own.is_ipv4() == contact.local.is_ipv4();
        own.port() == contact.local.port() && (any || own.ip() == contact.local.ip())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, DemoEnv};

    fn contact(local: &str) -> KeptContact {
        KeptContact {
            contact: "sip:1001@192.0.2.7".into(),
            remote: "192.0.2.7:5060".parse().unwrap(),
            local: local.parse().unwrap(),
            q: 1_000,
            until: 1,
            instance: None,
            reg_id: None,
            path: Vec::new(),
            keep_alive: true,
            call_id: "a".into(),
            cseq: 1,
        }
    }

    #[test]
    fn only_what_a_socket_of_ours_still_leads_to_is_taken_back() {
        let folder = crate::test_folder::TestFolder::new("kept");
        let demo = Config::demo(DemoEnv { state_dir: folder.to_path_buf(), ..DemoEnv::default() }).unwrap();
        let mut listen = demo.config.listen;
        listen.sip_udp = Some("0.0.0.0:5060".parse().unwrap());
        let contacts = ["192.0.2.1:5060", "192.0.2.1:5070", "[::1]:5060"].map(contact).to_vec();
        let kept = KeptExtension { id: "1001".into(), contacts };
        let json = written(&kept).unwrap();
        let read_back = read(vec![("1001".into(), json), ("1002".into(), "{".into())], &listen);
        assert_eq!(read_back[0].contacts, [contact("192.0.2.1:5060")]);
        assert_eq!(read_back[1], KeptExtension { id: "1002".into(), contacts: Vec::new() });
        assert_eq!(written(&read_back[1]), None);
    }
}
