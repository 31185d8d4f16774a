from testing.run_services import alice, bob, stage

__all__ = ["alice", "bob", "stage"]
