"""Every attack at full count, by name. `python -m drills attacks` runs them."""

from drills.attack_canaries import canaries, log_injection
from drills.attack_doors import forged_requests, headers_crawl, origin_table
from drills.attack_ends import ends
from drills.attack_flood import flood
from drills.attack_frames import frame_fuzz
from drills.attack_guesses import guesses, guesses_behind_a_proxy, login_storm
from drills.attack_handlers import handler_fuzz
from drills.attack_isolation import foreign_handlers, foreign_routes
from drills.attack_keys import state_keys
from drills.attack_pages import hostile_texts
from drills.attack_people import on_its_own
from drills.attack_revocation import revocation
from drills.attack_rotation import rotation
from drills.attack_settings import bad_settings
from drills.attack_timing import timing
from drills.blank import blank
from drills.flash import flash
from drills.report import Drill

DRILLS: dict[str, Drill] = {
    "state-key": on_its_own(state_keys),
    "origin-table": on_its_own(origin_table),
    "forged-requests": on_its_own(forged_requests),
    "headers-crawl": on_its_own(headers_crawl),
    "handler-fuzz": handler_fuzz,
    "frame-fuzz": on_its_own(frame_fuzz),
    "foreign-routes": on_its_own(foreign_routes),
    "foreign-handlers": on_its_own(foreign_handlers),
    "flood": on_its_own(flood),
    "hostile-texts": on_its_own(hostile_texts),
    "canaries": canaries,
    "log-injection": on_its_own(log_injection, LOG_LEVEL="debug"),
    "password-guesses": on_its_own(guesses),
    "guesses-behind-a-proxy": on_its_own(guesses_behind_a_proxy, TRUSTED_PROXY_HOPS="1"),
    "login-storm": on_its_own(login_storm),
    "timing": timing,
    "bad-settings": bad_settings,
    "revocation": revocation,
    "ends": ends,
    "rotation": rotation,
    "blank": on_its_own(blank, CHAT_MODEL="fake:1000x20"),
    "flash": flash,
}
