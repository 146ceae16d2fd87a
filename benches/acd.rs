//! One decision of the distributor in a large centre: 5,000 agents of ten queues each, 200 queues, 2,000 callers waiting.

use criterion::{Criterion, criterion_group, criterion_main};
use hotline::acd::{Acd, AcdConfig, AcdOutput, AgentConfig, Enqueue, Leave, QueueConfig};
use hotline::ids::{AgentId, QueueId, TicketId};
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

criterion_group!(benches, decisions);
criterion_main!(benches);
