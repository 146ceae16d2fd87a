//! Keys that hide one another.

use super::View;
use crate::ivr::diag::Diags;
use crate::ivr::flow::Target;
use crate::ivr::step::Fact;

pub(super) fn check(view: &View, diags: &mut Diags) {
    for fact in view.nodes.iter().flat_map(|node| &node.facts) {
        let Fact::BindsKey(key, span) = fact else { continue };
        let Some(first) = key.chars().next() else { continue };
        let Some(target) = view.flow.shortcuts.get(&first) else { continue };
        let leads = match target {
            Target::Section(name) => format!("to `{}`", name.text),
            Target::Back => "back".into(),
            Target::Repeat => "to hear it again".into(),
        };
        let name = match first {
            '*' => "star".to_string(),
            '#' => "hash".to_string(),
            digit => digit.to_string(),
        };
        diags.warn("E403", *span, format!("this hides the shortcut `{name}` {leads} while this menu is heard"));
    }
}
