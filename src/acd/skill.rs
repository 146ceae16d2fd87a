//! What agents can do and what callers need: levels by skill.

use std::collections::BTreeMap;

/// How well somebody can do something: 0 (not at all) to 100.
pub type Level = u8;

/// The best there is.
pub const MAX_LEVEL: Level = 100;

/// A skill's number, stable while the switch runs.
pub(super) type SkillKey = u32;

/// Levels by skill, each skill once: what an agent has, or the least that a caller needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Levels(Vec<(SkillKey, Level)>);

impl Levels {
    /// Of a skill named twice the higher level counts.
    pub(super) fn new(levels: impl IntoIterator<Item = (SkillKey, Level)>) -> Self {
        let mut of: BTreeMap<SkillKey, Level> = BTreeMap::new();
        for (skill, level) in levels {
            let known = of.entry(skill).or_default();
            *known = level.min(MAX_LEVEL).max(*known);
        }
        Self(of.into_iter().filter(|(_, level)| *level > 0).collect())
    }

    pub(super) fn level(&self, skill: SkillKey) -> Level {
        self.0.binary_search_by_key(&skill, |(known, _)| *known).map_or(0, |at| self.0[at].1)
    }

    /// Whether somebody with these levels can do what `wants` asks for.
    pub(super) fn meet(&self, wants: &Levels) -> bool {
        wants.0.iter().all(|(skill, least)| self.level(*skill) >= *least)
    }

    /// The first skill of which there is too little: what there is, and the least that is wanted.
    pub(super) fn lack(&self, wants: &Levels) -> Option<(SkillKey, Level, Level)> {
        let lacking = wants.iter().find(|(skill, least)| self.level(*skill) < *least);
        lacking.map(|(skill, least)| (skill, self.level(skill), least))
    }

    /// How well: the sum of the levels in the skills that are asked for.
    pub(super) fn fit(&self, wants: &Levels) -> u32 {
        wants.0.iter().map(|(skill, _)| u32::from(self.level(*skill))).sum()
    }

    /// The same demands, none above `level`; at 0 nothing is asked for any more.
    pub(super) fn lowered(&self, level: Level) -> Levels {
        Self::new(self.0.iter().map(|(skill, least)| (*skill, (*least).min(level))))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SkillKey, Level)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lacks_one_of_the_skills_or_has_too_little_of_it_cannot_serve() {
        let agent = Levels::new([(1, 60), (2, 30), (3, 0)]);
        assert!(agent.meet(&Levels::default()) && agent.meet(&Levels::new([(1, 60)])));
        assert!(!agent.meet(&Levels::new([(1, 61)])) && !agent.meet(&Levels::new([(1, 10), (4, 1)])));
        assert!(agent.meet(&Levels::new([(3, 0)])), "nothing is asked for");
        assert!(agent.meet(&Levels::new([(1, 80), (2, 80)]).lowered(30)));
        assert_eq!(agent.fit(&Levels::new([(1, 1), (2, 1), (3, 1)])), 90);
    }
}
