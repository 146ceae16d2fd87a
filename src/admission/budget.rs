//! The rule of guarantees, ceilings and reserves, over counts alone. Each question and each change costs one look-up,
//! however many budgets there are: what the guarantees still need is kept as a running sum.

use super::{AdmissionConfig, Reserves, Share, ShareView};
use crate::events::{Class, Refusal};
use crate::ids::ProjectId;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub struct Budget {
    total: u32,
    reserves: Reserves,
    in_use: u32,
    /// The sum over all budgets of what their guarantees still need: `max(0, G - u)`.
    owed: u64,
    accounts: BTreeMap<ProjectId, Account>,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    share: Share,
    in_use: u32,
}

impl Account {
    fn owed(&self) -> u32 {
        self.share.guarantee.saturating_sub(self.in_use)
    }
}

impl Budget {
    pub fn new(config: AdmissionConfig) -> Self {
        let accounts: BTreeMap<ProjectId, Account> =
            config.budgets.into_iter().map(|(budget, share)| (budget, Account { share, in_use: 0 })).collect();
        let owed = accounts.values().map(|account| u64::from(account.owed())).sum();
        Self { total: config.total, reserves: config.reserves, in_use: 0, owed, accounts }
    }

    /// Whether one more call fits.
    pub fn admits(&self, class: Class, budget: Option<&ProjectId>) -> Result<(), Refusal> {
        let account = budget.and_then(|budget| self.accounts.get(budget));
        if let Some(account) = account
            && account.in_use >= account.share.ceiling
        {
            return Err(Refusal::BudgetCeiling);
        }
        // After a reload to a smaller total the guarantees may not fit for a while: the total holds all the same.
        if self.in_use >= self.total {
            return Err(Refusal::TotalCap);
        }
        if account.is_some_and(|account| account.in_use < account.share.guarantee) {
            return Ok(());
        }
        let owed_to_others = self.owed - account.map_or(0, |account| u64::from(account.owed()));
        let free = u64::from(self.total - self.in_use);
        if free > owed_to_others + u64::from(self.reserves.of(class)) { Ok(()) } else { Err(Refusal::Reserved) }
    }

    /// Counts a call in, whether or not it fits.
    pub fn take(&mut self, budget: Option<&ProjectId>) {
        self.in_use += 1;
        self.change(budget, |in_use| in_use + 1);
    }

    pub fn give_back(&mut self, budget: Option<&ProjectId>) {
        self.in_use = self.in_use.saturating_sub(1);
        self.change(budget, |in_use| in_use.saturating_sub(1));
    }

    pub fn total(&self) -> u32 {
        self.total
    }

    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    pub fn shares(&self) -> impl Iterator<Item = ShareView> + '_ {
        self.accounts.iter().map(|(budget, account)| ShareView {
            budget: budget.clone(),
            guarantee: account.share.guarantee,
            ceiling: account.share.ceiling,
            in_use: account.in_use,
        })
    }

    fn change(&mut self, budget: Option<&ProjectId>, to: impl Fn(u32) -> u32) {
        if let Some(account) = budget.and_then(|budget| self.accounts.get_mut(budget)) {
            let before = account.owed();
            account.in_use = to(account.in_use);
            self.owed = self.owed + u64::from(account.owed()) - u64::from(before);
        }
    }
}
