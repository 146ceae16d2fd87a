//! `queue`: the caller waits for an agent, hears music and now and then the place in the queue, and talks. What the queue
//! decides comes as events; this step only sees to it that the caller is never left without sound or end.

use super::offer::{self, Offer, Turn};
use super::{Exit, Fact, Lower, Refers, Step, Verb};
use crate::events::Cause;
use crate::ivr::bundle::Bundle;
use crate::ivr::lower::{Fields, name, names};
use crate::ivr::run::state::{Offered, QueueView, QueueWait, Wait};
use crate::ivr::run::{Next, Run};
use crate::ivr::settings::{Group, Shape, optional, required};
use crate::ivr::source::Name;
use crate::ivr::wire::{Action, Event, QueueEnd, QueueEvent};
use crate::ivr::yaml::Node;

/// A wait that nobody limited.
const MAX_WAIT_MS: u64 = 30 * 60_000;
/// The queue ends a wait by itself, or lets a phone that rings at its end ring for up to two minutes more; should it fail
/// to, this much later the caller goes on.
const GUARD_MS: u64 = 150_000;
/// The first announcement: late enough to spare those who are answered at once.
const FIRST_ANNOUNCE_MS: u64 = 3_000;
const DEFAULT_PRIORITY: u8 = 5;
/// Callers of this priority are in danger.
const EMERGENCY: u8 = 9;
const DEFAULT_MUSIC: &str = "default";

#[derive(Debug)]
struct Queue {
    to: Name,
    skills: Vec<Name>,
    priority: u8,
    max_wait_ms: u64,
    announce: Announce,
    callback: Option<Offer>,
    not_answered: Option<Name>,
    timeout: Option<Name>,
    full: Option<Name>,
    closed: Option<Name>,
    no_agents: Option<Name>,
    after_call: Option<Name>,
}

#[derive(Debug, Default)]
struct Announce {
    every_ms: Option<u64>,
    /// Said to the caller with nobody ahead.
    next: Vec<Name>,
    position: Vec<Name>,
    wait: Vec<Name>,
    /// Said once to a caller whose agent's phone was lost.
    lost: Vec<Name>,
    music: Option<Name>,
}

pub(super) const VERB: Verb = Verb {
    name: "queue",
    help: "The caller waits for an agent, with music, and talks.",
    shape: Shape::Group(&SETTINGS),
    outcomes: &["timeout", "full", "closed", "no_agents", "callback", "after_call"],
    example: "- queue: {to: service, announce: {every: 45s, next: you_are_next, position: you_are_number}, not_answered: bye}\n- queue: {to: service, callback: {offer_after: 2m, key: 1, say: offer_callback, taken: bye}, not_answered: bye}",
    lower,
};

const SETTINGS: Group = Group {
    what: "`queue`",
    settings: &[
        required("to", Shape::Name, "a queue of `hotline.yaml`"),
        optional(
            "skills",
            Shape::Names,
            "what the agent must be able to do; `lang` stands for the language that the caller chose",
        ),
        optional("priority", Shape::Number(0, 9), "higher is served first").or("5"),
        optional("max_wait", Shape::Time("`max_wait`", 1_000, 4 * 3_600_000), "the longest wait").or("30m"),
        optional("announce", Shape::Group(&ANNOUNCE), "what the caller hears meanwhile"),
        optional("callback", Shape::Group(&offer::SETTINGS), "an offer to call back, for callers with a number"),
        optional("not_answered", Shape::Section, "where to go when no agent takes the call; covers the four below"),
        optional("timeout", Shape::Section, "where to go after the longest wait"),
        optional("full", Shape::Section, "where to go when the queue is full"),
        optional("closed", Shape::Section, "where to go when the queue is closed"),
        optional(
            "no_agents",
            Shape::Section,
            "where to go when nobody is logged in; with it named, the caller does not wait for one",
        ),
        optional("after_call", Shape::Section, "where to go when the agent hangs up first"),
    ],
};

const ANNOUNCE: Group = Group {
    what: "`announce`",
    settings: &[
        optional("every", Shape::Time("`every`", 10_000, 600_000), "how often to tell"),
        optional("next", Shape::Prompts, "for the caller with nobody ahead"),
        optional("position", Shape::Prompts, "for those behind"),
        optional("wait", Shape::Prompts, "how long it may take, after the position"),
        optional("lost", Shape::Prompts, "once for a caller whose agent's phone was lost; two beeps unless told"),
        optional("music", Shape::Name, "a recording's name"),
    ],
};

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let mut fields = Fields::of(node, &SETTINGS, lower.diags)?;
    let to = fields.need("to", lower.diags).and_then(|node| name(node, "a queue", lower.diags));
    let skills = fields.take("skills").map(|node| names(node, "a skill", lower.diags)).unwrap_or_default();
    let priority = fields.number("priority", lower.diags);
    let max_wait = fields.time("max_wait", lower.diags);
    let announce = fields.take("announce").and_then(|node| lower_announce(node, lower)).unwrap_or_default();
    let callback = fields.take("callback").and_then(|node| offer::lower(node, lower));
    let mut sections = ["not_answered", "timeout", "full", "closed", "no_agents", "after_call"]
        .map(|key| lower.optional_section(&mut fields, key))
        .into_iter();
    let mut section = || sections.next().flatten();
    let queue = Queue {
        to: to?,
        skills,
        priority: priority.map_or(DEFAULT_PRIORITY, |p| p as u8),
        max_wait_ms: max_wait.unwrap_or(MAX_WAIT_MS),
        announce,
        callback,
        not_answered: section()?,
        timeout: section()?,
        full: section()?,
        closed: section()?,
        no_agents: section()?,
        after_call: section()?,
    };
    let each_said = [&queue.timeout, &queue.full, &queue.closed, &queue.no_agents].iter().all(|s| s.is_some());
    if queue.not_answered.is_none() && !each_said {
        let hint = "add `not_answered: <section>`; it covers timeout, full, closed and no_agents";
        lower.diags.error_hint("E212", fields.span, "nothing is said for when no agent answers", hint);
    }
    fields.finish(lower.diags);
    Some(Box::new(queue))
}

fn lower_announce(node: &Node, lower: &mut Lower) -> Option<Announce> {
    let mut fields = Fields::of(node, &ANNOUNCE, lower.diags)?;
    let every_ms = fields.time("every", lower.diags);
    let mut prompts = |key| fields.take(key).map(|node| lower.prompts(node)).unwrap_or_default();
    let (next, position, wait, lost) = (prompts("next"), prompts("position"), prompts("wait"), prompts("lost"));
    let music = fields.take("music").and_then(|node| name(node, "a piece of music", lower.diags));
    fields.finish(lower.diags);
    Some(Announce { every_ms, next, position, wait, lost, music })
}

impl Queue {
    fn section_of(&self, end: QueueEnd) -> Option<&Name> {
        let own = match end {
            QueueEnd::Timeout => &self.timeout,
            QueueEnd::Full => &self.full,
            QueueEnd::Closed => &self.closed,
            QueueEnd::NoAgents => &self.no_agents,
        };
        own.as_ref().or(self.not_answered.as_ref())
    }

    fn has_announcements(&self) -> bool {
        let announce = &self.announce;
        announce.every_ms.is_some()
            && !(announce.next.is_empty() && announce.position.is_empty() && announce.wait.is_empty())
    }

    /// The caller waits (again): music, and the timers of this wait.
    fn wait(&self, run: &mut Run, id: u32) -> Next {
        let music = self.announce.music.as_ref().map_or(DEFAULT_MUSIC, |name| name.text.as_str());
        run.act(Action::Music { on: Some(music.to_string()) });
        let guard = run.timer(self.max_wait_ms + GUARD_MS);
        let announce = self.has_announcements().then(|| run.timer(FIRST_ANNOUNCE_MS));
        let offer = self.callback.as_ref().map_or(Offered::Not, |offer| offer.begin(run));
        run.state.wait = Wait::Queue(QueueWait { id, guard, announce, offer, playing: None });
        Next::Stay
    }

    /// The agent's phone was lost.
    fn wait_again(&self, run: &mut Run, id: u32) -> Next {
        let next = self.wait(run, id);
        let playing = run.play(&self.announce.lost, false);
        if let Wait::Queue(wait) = &mut run.state.wait {
            wait.playing = playing;
        }
        next
    }

    fn ended(&self, run: &mut Run, end: QueueEnd) -> Next {
        run.clock_start();
        match self.section_of(end) {
            Some(section) => Next::Go(end.name().into(), section.text.clone()),
            None => Next::WayOut("no_target"),
        }
    }

    fn announce(&self, run: &mut Run, mut wait: QueueWait) -> Next {
        let QueueView { ahead, .. } = run.state.queue;
        let mut prompts = match ahead {
            None => Vec::new(),
            Some(0) => self.announce.next.clone(),
            Some(_) => [self.announce.position.as_slice(), self.announce.wait.as_slice()].concat(),
        };
        if wait.offer == Offered::Made {
            prompts.extend(self.callback.iter().flat_map(|offer| offer.say.clone()));
        }
        wait.playing = run.play(&prompts, false);
        wait.announce = self.announce.every_ms.map(|every| run.timer(every));
        run.state.wait = Wait::Queue(wait);
        Next::Stay
    }
}

impl Step for Queue {
    fn verb(&self) -> &'static str {
        "queue"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.push(Fact::Refers(Refers::Queue, &self.to));
        out.extend(self.skills.iter().map(|skill| Fact::Refers(Refers::Skill, skill)));
        if self.priority == EMERGENCY {
            out.push(Fact::Urgent);
        }
        let announce = &self.announce;
        out.extend(announce.music.iter().map(Fact::Music));
        let offers = self.callback.iter().flat_map(|offer| &offer.say);
        let said = [&announce.next, &announce.position, &announce.wait, &announce.lost];
        out.extend(said.into_iter().flatten().chain(offers).map(Fact::PlaysInQueue));
        out.extend(self.callback.iter().map(|offer| Exit::to("taken", &offer.taken, true)));
        for end in [QueueEnd::Timeout, QueueEnd::Full, QueueEnd::Closed, QueueEnd::NoAgents] {
            // A full or closed queue answers at once.
            let passes = end == QueueEnd::Timeout;
            out.extend(self.section_of(end).map(|section| Exit::to(end.name(), section, passes)));
        }
        out.extend(self.after_call.iter().map(|section| Exit::to("after_call", section, true)));
        out.push(Fact::Ends);
    }

    fn enter(&self, run: &mut Run) -> Next {
        run.state.books.sent_to(self.priority);
        run.clear_typed();
        run.clock_stop();
        run.state.queue = QueueView::default();
        let id = run.fresh_id();
        // `lang` stands for the language that the caller chose.
        let skill = |name: &Name| if name.text == "lang" { run.state.lang.clone() } else { name.text.clone() };
        let skills = self.skills.iter().map(skill).collect();
        let next = self.wait(run, id);
        // Asked last: the queue may answer at once.
        run.act(Action::Enqueue {
            id,
            queue: self.to.text.clone(),
            skills,
            priority: self.priority,
            max_wait_ms: self.max_wait_ms,
            leave_when_empty: self.no_agents.is_some(),
        });
        next
    }

    /// The key that takes the offer of a call back.
    fn entry(&self) -> Option<String> {
        self.callback.as_ref().map(|offer| offer.key.to_string())
    }

    fn event(&self, run: &mut Run, ev: &Event) -> Next {
        match std::mem::replace(&mut run.state.wait, Wait::Nothing) {
            Wait::Queue(wait) => self.waiting(run, wait, ev),
            Wait::Talk { queue: Some(id) } => self.talking(run, id, ev),
            other => {
                run.state.wait = other;
                Next::Stay
            }
        }
    }
}

impl Queue {
    fn waiting(&self, run: &mut Run, mut wait: QueueWait, ev: &Event) -> Next {
        if let Some(offer) = &self.callback {
            match offer.event(run, &mut wait, &self.to, ev) {
                Turn::Other => {}
                Turn::Say => {
                    wait.playing.take().into_iter().for_each(|playing| run.stop(&playing));
                    wait.playing = run.play(&offer.say, false);
                    run.state.wait = Wait::Queue(wait);
                    return Next::Stay;
                }
                Turn::Seen => {
                    run.state.wait = Wait::Queue(wait);
                    return Next::Stay;
                }
                Turn::Taken => {
                    run.act(Action::Dequeue { id: wait.id });
                    silence(run, &wait);
                    run.clock_start();
                    return Next::Go("callback".into(), offer.taken.text.clone());
                }
            }
        }
        match ev {
            Event::Key(_) => run.drop_keys(1),
            Event::Queue { id, event } if *id == wait.id => match event {
                QueueEvent::Position { ahead, wait_s } => {
                    run.state.queue = QueueView { ahead: Some(*ahead), wait_s: *wait_s };
                }
                QueueEvent::Back => {}
                QueueEvent::Answered => {
                    silence(run, &wait);
                    run.state.wait = Wait::Talk { queue: Some(wait.id) };
                    return Next::Stay;
                }
                QueueEvent::Ended(end) => {
                    silence(run, &wait);
                    return self.ended(run, *end);
                }
            },
            Event::Timer { id } if *id == wait.guard => {
                run.act(Action::Dequeue { id: wait.id });
                silence(run, &wait);
                return self.ended(run, QueueEnd::Timeout);
            }
            Event::Timer { id } if Some(*id) == wait.announce => return self.announce(run, wait),
            Event::PlayDone { id, .. } if wait.playing.as_ref().is_some_and(|p| p.id == *id) => {
                wait.playing.take().into_iter().for_each(|playing| run.clear(playing.guard));
            }
            Event::Timer { id } if wait.playing.as_ref().is_some_and(|p| p.guard == *id) => {
                wait.playing.take().into_iter().for_each(|playing| run.stop(&playing));
            }
            _ => {}
        }
        run.state.wait = Wait::Queue(wait);
        Next::Stay
    }

    fn talking(&self, run: &mut Run, id: u32, ev: &Event) -> Next {
        match ev {
            Event::Queue { id: of, event: QueueEvent::Back } if *of == id => return self.wait_again(run, id),
            Event::Queue { id: of, event: QueueEvent::Ended(end) } if *of == id => return self.ended(run, *end),
            Event::AgentGone => return after_talk(run, self.after_call.as_ref()),
            _ => {}
        }
        run.state.wait = Wait::Talk { queue: Some(id) };
        Next::Stay
    }
}

/// Ends all that is heard and timed in the queue.
fn silence(run: &mut Run, wait: &QueueWait) {
    wait.playing.iter().for_each(|playing| run.stop(playing));
    run.clear(wait.guard);
    wait.announce.into_iter().chain(wait.offer.timer()).for_each(|timer| run.clear(timer));
    run.act(Action::Music { on: None });
}

/// The agent has hung up: on to the section for that, or the call's good end.
pub(super) fn after_talk(run: &mut Run, after_call: Option<&Name>) -> Next {
    match after_call {
        Some(section) => {
            run.clock_start();
            Next::Go("after_call".into(), section.text.clone())
        }
        None => Next::Hangup { outcome: "served", cause: Cause::Normal },
    }
}
