//! The table: looked up for each new call, so exact numbers and prefixes are indexed and only patterns are tried in turn.

use super::pattern::MAX_NUMBER;
use super::{Cidr, Closed, NumberPattern, OpenTo, OpenTrunks, Route, dialled};
use crate::events::Source;
use crate::ids::TrunkId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// Immutable once made; a reload makes another.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    routes: Vec<Route>,
    exact: BTreeMap<String, usize>,
    prefixes: BTreeMap<String, usize>,
    /// The most specific first.
    patterns: Vec<usize>,
    sources: BTreeMap<Cidr, TrunkId>,
    /// The lengths of blocks that there are, the longest first.
    lengths: BTreeSet<std::cmp::Reverse<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableError {
    /// Two routes are for the same numbers.
    Twice(NumberPattern),
    /// One block of addresses is a source of two trunks.
    TwoTrunks { block: Cidr, first: TrunkId, second: TrunkId },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice(number) => write!(f, "number {number} is there twice; keep one of the two"),
            Self::TwoTrunks { block, first, second } => {
                write!(f, "{block} is a source of trunk {first} and of trunk {second}; give each block to one trunk")
            }
        }
    }
}

impl std::error::Error for TableError {}

impl RouteTable {
    /// `sources` are the addresses that each trunk's calls come from; of nested blocks the smallest decides.
    pub fn new(routes: Vec<Route>, sources: impl IntoIterator<Item = (Cidr, TrunkId)>) -> Result<Self, TableError> {
        let mut table = Self::default();
        let mut patterns = BTreeMap::new();
        for (at, route) in routes.iter().enumerate() {
            let before = match &route.number {
                NumberPattern::Exact(number) => table.exact.insert(number.clone(), at),
                NumberPattern::Prefix(prefix) => table.prefixes.insert(prefix.clone(), at),
                NumberPattern::Pattern(_) => patterns.insert(&route.number, at),
            };
            if before.is_some() {
                return Err(TableError::Twice(route.number.clone()));
            }
        }
        table.patterns = patterns.into_values().collect();
        // Of two patterns that are equally special, the one that stands first.
        table.patterns.sort_by_key(|at| (std::cmp::Reverse(routes[*at].number.weight()), *at));
        for (block, trunk) in sources {
            table.lengths.insert(std::cmp::Reverse(block.prefix()));
            if let Some(first) = table.sources.insert(block, trunk.clone())
                && first != trunk
            {
                return Err(TableError::TwoTrunks { block, first, second: trunk });
            }
        }
        table.routes = routes;
        Ok(table)
    }

    /// The trunk that calls from this address come by.
    pub fn trunk_of(&self, address: IpAddr) -> Option<TrunkId> {
        self.block_of(address).map(|(_, trunk)| trunk.clone())
    }

    /// The route of a number for a caller. `called` is the user part of the Request-URI.
    pub fn route(&self, called: &str, source: &Source) -> Result<&Route, Closed> {
        let route = self.best(&dialled(called)).ok_or(Closed::NotFound)?;
        if is_open(&route.open_to, source) { Ok(route) } else { Err(Closed::NotOpen) }
    }

    /// Why a number leads where it leads, in sentences. Without a source the caller is a stranger.
    pub fn explain(&self, called: &str, source: Option<&Source>) -> Vec<String> {
        let number = dialled(called);
        let mut said = Vec::new();
        let shown = number.escape_debug();
        if number != called {
            said.push(format!(
                "`{}` is looked up as `{shown}`: separators and parameters do not count.",
                called.escape_debug()
            ));
        }
        let Some(best) = self.best(&number) else {
            let answer = if source.is_some() { "404" } else { "401, as for every number" };
            said.push(format!("No route has the number `{shown}`: the caller gets {answer}. Add it under `numbers`."));
            return said;
        };
        said.push(format!("`{shown}` is for the route `{}`, which leads to {}.", best.number, best.to));
        for other in self.routes.iter().filter(|route| route.number != best.number && route.number.matches(&number)) {
            said.push(format!("The route `{}` would match too, and is less special.", other.number));
        }
        if let Some(project) = &best.project {
            said.push(format!("It belongs to project {project}."));
        }
        said.push(who(source, &best.open_to));
        said
    }

    /// Which trunk an address is taken for, in a sentence.
    pub fn explain_source(&self, address: IpAddr) -> String {
        match self.block_of(address) {
            Some((block, trunk)) => {
                format!("Calls from {address} come by trunk {trunk}, because of its source {block}.")
            }
            None => {
                format!("No trunk has {address} among its sources: a caller from there must prove to be an extension.")
            }
        }
    }

    fn block_of(&self, address: IpAddr) -> Option<(Cidr, &TrunkId)> {
        self.lengths.iter().find_map(|length| {
            let block = Cidr::around(address, length.0)?;
            self.sources.get(&block).map(|trunk| (block, trunk))
        })
    }

    fn best(&self, number: &str) -> Option<&Route> {
        if number.is_empty() || number.len() > MAX_NUMBER {
            return None;
        }
        if let Some(at) = self.exact.get(number) {
            return Some(&self.routes[*at]);
        }
        let pattern = self.patterns.iter().map(|at| &self.routes[*at]).find(|route| route.number.matches(number));
        let ends = number.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
        let prefix = ends.filter_map(|end| self.prefixes.get(&number[..end])).map(|at| &self.routes[*at]).next();
        match (pattern, prefix) {
            (Some(pattern), Some(prefix)) if prefix.number.weight() > pattern.number.weight() => Some(prefix),
            (Some(pattern), _) => Some(pattern),
            (None, prefix) => prefix,
        }
    }
}

fn is_open(open_to: &OpenTo, source: &Source) -> bool {
    match (source, &open_to.trunks) {
        (Source::Extension(_), _) => open_to.extensions,
        (Source::Trunk(_), OpenTrunks::Any) => true,
        (Source::Trunk(trunk), OpenTrunks::Only(trunks)) => trunks.contains(trunk),
    }
}

fn who(source: Option<&Source>, open_to: &OpenTo) -> String {
    let named = match source {
        None => {
            return "The caller is neither a trunk nor proves to be an extension: refused with 401, whatever the number."
                .to_owned();
        }
        Some(Source::Trunk(trunk)) => format!("trunk {trunk}"),
        Some(Source::Extension(agent)) => format!("extension {agent}"),
    };
    if source.is_some_and(|source| is_open(open_to, source)) {
        return format!("It is open to {named}: the call is taken.");
    }
    let trunks = match &open_to.trunks {
        OpenTrunks::Any => "every trunk".to_owned(),
        OpenTrunks::Only(trunks) if trunks.is_empty() => "no trunk".to_owned(),
        OpenTrunks::Only(trunks) => trunks.iter().map(TrunkId::as_str).collect::<Vec<_>>().join(", "),
    };
    let extensions = if open_to.extensions { "extensions" } else { "no extension" };
    format!(
        "It is not open to {named}, only to {trunks} and {extensions}: the caller is refused with 403, and no wider route is tried."
    )
}
