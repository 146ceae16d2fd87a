//! The numbers with which an installer tries a phone: ring, a word, hold music, echo, tone, digits, record. Each is a small
//! machine that is told what the caller did and says what to do next.

use super::supervision_link::BEEPS;
use super::{Driver, Switch, SwitchTimer};
use crate::events::{Cause, EndedBy, EventKind};
use crate::ids::CallId;
use crate::media::clip::Clip;
use crate::media::command::{MediaCmd, PlayId, PlayItem, Tone};
use crate::routing::TestNumber;
use crate::timers::Now;
use std::sync::Arc;
use std::time::Duration;

/// The prompts that test numbers speak, in the first language of the bundle.
const WORD: &str = "hello";
/// Says that it is the caller's turn.
/// Two beeps, and a moment for a phone that opens its audio late.
const CONFIRM_LIMIT: Duration = Duration::from_millis(1_500);
pub(super) const BEEP: Tone = Tone::Cadence { freqs: [1000, 0], level_dbm0: -10, on_ms: 200, off_ms: 100, count: 1 };
const RING_LIMIT: Duration = Duration::from_secs(60);
const WORD_LIMIT: Duration = Duration::from_secs(2);
const HOLD_LIMIT: Duration = Duration::from_secs(120);
const ECHO_LIMIT: Duration = Duration::from_secs(600);
const TONE_LIMIT: Duration = Duration::from_secs(60);
const DIGITS_LIMIT: Duration = Duration::from_secs(60);
const MAX_DIGITS: usize = 32;
const RECORD_LIMIT: Duration = Duration::from_secs(30);

/// One test number at work for one call.
#[derive(Debug)]
pub(super) struct TestCall {
    state: State,
    /// How many plays began: the id of the last.
    plays: u32,
}

#[derive(Debug)]
enum State {
    Ringing,
    /// Plays or echoes until the timer ends it.
    Running,
    Collecting {
        digits: String,
    },
    ReadingBack,
    Beeping,
    Recording,
    PlayingBack,
}

#[derive(Debug)]
pub(super) enum TestAction {
    Ring,
    Answer,
    /// A prompt of the bundle, by id.
    Say(Vec<String>),
    Tone(Tone, bool),
    Echo,
    Capture,
    StopCapture,
    PlayBack(Arc<Clip>),
    After(Duration),
    Digits(String),
    HangUp(Cause),
}

pub(super) enum TestEvent {
    Key(char),
    Timer,
    PlayDone(PlayId),
    Captured(Arc<Clip>),
}

impl TestCall {
    pub(super) fn start(number: TestNumber) -> (TestCall, Vec<TestAction>) {
        use TestAction::{After, Answer, Echo, Ring, Say, Tone as Play};
        let (state, actions) = match number {
            TestNumber::RingOnly => (State::Ringing, vec![Ring, After(RING_LIMIT)]),
            TestNumber::Word => (State::Running, vec![Answer, Say(vec![WORD.into()]), After(WORD_LIMIT)]),
            TestNumber::Hold => (State::Running, vec![Answer, Play(Tone::MusicOnHold, true), After(HOLD_LIMIT)]),
            TestNumber::Confirm => (State::Running, vec![Answer, Play(BEEPS, false), After(CONFIRM_LIMIT)]),
            TestNumber::Echo => (State::Running, vec![Answer, Echo, After(ECHO_LIMIT)]),
            TestNumber::Tone => (State::Running, vec![Answer, Play(Tone::Milliwatt, true), After(TONE_LIMIT)]),
            TestNumber::Digits => {
                (State::Collecting { digits: String::new() }, vec![Answer, Play(BEEP, false), After(DIGITS_LIMIT)])
            }
            TestNumber::Record => (State::Beeping, vec![Answer, Play(BEEP, false)]),
        };
        (TestCall { state, plays: 0 }, actions)
    }

    /// The id of a play that begins now and ends the one before.
    fn next_play(&mut self) -> PlayId {
        self.plays += 1;
        PlayId(self.plays)
    }

    pub(super) fn handle(&mut self, event: TestEvent) -> Vec<TestAction> {
        match (&mut self.state, event) {
            // Of a play that was cut off by the next.
            (_, TestEvent::PlayDone(play)) if play != PlayId(self.plays) => Vec::new(),
            (State::Ringing, TestEvent::Timer) => vec![TestAction::HangUp(Cause::NoAnswer)],
            (State::Running, TestEvent::Timer) => vec![TestAction::HangUp(Cause::Normal)],
            (State::Collecting { digits }, TestEvent::Key(key)) if key != '#' => {
                if digits.len() < MAX_DIGITS {
                    digits.push(key);
                }
                Vec::new()
            }
            (State::Collecting { digits }, TestEvent::Key(_) | TestEvent::Timer) => {
                let digits = std::mem::take(digits);
                self.state = State::ReadingBack;
                let words = digits.chars().map(atom).collect::<Vec<_>>();
                if words.is_empty() {
                    return vec![TestAction::HangUp(Cause::Normal)];
                }
                vec![TestAction::Digits(digits), TestAction::Say(words), TestAction::After(DIGITS_LIMIT)]
            }
            (State::Beeping, TestEvent::PlayDone(_)) => {
                self.state = State::Recording;
                vec![TestAction::Capture, TestAction::After(RECORD_LIMIT)]
            }
            (State::Recording, TestEvent::Key('#') | TestEvent::Timer) => vec![TestAction::StopCapture],
            (State::Recording, TestEvent::Captured(clip)) => {
                self.state = State::PlayingBack;
                vec![TestAction::PlayBack(clip), TestAction::After(RECORD_LIMIT + WORD_LIMIT)]
            }
            (State::ReadingBack | State::PlayingBack, TestEvent::PlayDone(_) | TestEvent::Timer) => {
                vec![TestAction::HangUp(Cause::Normal)]
            }
            // Keys, ends of tones and late captures change nothing in the other states.
            _ => Vec::new(),
        }
    }
}

/// The atom that speaks a key.
fn atom(key: char) -> String {
    match key {
        '*' => "a_star".into(),
        '#' => "a_hash".into(),
        digit => format!("a_{digit}"),
    }
}

impl Switch {
    pub(super) fn on_test_timer(&mut self, now: Now, id: CallId) {
        self.on_test(now, id, TestEvent::Timer);
    }

    pub(super) fn on_test(&mut self, now: Now, id: CallId, event: TestEvent) {
        let Some(entry) = self.calls.get_mut(&id) else { return };
        if entry.call.is_ended() {
            return;
        }
        let Driver::Test(test) = &mut entry.driver else { return };
        let actions = test.handle(event);
        self.act_test(now, id, actions);
    }

    pub(super) fn act_test(&mut self, now: Now, id: CallId, actions: Vec<TestAction>) {
        for action in actions {
            let Some(entry) = self.calls.get_mut(&id) else { return };
            let leg = entry.call.caller().id;
            let Driver::Test(test) = &mut entry.driver else { return };
            let mut play = |items: Vec<PlayItem>, repeat| MediaCmd::Play {
                leg,
                id: test.next_play(),
                items: Arc::from(items),
                repeat,
                bargeable: false,
            };
            let media = match action {
                TestAction::Ring => {
                    self.with_call(now, id, |call, out| call.ring(out));
                    continue;
                }
                TestAction::Answer => {
                    self.with_call(now, id, |call, out| call.answer(out));
                    continue;
                }
                TestAction::HangUp(cause) => {
                    self.end_call(now, id, cause, EndedBy::System);
                    continue;
                }
                TestAction::After(delay) => {
                    self.timers.set(SwitchTimer::Test(id), now.at + delay);
                    continue;
                }
                TestAction::Digits(digits) => {
                    let shown = if self.config.show_digits { digits } else { "*".repeat(digits.len()) };
                    self.emit(now, Some(id), EventKind::Collected { name: "digits".into(), shown });
                    continue;
                }
                TestAction::Say(prompts) => {
                    let clips = prompts.iter().filter_map(|prompt| self.bundle.clip(None, prompt)).map(PlayItem::Clip);
                    play(clips.collect(), false)
                }
                TestAction::Tone(tone, repeat) => play(vec![PlayItem::Tone(tone)], repeat),
                TestAction::PlayBack(clip) => play(vec![PlayItem::Clip(clip)], false),
                TestAction::Echo => MediaCmd::Echo { leg, on: true },
                TestAction::Capture => MediaCmd::Capture { leg, limit: RECORD_LIMIT },
                TestAction::StopCapture => MediaCmd::StopCapture { leg },
            };
            self.with_call(now, id, |call, out| call.caller().media(media, out));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hangs_up(actions: &[TestAction], cause: Cause) -> bool {
        matches!(actions, [TestAction::HangUp(c)] if *c == cause)
    }

    #[test]
    fn the_ring_number_gives_up_as_unanswered() {
        let (mut test, actions) = TestCall::start(TestNumber::RingOnly);
        assert!(!actions.iter().any(|action| matches!(action, TestAction::Answer)));
        assert!(test.handle(TestEvent::Key('1')).is_empty());
        assert!(hangs_up(&test.handle(TestEvent::Timer), Cause::NoAnswer));
    }

    #[test]
    fn the_digits_number_reads_back_what_was_typed_before_the_hash() {
        let (mut test, _) = TestCall::start(TestNumber::Digits);
        let beep = test.next_play();
        for key in "12*0".chars() {
            assert!(test.handle(TestEvent::Key(key)).is_empty());
        }
        let actions = test.handle(TestEvent::Key('#'));
        let [TestAction::Digits(digits), TestAction::Say(words), TestAction::After(_)] = &actions[..] else {
            panic!("{actions:?}")
        };
        assert_eq!(digits, "12*0");
        assert_eq!(words, &["a_1", "a_2", "a_star", "a_0"]);
        let reading = test.next_play();
        assert!(test.handle(TestEvent::PlayDone(beep)).is_empty(), "the beep was cut off, the reading goes on");
        assert!(hangs_up(&test.handle(TestEvent::PlayDone(reading)), Cause::Normal));
    }

    #[test]
    fn the_record_number_plays_back_once_and_hangs_up() {
        let (mut test, _) = TestCall::start(TestNumber::Record);
        assert!(test.handle(TestEvent::Key('#')).is_empty());
        let beep = test.next_play();
        assert!(matches!(test.handle(TestEvent::PlayDone(beep))[..], [TestAction::Capture, TestAction::After(_)]));
        assert!(matches!(test.handle(TestEvent::Key('#'))[..], [TestAction::StopCapture]));
        let clip = Arc::new(Clip::from_pcm("", "", &[0; 160]));
        assert!(matches!(test.handle(TestEvent::Captured(clip))[..], [TestAction::PlayBack(_), TestAction::After(_)]));
        let playback = test.next_play();
        assert!(test.handle(TestEvent::Key('#')).is_empty());
        assert!(hangs_up(&test.handle(TestEvent::PlayDone(playback)), Cause::Normal));
    }
}
