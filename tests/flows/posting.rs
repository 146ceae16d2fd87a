//! What a flow hands over: messages, forms, callbacks, spoken messages, answers of surveys.

use super::world::*;
use hotline::ivr::*;

const MESSAGES: &str = "
messages:
  pay_link:
    post: ${base.sms}/v1/send
    takes: {to: digits, account: digits}
    body: {to: \"{to}\", text: \"{account} {reference}\"}
forms:
  outage:
    post: ${base.crm}/v1/outages
    takes: {account: digits}
    body: {account: \"{account}\", caller: \"{caller}\"}
mailboxes:
  service: {}
";

const PROMPTS: [(&str, &str); 6] = [
    ("q", "请选择"),
    ("speak", "请留言"),
    ("sent", "已发送"),
    ("sorry", "抱歉"),
    ("rate", "请评分"),
    ("again", "会推荐吗"),
];

fn sources(step: &str) -> Sources {
    let flow = format!(
        "ivr: 1\nlanguages: [zh]\nvars:\n  account: {{type: digits}}\n  ticket: {{type: digits}}\n  file: {{type: text}}\n  pin: {{type: digits, secret: true}}\nshortcuts: {{star: back}}\nsections:\n  start:\n    - menu: {{say: q, keys: {{1: act}}, give_up: no}}\n  act:\n    - set: {{account: \"3101\"}}\n{step}\n    - goto: yes_\n  yes_:\n    - menu: {{say: sent, keys: {{1: act}}, give_up: no}}\n  no:\n    - hangup: sorry\n"
    );
    let mut sources = project(&flow, &PROMPTS);
    sources.files.retain(|(path, _)| !path.ends_with("messages.yaml"));
    sources.files.push(("ivr-flows/messages.yaml".into(), MESSAGES.into()));
    sources
}

fn findings(step: &str) -> Vec<String> {
    let found = match load(&sources(step), None, &audio) {
        Ok(bundle) => bundle.warnings,
        Err(found) => found,
    };
    let of_flow = found.iter().filter(|finding| finding.path.ends_with("test.flow.yaml"));
    of_flow
        .map(|d| format!("{} {}:{} {}", d.code, d.line, d.column, d.message))
        .filter(|d| !d.starts_with("E304"))
        .collect()
}

const SEND: &str = "    - send: {sms: pay_link, to: caller.number, fields: {account: account}, failed: no}";
const FORM: &str = "    - form: {template: outage, fields: {account: account}, get: {ticket: number}, failed: no}";

fn after_the_menu(bundle: &Bundle) -> Call<'_> {
    let mut call = Call::start(bundle, "test");
    call.hears("q").presses("1");
    call
}

#[test]
fn a_text_goes_to_the_caller_with_the_values_of_the_call() {
    let bundle = bundle(&sources(SEND));
    let mut call = after_the_menu(&bundle);
    call.hears("sent");
    let (what, fields) = &call.posted[0];
    let Post::Message { channel: Channel::Sms, template, to: Some(to) } = what else { panic!("{what:?}") };
    assert_eq!((template.as_str(), to.expose().as_str()), ("pay_link", "13800138000"));
    let plain: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.plain())).collect();
    assert_eq!(plain, [("account", "3101".to_string()), ("to", "13800138000".into())]);
    let told = TraceEvent::Posted { what: "sms", name: "pay_link".into(), reference: "100001".into() };
    assert!(call.traces.contains(&told), "{:?}", call.traces);
}

#[test]
fn what_cannot_be_kept_takes_its_failed_way_and_a_disk_that_hangs_too() {
    let bundle = bundle(&sources(SEND));
    let mut call = Call::start(&bundle, "test");
    call.post_fails = true;
    call.hears("q").presses("1").hears("sorry");
    let mut call = Call::start(&bundle, "test");
    call.post_hangs = true;
    call.hears("q").presses("1").waits(4_500).hears_nothing_more();
    call.waits(1_000).hears("sorry");
}

#[test]
fn the_number_of_a_form_can_be_told_and_going_back_files_no_second_one() {
    let bundle = bundle(&sources(FORM));
    let mut call = after_the_menu(&bundle);
    call.hears("sent").presses("*");
    // Back leads across the form no more: the menu that is there is heard again.
    call.hears("sent");
    assert_eq!(call.posted.len(), 1);
}

#[test]
fn a_caller_with_a_hidden_number_cannot_be_called_back() {
    let bundle = bundle(&sources("    - callback: {queue: service, window: 2h, failed: no}"));
    let mut call = Call::new(&bundle, "test");
    call.begin("", None);
    call.hears("q").presses("1").hears("sorry");
    assert_eq!(call.posted.len(), 0);
    let mut call = after_the_menu(&bundle);
    call.hears("sent");
    let (Post::Callback { queue, number, within_s }, _) = &call.posted[0] else { panic!("{:?}", call.posted) };
    assert_eq!((queue.as_str(), number.expose().as_str(), *within_s), ("service", "13800138000", Some(7_200)));
}

#[test]
fn a_message_is_spoken_until_hash_or_its_longest_time_and_goes_to_its_box() {
    let bundle = bundle(&sources("    - voicemail: {box: service, say: speak, max: 10s, urgent: true}"));
    let mut call = after_the_menu(&bundle);
    call.hears("speak").waits(CLIP_MS);
    let (_, _, mailbox) = call.recording.clone().expect("a recording");
    assert_eq!(mailbox, Some(Mailbox { name: "service".into(), urgent: true }));
    call.presses("5").hears_nothing_more();
    call.presses("#").hears("sent");
    let mut call = after_the_menu(&bundle);
    call.hears("speak").waits(CLIP_MS + 10_100).hears("sent");
}

#[test]
fn a_recording_that_cannot_be_made_does_not_hold_the_caller() {
    let bundle = bundle(&sources("    - record: {save: file, say: speak, max: 10s, failed: no}"));
    let mut call = after_the_menu(&bundle);
    call.hears("speak").waits(CLIP_MS);
    let (id, ..) = call.recording.take().expect("a recording");
    call.tell(Event::Recorded { id, kept: None });
    call.hears("sorry");
    // The recorder says nothing more at all.
    let mut call = after_the_menu(&bundle);
    call.hears("speak").waits(CLIP_MS);
    call.recording = None;
    call.waits(20_000).hears("sorry");
}

#[test]
fn a_survey_is_answered_skipped_or_left_and_the_call_goes_on() {
    let survey =
        "    - survey: {form: csat, tries: 1, questions: [{say: rate, keys: 1-5}, {say: again, keys: [1, 2]}]}";
    let bundle = bundle(&sources(survey));
    let answers = |call: &Call| -> Vec<(String, Option<char>)> {
        let told = call.traces.iter().filter_map(|event| match event {
            TraceEvent::Answered { question, answer, .. } => Some((question.clone(), *answer)),
            _ => None,
        });
        told.collect()
    };
    let mut call = after_the_menu(&bundle);
    call.hears("rate").presses("4").hears("again").presses("2").hears("sent");
    assert_eq!(answers(&call), [("rate".into(), Some('4')), ("again".into(), Some('2'))]);
    let mut call = after_the_menu(&bundle);
    call.hears("rate").presses("7").hears("sent");
    assert_eq!(answers(&call), [("rate".into(), None)]);
}

#[test]
fn mistakes_about_messages_are_told_where_they_are() {
    let cases = [
        (SEND.replace("pay_link", "pay_lnik"), "E210 14:19 there is no message `pay_lnik`"),
        (SEND.replace("to: caller.number, ", ""), "E207 14:19 `pay_link` needs to know whom it goes to"),
        (SEND.replace("account: account", "acount: account"), "E207 14:57 `pay_link` takes no `acount`"),
        (
            SEND.replace("account: account", "account: pin"),
            "E701 14:66 `pin` is secret: it can only be sent to a lookup that takes it so",
        ),
        (
            SEND.replace("sms: pay_link", "sms: pay_link, mail: pay_link"),
            "E114 14:13 `send` needs exactly one template",
        ),
        (SEND.replace(", failed: no", ""), "E212 14:13 nothing is said for when it cannot be sent"),
        (FORM.replace("ticket: number", "ticket: id"), "E207 14:74 `form` gives no `id`"),
        ("    - voicemail: {box: servce}".into(), "E210 14:24 there is no mailbox `servce`"),
        (
            "    - survey: {form: csat, questions: [{say: rate, keys: 5-1}]}".into(),
            "E112 14:58 `5-1` is no range of keys",
        ),
        ("    - record: {save: file}".into(), "E212 14:15 nothing is said for when nothing could be recorded"),
    ];
    for (step, expected) in cases {
        let found = findings(&step);
        assert!(found.iter().any(|line| line == expected), "{step}\n{expected}\n{found:#?}");
    }
}
