//! What lookups ask must be named in hotline.yaml, by whoever answers for the network.

use crate::ivr::bundle::{Bundle, Platform};
use crate::ivr::diag::Diags;
use crate::ivr::lookup::{Http, Source};
use crate::ivr::source::Name;
use std::collections::BTreeSet;

pub(super) fn check(bundle: &Bundle, platform: &Platform, diags: &mut Diags) {
    for http in bundle.templates.all().filter_map(|template| template.http.as_ref()) {
        request(http, platform, diags);
    }
    for lookup in bundle.lookups.values() {
        match &lookup.source {
            Source::Http(http) => request(http, platform, diags),
            Source::Sql(sql) if platform.databases.contains(&sql.database.text) => {}
            Source::Sql(sql) => unnamed("database", "databases", &sql.database, platform.databases.iter(), diags),
        }
    }
}

fn request(http: &Http, platform: &Platform, diags: &mut Diags) {
    let Some(secrets) = platform.bases.get(&http.base.text) else {
        return unnamed("base", "bases", &http.base, platform.bases.keys(), diags);
    };
    if let Some(auth) = http.auth.as_ref().filter(|auth| !secrets.contains(&auth.text)) {
        let known: BTreeSet<&str> = secrets.iter().map(String::as_str).collect();
        diags.unknown("E210", auth.span, &format!("base `{}` has no secret", http.base.text), &auth.text, known);
    }
}

fn unnamed<'a>(what: &str, key: &str, name: &Name, known: impl Iterator<Item = &'a String>, diags: &mut Diags) {
    let known: Vec<&str> = known.map(String::as_str).collect();
    if known.is_empty() {
        let message = format!("there is no {what} `{}`", name.text);
        diags.error_hint("E210", name.span, message, format!("name it under `{key}:` in hotline.yaml"));
    } else {
        diags.unknown("E210", name.span, &format!("there is no {what}"), &name.text, known);
    }
}
