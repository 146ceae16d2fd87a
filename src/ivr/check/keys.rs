//! Keys that hide one another.

use super::View;
use crate::ivr::diag::Diags;
use crate::ivr::flow::Target;
use crate::ivr::step::Fact;

pub(super) fn check(view: &View, diags: &mut Diags) {
    for fact in view.nodes.iter().flat_map(|node| &node.facts) {
        let Fact::Key { key, span, target: own } = fact else { continue };
        let Some(first) = key.chars().next() else { continue };
        let Some(target) = view.flow.shortcuts.get(&first) else { continue };
        let leads = match (target, own) {
            // The same said twice hides nothing.
            (Target::Section(name), Target::Section(own)) if own.text == name.text => continue,
            (Target::Back, Target::Back) | (Target::Repeat, Target::Repeat) => continue,
            (Target::Section(name), _) => format!("to `{}`", name.text),
            (Target::Back, _) => "back".into(),
            (Target::Repeat, _) => "to hear it again".into(),
        };
        let name = super::named_key(first);
        diags.warn("E403", *span, format!("this hides the shortcut `{name}` {leads} while this menu is heard"));
    }
}
