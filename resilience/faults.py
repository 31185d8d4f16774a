"""Every fault at full count, by name: `python -m resilience faults`."""

from resilience import (
    branches,
    clock_jumps,
    database_locks,
    disk_full,
    duplicate_sends,
    process_kills,
    provider_faults,
    proxies,
)
from resilience.report import Scenario

SCENARIOS: dict[str, Scenario] = {
    **process_kills.SCENARIOS,
    **provider_faults.SCENARIOS,
    **disk_full.SCENARIOS,
    **clock_jumps.SCENARIOS,
    **database_locks.SCENARIOS,
    **duplicate_sends.SCENARIOS,
    **proxies.SCENARIOS,
    **branches.SCENARIOS,
}
