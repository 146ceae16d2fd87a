//! One decision of the distributor in a large centre: 5,000 agents of ten queues each, 200 queues, 2,000 callers waiting. And
//! a busy day of a smaller one: 300 agents, 100,000 calls, every timer as it falls.

use criterion::{Criterion, criterion_group, criterion_main};
use hotline::acd::{Acd, AcdConfig, AcdOutput, AgentConfig, Enqueue, Leave, LendPlan, Pressure, QueueConfig};
use hotline::events::QueueOutcome;
use hotline::ids::{AgentId, PlanId, ProjectId, QueueId, TicketId};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

const AGENTS: u64 = 5_000;
const QUEUES: u64 = 200;
const WAITING: u64 = 2_000;

struct Centre {
    acd: Acd,
    now: Instant,
    tickets: u64,
}

impl Centre {
    fn new() -> Self {
        let queue = |n| QueueConfig { wrap_up: Duration::ZERO, ..QueueConfig::new(&*format!("queue-{n}")) };
        let agent = |n: u64| AgentConfig {
            queues: (0..10).map(|k| QueueId::new(format!("queue-{}", (n * 7 + k * 23) % QUEUES))).collect(),
            ..AgentConfig::new(AgentId::new(format!("agent-{n}")))
        };
        let queues = (0..QUEUES).map(queue).collect();
        let config = AcdConfig { queues, agents: (0..AGENTS).map(agent).collect(), ..AcdConfig::default() };
        let mut centre = Self { acd: Acd::new(config), now: Instant::now(), tickets: 0 };
        for n in 0..AGENTS {
            centre.acd.agent_reachable(centre.now, &AgentId::new(format!("agent-{n}")), true);
            centre.now += Duration::from_millis(1);
        }
        while centre.acd.poll().is_some() {}
        centre
    }

    fn caller(&mut self) -> TicketId {
        self.tickets += 1;
        self.now += Duration::from_millis(3);
        let queue = QueueId::new(format!("queue-{}", self.tickets * 31 % QUEUES));
        let priority = (self.tickets % 3) as u8;
        let max_wait = Some(Duration::from_secs(7 * 24 * 3600));
        let wish = Enqueue { max_wait, ..Enqueue::new(queue, priority) };
        let ticket = TicketId(self.tickets);
        self.acd.enqueue(self.now, ticket, wish).expect("the queue is there");
        ticket
    }

    fn offer(&mut self) -> Option<(TicketId, AgentId)> {
        let mut offer = None;
        while let Some(output) = self.acd.poll() {
            if let AcdOutput::Offer { ticket, agent, .. } = output {
                offer = Some((ticket, agent));
            }
        }
        offer
    }
}

fn decisions(c: &mut Criterion) {
    let mut idle = Centre::new();
    c.bench_function("acd/a caller arrives, 5000 idle agents: offer, then withdraw", |b| {
        b.iter(|| {
            let ticket = idle.caller();
            black_box(idle.offer());
            idle.acd.leave(idle.now, ticket, Leave::Abandoned);
            black_box(idle.offer());
        })
    });

    let mut busy = Centre::new();
    let mut talking = Vec::new();
    for _ in 0..AGENTS * 2 {
        busy.caller();
        if let Some((ticket, agent)) = busy.offer() {
            assert!(busy.acd.offer_answered(busy.now, ticket, &agent));
            talking.push(agent);
        }
        if busy.acd.ticket_count() as u64 > WAITING {
            break;
        }
    }
    while (busy.acd.ticket_count() as u64) < WAITING {
        busy.caller();
    }
    while busy.acd.poll().is_some() {}
    let mut at = 0;
    c.bench_function("acd/an agent ends a call, 2000 waiting: offer, answer, and a new caller waits", |b| {
        b.iter(|| {
            let agent = talking[at % talking.len()].clone();
            at += 1;
            busy.acd.call_ended(busy.now, &agent);
            if let Some((ticket, agent)) = busy.offer() {
                assert!(busy.acd.offer_answered(busy.now, ticket, &agent));
                busy.caller();
                black_box(busy.offer());
            }
        })
    });
    println!("talking {}, waiting {}", talking.len(), busy.acd.ticket_count());

    c.bench_function("acd/a caller joins a queue of ten and leaves, positions are told", |b| {
        b.iter(|| {
            busy.now += Duration::from_secs(5);
            let ticket = busy.caller();
            busy.acd.leave(busy.now, ticket, Leave::Abandoned);
            busy.acd.handle_timeout(busy.now);
            while black_box(busy.acd.poll()).is_some() {}
        })
    });
}

/// What happens by itself in a day, beside the distributor's own timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Then {
    Arrives(u64),
    /// Has waited long enough.
    GivesUp(u64),
    Answers(u64, u64),
    HangsUp(u64),
}

/// Calls answered, and given up. Three projects of a hundred agents each, of which one is busier than it can bear and is lent
/// agents by the two others.
fn day(calls: u64) -> (u64, u64) {
    const PROJECTS: [&str; 3] = ["power", "gas", "water"];
    let of = |name: &str| QueueConfig { project: Some(ProjectId::new(name)), ..QueueConfig::new(name) };
    let agent = |n: u64| AgentConfig {
        queues: vec![QueueId::new(PROJECTS[n as usize % 3])],
        ..AgentConfig::new(AgentId::new(n.to_string()))
    };
    let plan = |from: &str| LendPlan {
        id: PlanId::new(from),
        from: ProjectId::new(from),
        to: ProjectId::new("power"),
        skill: None,
        tier: 1,
        when: Pressure { longest_wait: Some(Duration::from_secs(20)), waiting: None },
        clear: Pressure { longest_wait: Some(Duration::from_secs(5)), waiting: None },
        cap: 20,
        leave: 60,
    };
    let mut acd = Acd::new(AcdConfig {
        queues: PROJECTS.map(of).into(),
        agents: (0..300).map(agent).collect(),
        lend: vec![plan("gas"), plan("water")],
        ..AcdConfig::default()
    });
    let (mut now, mut dice) = (Instant::now(), 0x9e37_79b9_7f4a_7c15_u64);
    let mut below = |end: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % end
    };
    (0..300).for_each(|n| acd.agent_reachable(now, &AgentId::new(n.to_string()), true));
    let mut due = BTreeSet::from([(now, Then::Arrives(1))]);
    let (mut answered, mut lost) = (0, 0);
    loop {
        let timer = acd.next_timeout();
        let event = due.first().copied();
        match (timer, event) {
            (Some(at), event) if event.is_none_or(|(next, _)| at <= next) => {
                now = at.max(now);
                acd.handle_timeout(now);
            }
            (_, Some((at, then))) => {
                due.pop_first();
                now = at.max(now);
                match then {
                    Then::Arrives(call) => {
                        let project = PROJECTS[[0, 0, 1, 2][below(4) as usize]];
                        let wish = Enqueue::new(QueueId::new(project), below(3) as u8);
                        acd.enqueue(now, TicketId(call), wish).expect("the queue is there");
                        due.insert((now + Duration::from_millis(10_000 + below(120_000)), Then::GivesUp(call)));
                        if call < calls {
                            due.insert((now + Duration::from_millis(below(1_000)), Then::Arrives(call + 1)));
                        }
                    }
                    Then::GivesUp(call) => acd.leave(now, TicketId(call), Leave::Abandoned),
                    Then::Answers(call, agent) => {
                        if acd.offer_answered(now, TicketId(call), &AgentId::new(agent.to_string())) {
                            due.insert((now + Duration::from_millis(60_000 + below(120_000)), Then::HangsUp(agent)));
                        }
                    }
                    Then::HangsUp(agent) => acd.call_ended(now, &AgentId::new(agent.to_string())),
                }
            }
            (_, None) => return (answered, lost),
        }
        while let Some(output) = acd.poll() {
            match output {
                AcdOutput::Offer { ticket, agent, .. } => {
                    let agent: u64 = agent.as_str().parse().expect("agents are numbers");
                    due.insert((now + Duration::from_millis(2_000 + below(4_000)), Then::Answers(ticket.0, agent)));
                }
                AcdOutput::TicketEnded { outcome: QueueOutcome::Answered, .. } => answered += 1,
                AcdOutput::TicketEnded { .. } => lost += 1,
                _ => {}
            }
        }
    }
}

fn days(c: &mut Criterion) {
    const CALLS: u64 = 100_000;
    let mut group = c.benchmark_group("acd");
    group.sample_size(10);
    group.bench_function("a day of 300 agents and 100,000 calls", |b| b.iter(|| black_box(day(CALLS))));
    let (answered, lost) = day(CALLS);
    assert_eq!(answered + lost, CALLS, "every wait ends");
    println!("answered {answered}, lost {lost}");
}

criterion_group!(benches, decisions, days);
criterion_main!(benches);
