//! What an admin may write, as data: which settings a group has, what each takes, and what it is for. Reading refuses by
//! these tables, and the schema for editors and the reference are made from them, so that the three cannot disagree.

/// Settings with fixed names.
#[derive(Debug)]
pub(super) struct Group {
    /// As findings call it: "`queue`", "a calendar".
    pub what: &'static str,
    pub settings: &'static [Setting],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub name: &'static str,
    pub need: Need,
    pub shape: Shape,
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Need {
    Required,
    Optional,
    /// What holds where nothing is said.
    Default(&'static str),
    /// The section to go to at something that happens to every caller some day; tells when.
    Outcome,
}

/// What a setting takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Prompt,
    /// One prompt or a list of them.
    Prompts,
    Section,
    /// A section, or `back` or `repeat`.
    Target,
    /// The name of something.
    Name,
    /// One such name or a list of them.
    Names,
    Text,
    Expression,
    Flag,
    /// A whole number from, to.
    Number(u32, u32),
    /// A length of time, in milliseconds from, to; with what it is called.
    Time(&'static str, u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Keys of the telephone, of at most so many digits, and what each takes.
    Keys(usize, &'static Shape),
    /// The admin's own names, and what each takes.
    Named(&'static Shape),
    List(&'static Shape),
    Either(&'static [Shape]),
    Group(&'static Group),
    /// Exactly one setting of a group.
    One(&'static Group),
    Steps,
    /// Nothing after the colon.
    Nothing,
    /// Read by another part of the product.
    Any,
}

pub(super) const fn required(name: &'static str, shape: Shape, help: &'static str) -> Setting {
    Setting { name, need: Need::Required, shape, help }
}

pub(super) const fn optional(name: &'static str, shape: Shape, help: &'static str) -> Setting {
    Setting { name, need: Need::Optional, shape, help }
}

/// An outcome that must lead somewhere; `when` it happens.
pub(super) const fn outcome(name: &'static str, when: &'static str) -> Setting {
    Setting { name, need: Need::Outcome, shape: Shape::Section, help: when }
}

/// Settings of one group after those of another, for what several groups have in common.
pub(super) const fn joined<const A: usize, const B: usize, const N: usize>(
    first: [Setting; A],
    then: [Setting; B],
) -> [Setting; N] {
    assert!(A + B == N);
    let mut all = [first[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < A { first[at] } else { then[at - A] };
        at += 1;
    }
    all
}

impl Setting {
    /// What holds where nothing is said, as the reference tells it.
    pub const fn or(self, default: &'static str) -> Setting {
        Setting { need: Need::Default(default), ..self }
    }

    pub fn is_needed(&self) -> bool {
        matches!(self.need, Need::Required | Need::Outcome)
    }
}

impl Group {
    pub fn setting(&self, name: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.settings.iter().map(|setting| setting.name)
    }
}

/// A list of variables by name.
pub(super) const VARIABLES: Shape = Shape::Names;
/// `name: expression` pairs.
pub(super) const ASSIGNMENTS: Shape = Shape::Named(&Shape::Expression);
/// `variable: name` pairs.
pub(super) const RECEIVED: Shape = Shape::Named(&Shape::Name);
