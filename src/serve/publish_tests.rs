use super::*;
use crate::config::{FILE_NAME, template};
use crate::events::ServiceEnd;
use crate::test_folder::TestFolder;
use std::path::PathBuf;

/// A project whose flows are published, and whoever hears of it.
struct Shop {
    folder: TestFolder,
    config: Config,
    in_force: FlowVersion,
    publisher: Publisher,
    told: mpsc::Receiver<Control>,
    alarms: Vec<String>,
}

impl Shop {
    fn open(name: &str) -> Self {
        let folder = TestFolder::new(name);
        template::write(&folder).unwrap();
        Self::started(folder).0
    }

    /// The folder of a kept version.
    fn kept(&self, version: &FlowVersion) -> PathBuf {
        self.config.versions_dir().join(version.as_str())
    }

    /// What a reload has callers take, and what it says.
    async fn reload(&mut self) -> Result<(FlowVersion, Option<FlowVersion>, String), String> {
        let mut said = Vec::new();
        let taken = at_reload(&self.config, self.publisher.versions(), &mut |warning| said.push(warning));
        let Taken { bundle, canary } = taken.map_err(|findings| findings.join("\n"))?;
        self.in_force = bundle.flows.version.clone();
        self.publisher.reloaded(&self.in_force).await;
        Ok((self.in_force.clone(), canary.map(|(bundle, _)| bundle.flows.version.clone()), said.join("\n")))
    }

    fn started(folder: TestFolder) -> (Self, Option<FlowVersion>) {
        let mut config = Config::load(&folder.join(FILE_NAME)).unwrap();
        config.state_dir = folder.join("state");
        let Beginning { taken: Taken { bundle, canary }, versions, alarms } = at_start(&config, &mut |_| {}).unwrap();
        let (control, told) = mpsc::channel(64);
        let in_force = bundle.flows.version.clone();
        let publisher = Publisher::new(versions, control);
        let canary = canary.map(|(bundle, _)| bundle.flows.version.clone());
        (Self { folder, config, in_force, publisher, told, alarms }, canary)
    }

    /// The process ends and is started again.
    fn restarted(self) -> (Self, Option<FlowVersion>) {
        Self::started(self.folder)
    }

    fn flow_file(&self) -> PathBuf {
        self.folder.join("ivr-flows/small-shop.flow.yaml")
    }

    /// An edit that makes another version and changes nothing.
    fn edit(&self, line: &str) {
        let text = std::fs::read_to_string(self.flow_file()).unwrap();
        std::fs::write(self.flow_file(), format!("{text}{line}\n")).unwrap();
    }

    async fn publish(&mut self, wish: Publication) -> CommandReply {
        self.publisher.publish(&self.config, &mut self.in_force, wish).await
    }

    async fn publish_edit(&mut self, line: &str) -> FlowVersion {
        self.edit(line);
        self.publish(Publication::default()).await.unwrap();
        self.in_force.clone()
    }

    async fn roll_back(&mut self, version: Option<&str>) -> CommandReply {
        let wish = Rollback { version: version.map(str::to_string), ..Rollback::default() };
        self.publisher.roll_back(&self.config, &mut self.in_force, wish).await
    }

    /// What the switch was told since this was last asked.
    fn told(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.told.try_recv().ok())
            .map(|control| match control {
                Control::Flows(bundle) => format!("flows {}", bundle.flows.version),
                Control::Canary(None) => "no canary".into(),
                Control::Canary(Some((bundle, percent))) => format!("canary {} {percent}", bundle.flows.version),
                Control::MoveCalls(section) => format!("move to {section}"),
                Control::Fact { fact: EventKind::BundleRefused { .. }, .. } => "refused".into(),
                Control::Fact { fact: EventKind::Alarm { text }, .. } => text,
                _ => "something else".into(),
            })
            .collect()
    }

    fn deeds(&self) -> Vec<Deed> {
        self.publisher.versions.ledger().history.iter().map(|entry| entry.what).collect()
    }
}

fn canary(percent: u8) -> Publication {
    Publication { canary: Some(percent), ..Publication::default() }
}

#[tokio::test]
async fn what_was_published_is_in_force_after_a_restart_whatever_became_of_the_folder() {
    let mut shop = Shop::open("publish-restart");
    let first = shop.in_force.clone();
    let wish = Publication { by: Some("li".into()), why: Some("spring".into()), ..Publication::default() };
    shop.publish(wish).await.unwrap();
    assert_eq!(shop.in_force, first);
    let told = shop.told();
    assert_eq!(told, ["no canary".to_string(), format!("flows {first}")]);
    shop.edit("# later");
    let (mut shop, _) = shop.restarted();
    assert_eq!(shop.in_force, first, "an edit counts when it is published");
    std::fs::write(shop.flow_file(), "nonsense").unwrap();
    assert!(shop.publish(Publication::default()).await.is_err());
    let (shop, _) = shop.restarted();
    assert_eq!(shop.in_force, first);
    let entry = &shop.publisher.versions.ledger().history[0];
    assert_eq!((entry.by.as_deref(), entry.why.as_deref()), (Some("li"), Some("spring")));
}

#[tokio::test]
async fn as_long_as_nothing_was_published_the_folder_counts_and_a_reload_writes_nothing() {
    let mut shop = Shop::open("publish-never");
    let version = shop.in_force.clone();
    shop.edit("# edit");
    let (reloaded, _, said) = shop.reload().await.unwrap();
    assert_ne!(reloaded, version);
    assert!(!shop.config.versions_dir().exists() && shop.told().is_empty(), "{said}");
    shop.edit("# later");
    let (shop, _) = shop.restarted();
    assert_ne!(shop.in_force, reloaded);
}

#[tokio::test]
async fn a_reload_never_brings_back_what_was_rolled_back_is_on_trial_planned_or_untested() {
    let mut shop = Shop::open("publish-reload");
    let good = shop.publish_edit("# good").await;
    let (_, _, said) = shop.reload().await.unwrap();
    assert_eq!(said, "", "there is nothing to say");
    shop.publish_edit("# bad").await;
    shop.roll_back(None).await.unwrap();
    let (reloaded, _, said) = shop.reload().await.unwrap();
    assert_eq!(reloaded, good);
    assert!(said.contains("(rolled back)") && said.contains("hotline flow publish"), "{said}");

    shop.edit("# trial");
    shop.publish(canary(10)).await.unwrap();
    let (reloaded, on_trial, said) = shop.reload().await.unwrap();
    assert!(reloaded == good && on_trial.is_some() && said.contains("(on trial)"), "{said}");
    shop.roll_back(None).await.unwrap();
    let (reloaded, on_trial, said) = shop.reload().await.unwrap();
    assert!(reloaded == good && on_trial.is_none() && said.contains("(taken back)"), "{said}");

    shop.edit("# planned");
    shop.publish(Publication { at: Some(u64::MAX / 2), ..Publication::default() }).await.unwrap();
    let (reloaded, _, said) = shop.reload().await.unwrap();
    assert!(reloaded == good && said.contains("(planned)"), "{said}");

    std::fs::write(shop.flow_file(), "nonsense").unwrap();
    let (reloaded, _, said) = shop.reload().await.unwrap();
    assert!(reloaded == good && said.contains("have faults"), "{said}");
    assert_eq!(shop.restarted().0.in_force, good);
}

#[tokio::test]
async fn a_reload_of_the_demo_says_that_its_flows_are_no_files() {
    let mut shop = Shop::open("publish-demo");
    shop.config.flows = FlowSource::Embedded;
    let mut said = Vec::new();
    let _ = at_reload(&shop.config, shop.publisher.versions(), &mut |warning| said.push(warning));
    assert!(said[0].contains("hotline init"), "{said:?}");
    let refused = shop.publish(Publication::default()).await;
    assert!(matches!(refused, Err(CommandError::Conflict(text)) if text.contains("hotline init")));
}

#[tokio::test]
async fn a_configuration_that_the_flows_in_force_do_not_fit_is_refused() {
    let mut shop = Shop::open("publish-unfit");
    let first = shop.publish_edit("# good").await;
    let queues = std::mem::take(&mut shop.config.queues);
    let refused = shop.reload().await.unwrap_err();
    assert!(refused.contains(first.as_str()) && refused.contains("does not fit this configuration"), "{refused}");
    shop.config.queues = queues;
    if let Some(number) = shop.config.numbers.first_mut() {
        number.to = crate::config::Target::Flow("tomorrow".into());
    }
    let refused = shop.reload().await.unwrap_err();
    assert!(refused.contains("flow `tomorrow`"), "{refused}");
}

#[tokio::test]
async fn each_rollback_goes_further_back_and_never_to_what_was_rolled_back() {
    let mut shop = Shop::open("publish-back-twice");
    let first = shop.publish_edit("# one").await;
    let second = shop.publish_edit("# two").await;
    shop.publish_edit("# three").await;
    shop.roll_back(None).await.unwrap();
    assert_eq!(shop.in_force, second);
    shop.roll_back(None).await.unwrap();
    assert_eq!(shop.in_force, first, "the third was bad, too");
    let Err(CommandError::Conflict(text)) = shop.roll_back(None).await else { panic!("nothing is left") };
    assert!(text.contains("hotline flow versions"), "{text}");
    let fourth = shop.publish_edit("# four").await;
    shop.roll_back(Some(second.as_str())).await.unwrap();
    shop.roll_back(None).await.unwrap();
    assert_eq!(shop.in_force, fourth, "what an operator names is good again");
}

#[tokio::test]
async fn recordings_of_every_kind_are_kept_with_a_version() {
    let mut shop = Shop::open("publish-recordings");
    let prompts = shop.folder.join("prompts/zh");
    let samples: Vec<u8> = (0..16_000u32).map(|n| (n * 7 % 251) as u8).collect();
    std::fs::write(prompts.join("jingle.ul"), samples).unwrap();
    shop.publish(Publication::default()).await.unwrap();
    assert!(shop.kept(&shop.in_force).join("prompts/zh/jingle.ul").is_file());
    let version = shop.in_force.clone();
    std::fs::remove_file(prompts.join("jingle.ul")).unwrap();
    let (shop, _) = shop.restarted();
    assert_eq!((&shop.in_force, shop.alarms.len()), (&version, 0), "{:?}", shop.alarms);
}

#[tokio::test]
async fn a_kept_version_that_was_damaged_is_told_of_and_mended_by_publishing_it_again() {
    let mut shop = Shop::open("publish-damaged");
    let version = shop.publish_edit("# good").await;
    let file = shop.kept(&version).join("ivr-flows/small-shop.flow.yaml");
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, &good[..good.len() / 2]).unwrap();
    shop.edit("# another day");
    let (mut shop, _) = shop.restarted();
    let folder = shop.in_force.clone();
    assert_ne!(folder, version);
    assert!(shop.alarms[0].contains("is damaged"), "{:?}", shop.alarms);
    assert_eq!(shop.publisher.versions().ledger().instead, Some(folder.clone()), "`flow versions` shows what is taken");
    assert_eq!(shop.deeds()[0], Deed::Unusable);
    let (reloaded, _, said) = shop.reload().await.unwrap();
    assert!(reloaded == folder && said.contains("is damaged"), "{said}");

    std::fs::write(shop.flow_file(), &good).unwrap();
    shop.publish(Publication::default()).await.unwrap();
    assert_eq!(shop.in_force, version);
    let (shop, _) = shop.restarted();
    assert_eq!((&shop.in_force, shop.alarms.len()), (&version, 0), "{:?}", shop.alarms);
    assert_eq!(shop.publisher.versions().ledger().instead, None);
}

#[tokio::test]
async fn a_trial_that_cannot_go_on_after_a_restart_is_over() {
    let mut shop = Shop::open("publish-lost-trial");
    let base = shop.publish_edit("# base").await;
    shop.edit("# trial");
    shop.publish(canary(10)).await.unwrap();
    let on_trial = shop.publisher.versions().ledger().canary.clone().unwrap().version;
    std::fs::remove_dir_all(shop.kept(&on_trial)).unwrap();
    let (shop, taken) = shop.restarted();
    assert_eq!((&shop.in_force, taken, shop.deeds()[0]), (&base, None, Deed::TakenBack));
    assert!(shop.alarms[0].contains(on_trial.as_str()), "{:?}", shop.alarms);
    assert_eq!(shop.publisher.versions().ledger().canary, None);
}

#[tokio::test]
async fn what_is_due_on_a_full_disk_is_told_once_and_tried_again_later() {
    let mut shop = Shop::open("publish-full");
    let first = shop.publish_edit("# base").await;
    shop.edit("# planned");
    shop.publish(Publication { at: Some(u64::MAX / 2), ..Publication::default() }).await.unwrap();
    let now = |ledger: &mut Ledger| ledger.planned.iter_mut().for_each(|planned| planned.at = 1);
    shop.publisher.versions.change(None, now).unwrap();
    let in_the_way = shop.config.versions_dir().join("ledger.new");
    std::fs::create_dir(&in_the_way).unwrap();
    shop.told();
    for _ in 0..3 {
        shop.publisher.due(&shop.config, &mut shop.in_force).await;
        assert!(shop.publisher.wait().is_some_and(|wait| wait > LOOK_AGAIN / 2), "it does not spin");
    }
    let told = shop.told();
    assert!(told.len() == 1 && told[0].contains("cannot be written"), "{told:?}");
    assert_eq!(shop.in_force, first);
    std::fs::remove_dir(&in_the_way).unwrap();
    shop.publisher.due(&shop.config, &mut shop.in_force).await;
    assert_ne!(shop.in_force, first);
    assert_eq!(shop.publisher.wait(), None);
}

#[tokio::test]
async fn a_faulty_flow_is_refused_with_its_place_and_the_old_version_stays() {
    let mut shop = Shop::open("publish-faulty");
    let first = shop.publish_edit("# good").await;
    shop.told();
    shop.edit("nonsense: true");
    let Err(CommandError::Invalid(findings)) = shop.publish(Publication::default()).await else { panic!("taken") };
    assert!(findings[0].contains("small-shop.flow.yaml:"), "{findings:?}");
    assert_eq!((shop.told(), &shop.in_force), (vec!["refused".to_string()], &first));
    assert_eq!(shop.publisher.versions.ledger().current, Some(first));
}

#[tokio::test]
async fn a_flow_whose_tests_fail_is_published_only_with_a_reason() {
    let mut shop = Shop::open("publish-tests");
    let tests = shop.folder.join("ivr-flows/tests");
    std::fs::create_dir_all(&tests).unwrap();
    let test = "ivr_test: 1\nflow: small-shop\ntests:\n  - name: hangs up\n    script: [{hangs_up: now}]\n    expect: {end: transfer}\n";
    std::fs::write(tests.join("hotline.test.yaml"), test).unwrap();
    let Err(CommandError::Invalid(findings)) = shop.publish(Publication::default()).await else { panic!("taken") };
    assert!(findings[0].contains("hotline.test.yaml:"), "{findings:?}");
    let wish = Publication { skip_tests: Some("storm".into()), ..Publication::default() };
    shop.publish(wish).await.unwrap();
    let why = shop.publisher.versions.ledger().history[0].why.clone();
    assert!(why.as_deref().is_some_and(|why| why.contains("storm")), "{why:?}");
}

#[tokio::test]
async fn an_operator_goes_back_to_the_version_before_or_to_one_that_is_named() {
    let mut shop = Shop::open("publish-rollback");
    let nothing = shop.roll_back(None).await;
    assert!(matches!(nothing, Err(CommandError::Conflict(_))), "{nothing:?}");
    let first = shop.publish_edit("# one").await;
    let second = shop.publish_edit("# two").await;
    shop.edit("# trial");
    shop.publish(canary(10)).await.unwrap();
    shop.roll_back(None).await.unwrap();
    assert_eq!((&shop.in_force, shop.deeds()[0]), (&second, Deed::CanaryEnded), "first the canary ends");
    shop.roll_back(None).await.unwrap();
    assert_eq!(shop.in_force, first, "and what was only tried out is not gone back to");
    shop.roll_back(Some(&second.as_str()[..8])).await.unwrap();
    assert_eq!(shop.in_force, second);
    let unknown = shop.roll_back(Some("zzz")).await;
    assert!(matches!(unknown, Err(CommandError::NotFound(_))), "{unknown:?}");
    let (shop, _) = shop.restarted();
    assert_eq!(shop.in_force, second);
}

#[tokio::test]
async fn a_canary_that_harms_callers_is_taken_back_and_one_that_does_not_survives_a_restart() {
    let mut shop = Shop::open("publish-canary");
    let early = shop.publish(canary(10)).await;
    assert!(matches!(early, Err(CommandError::Conflict(_))), "there is nothing to go back to");
    let base = shop.publish_edit("# base").await;
    let same = shop.publish(canary(10)).await;
    assert!(matches!(same, Err(CommandError::Conflict(_))), "nothing is new");
    shop.edit("# trial");
    shop.publish(canary(10)).await.unwrap();
    let (mut shop, on_trial) = shop.restarted();
    let on_trial = on_trial.expect("it goes on");
    assert_eq!(shop.in_force, base);
    let (good, bad) = (judged(ServiceEnd::Resolved, clock::wall_ms()), judged(ServiceEnd::Forced, clock::wall_ms()));
    let earlier = judged(ServiceEnd::Forced, 1);
    for _ in 0..200 {
        shop.publisher.ended(&base, (on_trial.clone(), earlier)).await;
    }
    for _ in 0..200 {
        shop.publisher.ended(&base, (base.clone(), good)).await;
        shop.publisher.ended(&base, (on_trial.clone(), bad)).await;
    }
    let told = shop.told();
    assert_eq!(told[0], "no canary");
    assert!(told[1].contains("was taken back"), "{told:?}");
    assert_eq!(told.len(), 2, "once");
    assert_eq!(shop.deeds()[0], Deed::TakenBack);
    assert_eq!(shop.restarted().1, None);
}

fn judged(end: ServiceEnd, wall: u64) -> Judged {
    use crate::events::{Cause, EndedBy, SwitchEvent};
    let mut fold = crate::cdr::Fold::new();
    let call = Some(crate::ids::CallId(1));
    let events = [
        EventKind::CallArrived {
            from: "13800138000".into(),
            to: "95598".into(),
            source: crate::events::Source::Extension(crate::ids::AgentId::new("1001")),
            sip_call_id: "x".into(),
            leg: crate::ids::LegId(1),
            project: None,
        },
        EventKind::FlowStarted { flow: "small-shop".into(), version: FlowVersion::new("f00d") },
        EventKind::ServiceEnded { end, closed: false, account: None },
        EventKind::CallEnded { cause: Cause::Normal, by: EndedBy::Caller },
    ];
    let mut records =
        (1..).zip(events).filter_map(|(seq, kind)| fold.apply(&SwitchEvent { seq, wall, mono: 1, call, kind }));
    Judged::of(&records.next().unwrap()).unwrap()
}

#[tokio::test]
async fn a_planned_version_comes_into_force_at_its_time_and_not_before() {
    let mut shop = Shop::open("publish-planned");
    let first = shop.in_force.clone();
    let over = shop.publish(Publication { at: Some(1), ..Publication::default() }).await;
    assert!(matches!(over, Err(CommandError::Invalid(_))), "{over:?}");
    shop.edit("# planned");
    shop.publish(Publication { at: Some(u64::MAX / 2), ..Publication::default() }).await.unwrap();
    let (mut shop, _) = Shop::started(shop.folder);
    shop.publisher.due(&shop.config, &mut shop.in_force).await;
    assert!(shop.told().is_empty() && shop.publisher.wait().is_some(), "it is not yet time");
    let entry = shop.publisher.versions.ledger().history[0].clone();
    let planned = entry.version.clone();
    assert_ne!(planned, first);
    let now = |ledger: &mut Ledger| ledger.planned.iter_mut().for_each(|planned| planned.at = 1);
    shop.publisher.versions.change(None, now).unwrap();
    shop.publisher.due(&shop.config, &mut shop.in_force).await;
    assert_eq!(shop.in_force, planned);
    assert_eq!((shop.told().len(), shop.publisher.wait()), (2, None));
}

#[tokio::test]
async fn calls_are_moved_only_to_a_section_that_is_there() {
    let mut shop = Shop::open("publish-move");
    let to = |section: &str| Publication { move_calls: Some(section.into()), ..Publication::default() };
    let nowhere = shop.publish(to("nowhere")).await;
    assert!(matches!(nowhere, Err(CommandError::Invalid(_))), "{nowhere:?}");
    shop.publish(to("start")).await.unwrap();
    assert_eq!(shop.told().last().map(String::as_str), Some("move to start"));
}
