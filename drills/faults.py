"""Faults: what the program meets on a bad day."""

from drills import clocks, disks, kills, locks, providers, sends
from drills.report import Drill

DRILLS: dict[str, Drill] = {
    **kills.DRILLS,
    **providers.DRILLS,
    **disks.DRILLS,
    **clocks.DRILLS,
    **locks.DRILLS,
    **sends.DRILLS,
}
