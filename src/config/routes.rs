//! The numbers of a configuration as a routing table.

use super::{Config, Number, OpenTo, Target};
use crate::ids::ProjectId;
use crate::routing::{self, Destination, NumberPattern, Route, RouteTable};
use crate::switch::Project;

impl Config {
    /// The numbers of the file, and every extension under its own number, for extensions only. The error is a sentence;
    /// a checked file has none.
    pub fn routes(&self) -> Result<RouteTable, String> {
        let mut routes = Vec::with_capacity(self.numbers.len() + self.agents.len());
        for number in &self.numbers {
            let pattern = number.number.parse::<NumberPattern>();
            let pattern = pattern.map_err(|error| format!("number `{}`: {error}", number.number))?;
            let to = match &number.to {
                Target::Flow(flow) => Destination::Flow(flow.clone()),
                Target::Queue(queue) => Destination::Queue(queue.clone()),
                Target::Agent(agent) => Destination::Extension(agent.clone()),
                Target::Trunk { trunk, number } => Destination::Trunk { trunk: trunk.clone(), number: number.clone() },
                Target::Test(test) => Destination::Test(*test),
            };
            let open_to = match &number.open_to {
                OpenTo::AnyTrunk => routing::OpenTo::everyone_known(),
                OpenTo::Trunks(trunks) => routing::OpenTo::trunks(trunks.iter().cloned()),
            };
            let project = self.project_of(number);
            // A project's calls take from the budget of its name, where there is one.
            let of_project = || project.clone().filter(|project| self.admission.budgets.contains_key(project));
            let (budget, class) = (number.budget.clone().or_else(of_project), number.class);
            routes.push(Route { project, budget, class, ..Route::new(pattern, to, open_to) });
        }
        for agent in self.agents.keys() {
            let number = NumberPattern::exact(agent.as_str()).map_err(|error| format!("agent `{agent}`: {error}"))?;
            let (to, open_to) = (Destination::Extension(agent.clone()), routing::OpenTo::extensions());
            routes.push(Route::new(number, to, open_to));
        }
        let sources = self
            .trunks
            .values()
            .filter(|trunk| trunk.enabled)
            .flat_map(|trunk| trunk.sources.iter().map(|block| (*block, trunk.id.clone())));
        RouteTable::new(routes, sources).map_err(|error| error.to_string())
    }

    /// The project that has the number, else the one that has the queue it leads to.
    fn project_of(&self, number: &Number) -> Option<ProjectId> {
        let has_number = |project: &&Project| project.numbers.contains(&number.number);
        let has_queue =
            |project: &&Project| matches!(&number.to, Target::Queue(queue) if project.queues.contains(queue));
        let projects = || self.projects.values();
        projects().find(has_number).or_else(|| projects().find(has_queue)).map(|project| project.id.clone())
    }
}
