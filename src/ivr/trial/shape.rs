//! What a test file may say, as tables: reading refuses by them, and the schema for editors is made from them.

use super::lower::{LONGEST_MS, TRANSFER_WORDS};
use super::moves::QUEUE_ENDS;
use super::script::ENDS;
use crate::ivr::settings::{Group, Setting, Shape, optional, required};

/// The version of the test format that this reads.
pub(in crate::ivr) const FORMAT_VERSION: &str = "1";

const fn words<T, const N: usize>(table: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut index = 0;
    while index < N {
        words[index] = table[index].0;
        index += 1;
    }
    words
}

const END_WORDS: [&str; 5] = words(&ENDS);
const QUEUE_WORDS: [&str; 5] = words(&QUEUE_ENDS);
const TRANSFER: [&str; 5] = words(&TRANSFER_WORDS);
const LENGTH: Shape = Shape::Time("a length of time", 1, LONGEST_MS);

/// A test file.
pub(in crate::ivr) const FILE: Group = Group {
    what: "a test file",
    settings: &[
        required("ivr_test", Shape::Word(&[FORMAT_VERSION]), "the version of this format"),
        required("flow", Shape::Name, "the flow that is tested"),
        GIVEN_ALL,
        MOCK_ALL,
        required("tests", Shape::List(&Shape::Group(&TEST)), "the calls"),
    ],
};

const GIVEN_ALL: Setting = optional("given", Shape::Group(&GIVEN), "how the calls begin");
const MOCK_ALL: Setting = optional(
    "mock",
    Shape::Named(&Shape::Any),
    "what is answered, by lookup, and by `queue`, `transfer`, `post` and `record`",
);

pub(super) const TEST: Group = Group {
    what: "a test",
    settings: &[
        required("name", Shape::Text, "what happens in the call"),
        GIVEN_ALL,
        MOCK_ALL,
        optional("script", Shape::List(&LINE), "what is heard and done, in order"),
        optional("expect", Shape::Group(&EXPECT), "what must come of the call"),
    ],
};

pub(super) const GIVEN: Group = Group {
    what: "`given`",
    settings: &[
        optional("at", Shape::Text, "local date and time: `2026-03-10 10:00`"),
        optional("caller", Shape::Text, "the caller's number, in quotes"),
        optional("called", Shape::Text, "the called number, in quotes"),
        optional("language", Shape::Name, "the language that the caller chose last time, or `none`"),
        optional("open", Shape::Names, "calendars that are open"),
        optional("closed", Shape::Names, "calendars that are closed"),
        optional("holiday", Shape::Names, "calendars that have a holiday"),
        optional("live", Shape::Names, "switches that are on, or `none`"),
    ],
};

const LINE: Shape = Shape::Either(&[Shape::Word(&["hangs_up", "agent_answers", "agent_leaves"]), Shape::One(&MOVES)]);

/// A line of a script does one of these.
pub(super) const MOVES: Group = Group {
    what: "a line of a script",
    settings: &[
        optional(
            "hears",
            Shape::Either(&[
                Shape::Prompt,
                Shape::Group(&HEARS),
                Shape::List(&Shape::Either(&[Shape::Prompt, Shape::Group(&HEARS)])),
            ]),
            "the next prompts; `...` skips",
        ),
        optional("presses", Shape::Either(&[Shape::Text, Shape::Group(&PRESSES)]), "keys, or `star`, `hash`"),
        optional("waits", LENGTH, "time passes"),
        optional("silent", Shape::Either(&[Shape::Word(&["forever"]), LENGTH]), "the caller presses nothing"),
        optional("hangs_up", Shape::Either(&[Shape::Nothing, Shape::Text]), "`while PROMPT`, `after PROMPT`, or now"),
        optional("agent_answers", Shape::Any, "an agent takes the call"),
        optional("agent_leaves", Shape::Any, "the agent hangs up"),
        optional(
            "queue_says",
            Shape::Either(&[Shape::Word(&QUEUE_WORDS), Shape::Group(&AHEAD)]),
            "what becomes of the wait",
        ),
        optional("transfer_says", Shape::Word(&TRANSFER), "what becomes of the transfer"),
    ],
};

pub(super) const HEARS: Group = Group {
    what: "`hears`",
    settings: &[
        required("prompt", Shape::Prompt, "which prompt"),
        optional("says", Shape::Text, "its words, values read out"),
    ],
};

pub(super) const PRESSES: Group = Group {
    what: "`presses`",
    settings: &[
        required("keys", Shape::Text, "the keys"),
        optional("while", Shape::Prompt, "while this is heard"),
        optional("after", Shape::Prompt, "or once this was heard"),
    ],
};

pub(super) const AHEAD: Group = Group {
    what: "`queue_says`",
    settings: &[
        required("ahead", Shape::Number(0, 10_000), "callers ahead"),
        optional("wait", Shape::Time("`wait`", 0, LONGEST_MS), "how long it may take"),
    ],
};

pub(super) const EXPECT: Group = Group {
    what: "`expect`",
    settings: &[
        optional("end", Shape::Word(&END_WORDS), "how the call ends"),
        optional("resolved", Shape::Names, "topics that were resolved, or `none`"),
        optional("tags", Shape::Names, "tags that were noted, or `none`"),
        optional("posted", Shape::Names, "templates that were sent or filed, queues of callbacks, or `none`"),
        optional("limits", Shape::Names, "limits that were run into, or `none`"),
        optional("queue", Shape::Name, "the queue that was come to last, or `none`"),
        optional("trunk", Shape::Name, "the trunk that was dialled, or `none`"),
        optional("ext", Shape::Name, "the extension that was dialled, or `none`"),
        optional("agent", Shape::Name, "the agent who was dialled, or `none`"),
        optional("language", Shape::Name, "the language at the end"),
        optional("keys", Shape::Number(0, 1_000), "how many keys were pressed"),
        optional("under", LENGTH, "the call is shorter"),
        optional("over", LENGTH, "the call is longer"),
        optional("not_logged", Shape::Names, "variables that are in no record"),
        optional("variables", Shape::Named(&Shape::Text), "variables and their values at the end"),
        optional("carried", Shape::Named(&Shape::Text), "what went along with the transfer"),
    ],
};
