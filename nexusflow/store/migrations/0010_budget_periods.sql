-- How full budgets are is asked every few seconds, about the present periods alone.
CREATE INDEX budget_spend_by_period ON budget_spend (period_start);
