//! Registrations between the switch and the store, as JSON, and which of them a start can use.

use crate::config::Listen;
use crate::ids::{AgentId, ProjectId};
use crate::store::KeptValue;
use crate::switch::{KeptContact, KeptExtension, KeptWrapUp, RememberedLanguage};
use std::collections::BTreeSet;

/// `None` when there is nothing to keep.
pub(super) fn written(extension: &KeptExtension) -> Option<String> {
    let something = !extension.contacts.is_empty();
    something.then(|| serde_json::to_string(extension).ok()).flatten()
}

/// Where the switches are kept. No extension has a `/` in its name.
pub(super) const SWITCHES: &str = "live/switches";

pub(super) fn written_switches(on: &BTreeSet<String>) -> Option<String> {
    (!on.is_empty()).then(|| serde_json::to_string(on).ok()).flatten()
}

/// Takes the switches that were on out of what was kept.
pub(super) fn switches(kept: &mut Vec<KeptValue>) -> BTreeSet<String> {
    let place = kept.iter().position(|(name, _)| name == SWITCHES);
    let json = place.map(|place| kept.remove(place).1).unwrap_or_default();
    serde_json::from_str(&json).unwrap_or_default()
}

const PAUSE: &str = "pause/";

/// Where an agent's pause is kept; its value is the reason.
pub(super) fn name_of_pause(agent: &AgentId) -> String {
    format!("{PAUSE}{agent}")
}

/// Takes the pauses of agents out of what was kept.
pub(super) fn pauses(kept: &mut Vec<KeptValue>) -> Vec<(AgentId, String)> {
    of_agents(kept, PAUSE)
}

const WRAP_UP: &str = "wrapup/";

pub(super) fn name_of_wrap_up(agent: &AgentId) -> String {
    format!("{WRAP_UP}{agent}")
}

/// Takes the wrap-ups of agents out of what was kept.
pub(super) fn wrap_ups(kept: &mut Vec<KeptValue>) -> Vec<(AgentId, KeptWrapUp)> {
    let read = |(agent, json): (AgentId, String)| Some((agent, serde_json::from_str(&json).ok()?));
    of_agents(kept, WRAP_UP).into_iter().filter_map(read).collect()
}

fn of_agents(kept: &mut Vec<KeptValue>, folder: &str) -> Vec<(AgentId, String)> {
    let (own, others): (Vec<KeptValue>, _) =
        std::mem::take(kept).into_iter().partition(|(name, _)| name.starts_with(folder));
    *kept = others;
    own.into_iter().map(|(name, value)| (AgentId::new(name.trim_start_matches(folder)), value)).collect()
}

const TIER: &str = "tier/";

/// The name and value of a tier that was set by hand.
pub(super) fn written_tier(project: &ProjectId, tier: Option<u8>) -> (String, Option<String>) {
    (format!("{TIER}{project}"), tier.map(|tier| tier.to_string()))
}

/// Takes the tiers that were set by hand out of what was kept.
pub(super) fn tiers(kept: &mut Vec<KeptValue>) -> Vec<(ProjectId, u8)> {
    let mut tiers = Vec::new();
    kept.retain(|(name, value)| {
        let Some(project) = name.strip_prefix(TIER) else { return true };
        tiers.extend(value.parse().ok().map(|tier| (ProjectId::new(project), tier)));
        false
    });
    tiers
}

const LANGUAGE: &str = "lang/";

/// The name and value of a caller's language.
pub(super) fn written_language(choice: &RememberedLanguage) -> (String, Option<String>) {
    (format!("{LANGUAGE}{}", choice.caller), Some(format!("{} {}", choice.until, choice.lang)))
}

/// Takes the languages of callers out of what was kept.
pub(super) fn languages(kept: &mut Vec<KeptValue>) -> Vec<RememberedLanguage> {
    let mut choices = Vec::new();
    kept.retain(|(name, value)| {
        let Some(caller) = name.strip_prefix(LANGUAGE) else { return true };
        if let Some((until, lang)) = value.split_once(' ')
            && let Ok(until) = until.parse()
        {
            choices.push(RememberedLanguage { caller: caller.into(), lang: lang.into(), until });
        }
        false
    });
    choices
}

/// What can be read of what was kept, and reached from the sockets that there are now.
pub(super) fn read(kept: Vec<KeptValue>, listen: &Listen) -> Vec<KeptExtension> {
    let extensions = kept.into_iter().map(|(id, json)| {
        let unreadable = || KeptExtension { id: id.as_str().into(), contacts: Vec::new(), password: None };
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

    #[test]
    fn switches_that_were_on_are_on_after_a_restart_and_are_no_extension() {
        let on: BTreeSet<String> = ["storm".to_string()].into();
        let mut kept =
            vec![("1001".to_string(), "{}".to_string()), (SWITCHES.to_string(), written_switches(&on).unwrap())];
        assert_eq!(switches(&mut kept), on);
        assert_eq!((kept.len(), written_switches(&BTreeSet::new())), (1, None));
        assert!(switches(&mut vec![(SWITCHES.to_string(), "broken".to_string())]).is_empty());
    }

    #[test]
    fn a_tier_set_by_hand_holds_after_a_restart_until_it_is_taken_back() {
        let power = ProjectId::new("power");
        let (name, value) = written_tier(&power, Some(2));
        let mut kept =
            vec![("1001".into(), "{}".into()), (name.clone(), value.unwrap()), ("tier/gas".into(), "x".into())];
        assert_eq!(tiers(&mut kept), [(power.clone(), 2)]);
        assert_eq!((kept.len(), written_tier(&power, None)), (1, (name, None)));
    }

    #[test]
    fn a_callers_language_is_known_after_a_restart() {
        let choice = RememberedLanguage { caller: "13800138000".into(), lang: "en".into(), until: 7 };
        let (name, value) = written_language(&choice);
        let mut kept = vec![("1001".into(), "{}".into()), (name, value.unwrap()), ("lang/139".into(), "broken".into())];
        assert_eq!(languages(&mut kept), [choice]);
        assert_eq!(kept.len(), 1);
    }

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
        let kept = KeptExtension { id: "1001".into(), contacts, password: None };
        let json = written(&kept).unwrap();
        let read_back = read(vec![("1001".into(), json), ("1002".into(), "{".into())], &listen);
        assert_eq!(read_back[0].contacts, [contact("192.0.2.1:5060")]);
        assert_eq!(read_back[1], KeptExtension { id: "1002".into(), contacts: Vec::new(), password: None });
        assert_eq!(written(&read_back[1]), None);
    }
}
