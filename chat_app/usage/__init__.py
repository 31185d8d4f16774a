"""The ledger of usage: how many calls of models were made, for whom, and what they took."""
