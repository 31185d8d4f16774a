from testing.run_services import alice, bob, harness

__all__ = ["alice", "bob", "harness"]
