//! Where a flow's lookups are answered. The demo answers those of the sample hotline itself; lookups over HTTP come with the
//! rest of the flow language, and until then a flow takes its `failed` way.

use super::event_loop::Control;
use crate::ids::CallId;
use crate::ivr::{LookupResult, Type, Value};
use tokio::sync::mpsc;

pub(super) struct Lookups {
    pub control: mpsc::Sender<Control>,
    pub demo: bool,
}

impl Lookups {
    pub(super) fn fetch(&self, call: CallId, id: u32, lookup: String, args: Vec<(String, Value)>) {
        let result = match self.demo {
            true => answer(&lookup, &args),
            false => {
                tracing::warn!(%call, lookup, "no source for this lookup; the flow takes its `failed` way");
                LookupResult::Failed
            }
        };
        // A full queue means overload; the flow's own time limit is its answer then.
        let _ = self.control.try_send(Control::Fetched { call, id, result });
    }
}

impl Lookups {
    /// There is nothing yet to keep it in; the flow takes its `failed` way.
    pub(super) fn refuse_post(&self, call: CallId, id: u32) {
        let _ = self.control.try_send(Control::Posted { call, id, reference: None });
    }
}

/// The customers of the sample hotline: whoever calls has account 3101234569 and a balance of 1205.30 yuan.
fn answer(lookup: &str, args: &[(String, Value)]) -> LookupResult {
    let found = |fields: &[(&str, Type, &str)]| {
        let read = |(name, ty, text): &(&str, Type, &str)| Some((name.to_string(), ty.read(text)?));
        LookupResult::Found(fields.iter().filter_map(read).collect())
    };
    let arg = |wanted: &str| match args.iter().find(|(name, _)| name == wanted) {
        Some((_, Value::Text(text) | Value::Digits(text))) => text.as_str(),
        _ => "",
    };
    match lookup {
        "account_by_phone" if arg("phone").is_empty() => LookupResult::NotFound,
        "account_by_phone" => found(&[("account", Type::Digits, "3101234569")]),
        "bill_by_account" if arg("account").ends_with('0') => found(&[("balance", Type::Money, "-86.05")]),
        "bill_by_account" => found(&[("balance", Type::Money, "1205.30")]),
        "outage_by_account" => {
            found(&[("known", Type::Flag, "false"), ("restore_at", Type::Datetime, "2026-01-01 18:30")])
        }
        "verify_owner" if arg("id") == "123456" => found(&[]),
        "verify_owner" => LookupResult::NotFound,
        _ => LookupResult::Failed,
    }
}
