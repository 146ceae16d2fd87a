//! How urgently the kernel runs the calling thread. The one place of the media plane with `unsafe` code.
#![allow(unsafe_code)]

use std::io;
use std::num::NonZeroU64;

/// Above every ordinary thread, below the kernel's own (which are at 50): a media thread needs a few microseconds of
/// each millisecond, and the kernel keeps 5 % of a core from real-time threads that run wild.
const FIFO_PRIORITY: libc::c_int = 10;
const NICE: i32 = -10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    RealTime,
    Nice,
    Ordinary,
}

/// Makes the calling thread as urgent as it is allowed to be, and its sleeps exact.
pub(super) fn make_urgent(real_time: bool) -> Urgency {
    // Sleeps otherwise end up to 50 us late so that wake-ups can be joined. A refusal costs only that.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    if real_time && set_fifo().is_ok() {
        return Urgency::RealTime;
    }
    // On Linux a process id of 0 means the calling thread only.
    match rustix::process::setpriority_process(None, NICE) {
        Ok(()) => Urgency::Nice,
        Err(_) => Urgency::Ordinary,
    }
}

fn set_fifo() -> io::Result<()> {
    let param = libc::sched_param { sched_priority: FIFO_PRIORITY };
    // SAFETY: `param` outlives the call, which only reads it; 0 is the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &param) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
