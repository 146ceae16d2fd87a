//! The table: looked up for each new call, so exact numbers and prefixes are indexed and only patterns are tried in turn.

use super::pattern::MAX_NUMBER;
use super::{Cidr, Closed, NumberPattern, OpenTo, OpenTrunks, Route, dialled};
use crate::events::Source;
use crate::ids::TrunkId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// Why a number leads where it leads.
#[derive(Debug)]
pub struct Examined<'t> {
    /// As it is looked up.
    pub number: String,
    pub best: Option<&'t Route>,
    /// Routes that match too, and are less special.
    pub others: Vec<&'t Route>,
    /// Whether the route is open to the caller.
    pub open: bool,
}

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

    /// What decides about a number, for whoever has to explain it. Without a source the caller is a stranger.
    pub fn examine(&self, called: &str, source: Option<&Source>) -> Examined<'_> {
        let number = dialled(called);
        let best = self.best(&number);
        let others = self
            .routes
            .iter()
            .filter(|route| best.is_some_and(|best| route.number != best.number) && route.number.matches(&number));
        Examined {
            others: others.collect(),
            open: best.zip(source).is_some_and(|(best, source)| is_open(&best.open_to, source)),
            best,
            number,
        }
    }

    /// The block of addresses, and its trunk, that an address is taken to belong to.
    pub fn source_of(&self, address: IpAddr) -> Option<(Cidr, &TrunkId)> {
        self.block_of(address)
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
