//! What is to be recorded: the pieces of every prompt's text around its values, each one audio file.

use super::neat::Texts;

/// One audio file and the words in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    pub lang: String,
    /// The file's name without its ending: `balance_is-1`.
    pub file: String,
    pub prompt: String,
    pub text: String,
    /// The whole text, with `…` where values are read.
    pub whole: String,
}

/// In the order of language and file. A piece of only signs has no file and takes no number, as flows play them.
pub fn spoken(texts: &Texts) -> Vec<Spoken> {
    let mut found = Vec::new();
    for (prompt, languages) in texts {
        for (lang, text) in languages {
            let mut words = Vec::new();
            let mut rest = text.as_str();
            while let Some((before, after)) = rest.split_once('{') {
                words.push(before);
                rest = after.split_once('}').map_or("", |(_, after)| after);
            }
            words.push(rest);
            let whole = words.join("…");
            let slots = words.len() > 1;
            let said = words.iter().map(|piece| piece.trim()).filter(|piece| piece.chars().any(char::is_alphanumeric));
            found.extend(said.enumerate().map(|(n, piece)| Spoken {
                lang: lang.clone(),
                file: if slots { format!("{prompt}-{}", n + 1) } else { prompt.clone() },
                prompt: prompt.clone(),
                text: piece.to_string(),
                whole: whole.clone(),
            }));
        }
    }
    found.sort_by(|a, b| (&a.lang, &a.file).cmp(&(&b.lang, &b.file)));
    found
}

#[cfg(test)]
mod tests {
    use super::super::source::Sources;
    use super::super::{load, neat};
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    #[test]
    fn the_pieces_to_record_are_those_that_flows_play() {
        let files = [
            ("prompts/power.yaml", include_str!("../../prompts/power.yaml")),
            ("prompts/system.yaml", include_str!("../../prompts/system.yaml")),
            ("prompts/atoms.yaml", include_str!("../../prompts/atoms.yaml")),
        ];
        let sources = Sources { files: files.map(|(path, text)| (path.into(), text.into())).into() };
        let ours: BTreeSet<(String, String)> =
            spoken(&neat::texts(&sources)).into_iter().map(|piece| (piece.lang, piece.file)).collect();
        let asked = RefCell::new(BTreeSet::new());
        let _ = load(&sources, None, &|lang, id| {
            asked.borrow_mut().insert((lang.to_string(), id.to_string()));
            Some(1)
        });
        assert_eq!(ours, asked.into_inner());
    }

    #[test]
    fn a_fragment_is_shown_in_its_sentence() {
        let texts = Texts::from([("sum".into(), [("zh".into(), "您的余额为{balance:money}。".into())].into())]);
        let pieces = spoken(&texts);
        assert_eq!(pieces.len(), 1);
        assert_eq!((&*pieces[0].file, &*pieces[0].text, &*pieces[0].whole), ("sum-1", "您的余额为", "您的余额为…。"));
    }
}
