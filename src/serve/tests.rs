use super::*;
use crate::media::RecordingId;

#[tokio::test]
async fn an_owner_that_panics_ends_the_process_with_a_failure() {
    let mut owner = tokio::spawn(async { panic!("a fault of ours") });
    let code = watched(&mut owner, std::future::pending()).await.unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
    assert!(owner.is_finished());
}

#[tokio::test]
async fn a_wish_to_stop_is_heard_while_the_owner_works() {
    let mut owner = tokio::spawn(std::future::pending());
    let code = watched(&mut owner, async { Ok(ExitCode::SUCCESS) }).await.unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    owner.abort();
}

#[test]
fn recordings_that_fail_alarm_once_a_minute_with_the_remedy() {
    let failed = |call| RecordingNotice::Failed {
        recording: RecordingId(call),
        call: CallId(call),
        file: "x.wav".into(),
        error: "the disk of the recordings is full: free some space".into(),
    };
    let (mut trouble, now) = (RecordingTrouble::default(), Instant::now());
    let at = |s| now + Duration::from_secs(s);
    assert!(trouble.alarm(&failed(1), at(0)).unwrap().contains("free some space"));
    assert_eq!(trouble.alarm(&failed(2), at(59)), None);
    assert!(trouble.alarm(&failed(3), at(61)).is_some());
    assert!(trouble.alarm(&RecordingNotice::Stopped, at(62)).is_some());
}
