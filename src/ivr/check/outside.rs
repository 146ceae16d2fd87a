//! What lookups ask, and what leaves with a call, must be named in hotline.yaml by whoever answers for the network.

use super::View;
use crate::ivr::bundle::{Bundle, Platform};
use crate::ivr::diag::Diags;
use crate::ivr::lookup::{Http, Source};
use crate::ivr::source::Name;
use crate::ivr::step::{Fact, Refers};
use std::collections::BTreeSet;

pub(super) fn check(views: &[View], bundle: &Bundle, platform: &Platform, diags: &mut Diags) {
    views.iter().for_each(|view| carried(view, platform, diags));

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

/// A private value goes to a trunk that is known to be given it.
fn carried(view: &View, platform: &Platform, diags: &mut Diags) {
    for node in &view.nodes {
        let Some(trunk) = node.refers(Refers::Trunk) else { continue };
        let Some(known) = platform.trunks.get(&trunk.text) else { continue };
        for fact in &node.facts {
            let Fact::Carries(name) = fact else { continue };
            let private = view.flow.vars.get(&name.text).is_some_and(|declared| declared.private && !declared.secret);
            if private && !known.contains(&name.text) {
                let message = format!("`{}` is private, and trunk `{}` is not to be told it", name.text, trunk.text);
                let hint = format!("leave it out, or add `private: [{}]` to the trunk in hotline.yaml", name.text);
                diags.error_hint("E703", name.span, message, hint);
            }
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
