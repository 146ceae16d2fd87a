//! Flows: one event in the interpreter, a check of the sample hotline, its tests as a whole, and what 10,000 callers who wait
//! in a menu hold in memory.

// A counting allocator has to be one.
#![allow(unsafe_code)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hotline::ids::Redacted;
use hotline::ivr::{Action, ActionId, Bundle, CallState, Event, Sources, load, start, step, trial};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls that wait at once.
const WAITING: usize = 10_000;
/// 2026-03-10 10:00 in Shanghai.
const MORNING: u64 = 1_773_108_000_000;

/// Octets that are held now.
static HELD: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is handed to the system's allocator unchanged; counting is one atomic addition.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn sample() -> Sources {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["ivr-flows", "ivr-flows/lib", "ivr-flows/tests", "prompts"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("the sample is in the repository") {
            let path = entry.expect("a readable folder").path();
            if path.extension().is_some_and(|ext| ext == "yaml") {
                let name = format!("{folder}/{}", path.file_name().expect("a name").to_string_lossy());
                files.push((name, std::fs::read_to_string(&path).expect("a readable file")));
            }
        }
    }
    files.sort();
    Sources { files }
}

fn checked(sources: &Sources) -> Bundle {
    load(sources, None, &|_, _| Some(900)).expect("the sample passes its check")
}

/// Tells the call an event and returns the prompt that it plays then.
fn tell(bundle: &Bundle, state: &mut CallState, at: u64, event: Event, out: &mut Vec<Action>) -> Option<ActionId> {
    out.clear();
    step(bundle, state, at, event, out);
    out.iter().find_map(|action| if let Action::Play { id, .. } = action { Some(*id) } else { None })
}

/// A caller who has heard the welcome, chosen a language and is asked what the call is about.
fn in_the_menu(bundle: &Bundle) -> CallState {
    let mut state = start(bundle, "power").expect("the flow is there");
    let mut out = Vec::new();
    let begin = Event::Started {
        caller: Redacted::new("13800138000".into()),
        called: "95598".into(),
        wall_ms: MORNING,
        lang: None,
    };
    let welcome = tell(bundle, &mut state, 0, begin, &mut out).expect("a welcome");
    tell(bundle, &mut state, 900, Event::PlayDone { id: welcome, heard_ms: 900 }, &mut out);
    let menu = tell(bundle, &mut state, 1_500, Event::Key('1'), &mut out).expect("the menu");
    tell(bundle, &mut state, 9_000, Event::PlayDone { id: menu, heard_ms: 7_500 }, &mut out);
    state
}

fn flows(c: &mut Criterion) {
    let sources = sample();
    let bundle = checked(&sources);
    let waiting = in_the_menu(&bundle);
    c.bench_function("one key in a menu, the next prompt begun", |b| {
        b.iter_batched(
            || (waiting.clone(), Vec::with_capacity(16)),
            |(mut state, mut out)| {
                step(&bundle, &mut state, 10_000, Event::Key('1'), &mut out);
                black_box((state, out))
            },
            BatchSize::SmallInput,
        );
    });
    c.bench_function("the check of the sample hotline", |b| b.iter(|| checked(black_box(&sources))));
    let (files, _) = trial::read(&sources, &bundle);
    let tests: usize = files.iter().map(|file| file.tests.len()).sum();
    c.bench_function(&format!("the sample's {tests} tests, each a call"), |b| {
        b.iter(|| {
            for file in &files {
                for test in &file.tests {
                    black_box(trial::run(&bundle, &file.flow, test));
                }
            }
        });
    });
    let before = HELD.load(Ordering::Relaxed);
    let calls: Vec<CallState> = (0..WAITING).map(|_| in_the_menu(&bundle)).collect();
    let held = HELD.load(Ordering::Relaxed) - before;
    println!("{WAITING} callers in a menu hold {} octets each", held / calls.len());
}

criterion_group!(benches, flows);
criterion_main!(benches);
