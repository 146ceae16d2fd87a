//! The places that are to be known at any time, refreshed as their records expire.

use super::order::{Located, NotFound};
use super::records::{Answer, Question};
use super::{Place, Reach, Search};
use crate::timers::Timers;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// After a search that found nothing: doubled each time, up to the longest.
const RETRY: Duration = Duration::from_secs(10);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// A question of the directory's, for a name server. Bring it back with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    place: Place,
    /// Which search asks. An answer to an earlier one is too late.
    search: u64,
    pub question: Question,
}

/// What somebody should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Known for the first time or again, or known with other servers than before.
    Found(Place, Located),
    /// Nothing is known of it.
    Unknown(Place, NotFound),
    /// A refresh found nothing; what was known before goes on being used. Told once.
    Stale(Place, NotFound),
}

#[derive(Debug, Default)]
pub struct Directory {
    reach: Reach,
    entries: BTreeMap<Place, Entry>,
    timers: Timers<Place>,
    questions: VecDeque<Asked>,
    news: VecDeque<News>,
    last_search: u64,
}

#[derive(Debug, Default)]
struct Entry {
    located: Option<Located>,
    search: Option<(u64, Search)>,
    /// In a row.
    failures: u32,
}

impl Directory {
    pub fn new(reach: Reach) -> Directory {
        Directory { reach, ..Directory::default() }
    }

    /// From now on exactly these are kept. What is known of one that was there before is kept.
    pub fn keep(&mut self, now: Instant, places: BTreeSet<Place>) {
        self.entries.retain(|place, _| places.contains(place));
        for place in places {
            if !self.entries.contains_key(&place) {
                self.entries.insert(place.clone(), Entry::default());
                self.search(now, place);
            }
        }
        let gone: Vec<Place> = self.timers.keys().filter(|place| !self.entries.contains_key(place)).cloned().collect();
        gone.iter().for_each(|place| self.timers.clear(place));
    }

    /// What is known now. `None` until a first search has found something.
    pub fn located(&self, place: &Place) -> Option<&Located> {
        self.entries.get(place)?.located.as_ref()
    }

    pub fn poll_question(&mut self) -> Option<Asked> {
        self.questions.pop_front()
    }

    pub fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    pub fn handle_answer(&mut self, now: Instant, asked: &Asked, answer: Answer) {
        let Some(entry) = self.entries.get_mut(&asked.place) else { return };
        let Some((_, search)) = entry.search.as_mut().filter(|(id, _)| *id == asked.search) else { return };
        search.handle_answer(&asked.question, answer);
        self.advance(now, &asked.place);
    }

    /// Whether an answer is awaited.
    pub fn is_searching(&self) -> bool {
        self.entries.values().any(|entry| entry.search.is_some())
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next().map(|(at, _)| at)
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(place) = self.timers.pop(now) {
            self.search(now, place);
        }
    }

    fn search(&mut self, now: Instant, place: Place) {
        let Some(entry) = self.entries.get_mut(&place) else { return };
        self.last_search += 1;
        entry.search = Some((self.last_search, Search::new(place.clone(), self.reach.clone())));
        self.advance(now, &place);
    }

    /// Hands out what the search asks, or takes what it found.
    fn advance(&mut self, now: Instant, place: &Place) {
        let Some(entry) = self.entries.get_mut(place) else { return };
        let Some((id, search)) = &mut entry.search else { return };
        while let Some(question) = search.poll_question() {
            self.questions.push_back(Asked { place: place.clone(), search: *id, question });
        }
        let Some(result) = search.result().cloned() else { return };
        entry.search = None;
        match result {
            // What is known goes on being used until all questions have had their answers.
            Ok(located) if located.doubtful && entry.located.is_some() => {
                self.timers.set(place.clone(), now + located.ttl);
            }
            Ok(located) => {
                entry.failures = 0;
                // An address has no record that could change.
                if place.is_name() {
                    self.timers.set(place.clone(), now + located.ttl);
                }
                let same = entry.located.as_ref().is_some_and(|known| known.servers == located.servers);
                entry.located = Some(located.clone());
                if !same {
                    self.news.push_back(News::Found(place.clone(), located));
                }
            }
            Err(why) => {
                if place.is_name() {
                    let wait = RETRY.saturating_mul(1 << entry.failures.min(8)).min(LONGEST_RETRY);
                    self.timers.set(place.clone(), now + wait);
                }
                entry.failures = entry.failures.saturating_add(1);
                if entry.failures == 1 {
                    self.news.push_back(match &entry.located {
                        Some(_) => News::Stale(place.clone(), why),
                        None => News::Unknown(place.clone(), why),
                    });
                }
            }
        }
    }
}
