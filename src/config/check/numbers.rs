//! Which number leads where, and for whom.

use super::super::raw::{RawNumber, RawTarget};
use super::super::read::At;
use super::super::{Admission, FlowSource, Number, OpenTo, Target, project};
use super::{Check, Names};
use crate::ids::{AgentId, QueueId, TrunkId};
use crate::routing::{NumberPattern, TestNumber};
use std::collections::BTreeMap;

impl Check<'_> {
    pub(super) fn numbers(
        &mut self,
        raw: Vec<RawNumber>,
        names: &Names,
        flows: &FlowSource,
        admission: &Admission,
    ) -> Vec<Number> {
        let mut seen = BTreeMap::new();
        let mut numbers = Vec::new();
        let known_flows = project::flow_names(flows);
        for raw in raw {
            let number = raw.number.value.clone();
            if let Some(pattern) = self.dialled(&raw.number)
                && let Some(line) = seen.insert(pattern, self.line(raw.number.span))
            {
                let message = format!("number `{number}` is there twice, first on line {line}");
                self.error("C155", &raw.number, message, Some("keep one of them".into()));
            }
            if names.agents.contains_key(number.as_str()) {
                let message = format!("`{number}` is an agent's extension, which is dialled as it is");
                self.error("C155", &raw.number, message, Some("take the number away or choose another".into()));
            }
            let open_to = self.open_to(&raw.open_to, names);
            let (class, budget) = (self.class(raw.class.as_ref()), self.budget(raw.budget.as_ref(), admission));
            if let Some(to) = raw.to.as_ref().and_then(|to| self.target(to, names, &known_flows)) {
                numbers.push(Number { number, to, open_to, class, budget });
            }
        }
        numbers
    }

    pub(super) fn dialled(&mut self, at: &At<String>) -> Option<NumberPattern> {
        match at.value.parse::<NumberPattern>() {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let help = "write the digits as they are dialled; a final `*` stands for any further ones";
                self.error("C156", at, format!("`{}`: {error}", at.value.escape_debug()), Some(help.into()));
                None
            }
        }
    }

    fn open_to(&mut self, raw: &[At<String>], names: &Names) -> OpenTo {
        let mut trunks = Vec::new();
        for at in raw {
            let id = TrunkId::new(&at.value);
            match at.value.as_str() {
                "any" => return OpenTo::AnyTrunk,
                _ if names.trunks.contains_key(&id) => trunks.push(id),
                _ => self.missing(at, "trunk", names.trunks.keys().map(TrunkId::as_str).chain(["any"])),
            }
        }
        OpenTo::Trunks(trunks)
    }

    fn target(&mut self, raw: &RawTarget, names: &Names, flows: &[String]) -> Option<Target> {
        match raw {
            RawTarget::Flow(at) => match flows.contains(&at.value) {
                true => return Some(Target::Flow(at.value.clone())),
                false => self.missing(at, "flow", flows.iter().map(String::as_str)),
            },
            RawTarget::Queue(at) => {
                let id = QueueId::new(&at.value);
                match names.queues.contains_key(&id) {
                    true => return Some(Target::Queue(id)),
                    false => self.missing(at, "queue", names.queues.keys().map(QueueId::as_str)),
                }
            }
            RawTarget::Agent(at) => {
                let id = AgentId::new(&at.value);
                match names.agents.contains_key(&id) {
                    true => return Some(Target::Agent(id)),
                    false => self.missing(at, "agent", names.agents.keys().map(AgentId::as_str)),
                }
            }
            RawTarget::Trunk(name, number) => {
                let trunk = TrunkId::new(&name.value);
                let number = number.as_ref().map(|number| number.value.clone());
                if names.trunk_groups.contains_key(&trunk) {
                    return Some(Target::Trunk { trunk, number });
                }
                match names.trunks.get(&trunk) {
                    Some(known) if known.gateway.is_some() => return Some(Target::Trunk { trunk, number }),
                    Some(_) => {
                        let help = format!("give trunk `{trunk}` an `address`");
                        self.error("C157", name, format!("trunk `{trunk}` takes no calls"), Some(help));
                    }
                    None => {
                        let known = names.trunks.keys().chain(names.trunk_groups.keys());
                        self.missing(name, "trunk", known.map(TrunkId::as_str));
                    }
                }
            }
            RawTarget::Test(at) => match TestNumber::ALL.iter().find(|test| test.name() == at.value) {
                Some(test) => return Some(Target::Test(*test)),
                None => self.missing(at, "test number", TestNumber::ALL.iter().map(|test| test.name())),
            },
        }
        None
    }
}
