"""Every attack at full count, by name. `python -m resilience attacks` runs them."""

from resilience.attack_client_tokens import state_keys
from resilience.attack_connections import (
    anonymous_sockets,
    fragments,
    idle_connections,
    malformed_bodies,
    unconnected_sockets,
    unfinished_bodies,
)
from resilience.attack_content_flash import flash
from resilience.attack_flood import flood
from resilience.attack_handler_fuzz import handler_fuzz
from resilience.attack_isolation import (
    foreign_handlers,
    foreign_routes,
    isolation_machine,
    membership_machine,
    reading_machine,
)
from resilience.attack_leaked_secrets import canaries, log_injection
from resilience.attack_model_sizes import oversized_answers
from resilience.attack_origins import (
    SECOND_HOST,
    forged_requests,
    headers_crawl,
    host_table,
    origin_table,
    unknown_paths,
)
from resilience.attack_password_guessing import (
    crowded_client,
    guesses,
    guesses_behind_a_proxy,
    login_storm,
    many_networks,
)
from resilience.attack_quotas import (
    STORED_BYTES,
    large_pages,
    readers,
    storage,
    tabs,
    writes,
)
from resilience.attack_revocation import revocation
from resilience.attack_schema import schema_requests
from resilience.attack_secret_rotation import rotation
from resilience.attack_session_endings import ends
from resilience.attack_sign_out_other_tab import blank
from resilience.attack_socket_fuzz import frame_fuzz
from resilience.attack_timing import timing
from resilience.attack_unsafe_settings import bad_settings
from resilience.attack_xss import hostile_texts
from resilience.attacker import with_own_program
from resilience.report import Scenario

SCENARIOS: dict[str, Scenario] = {
    "state-key": with_own_program(state_keys),
    "origin-table": with_own_program(origin_table),
    "forged-requests": with_own_program(forged_requests),
    "headers-crawl": with_own_program(headers_crawl),
    "host-table": with_own_program(host_table, **SECOND_HOST),
    "unknown-paths": with_own_program(unknown_paths),
    "handler-fuzz": handler_fuzz,
    "frame-fuzz": with_own_program(frame_fuzz),
    "schema-requests": schema_requests,
    "foreign-routes": with_own_program(foreign_routes),
    "foreign-handlers": with_own_program(foreign_handlers),
    "isolation-machine": isolation_machine,
    "membership-machine": membership_machine,
    "reading-machine": reading_machine,
    "flood": with_own_program(flood),
    "unfinished-bodies": with_own_program(unfinished_bodies),
    "malformed-bodies": with_own_program(malformed_bodies),
    "idle-connections": with_own_program(idle_connections),
    "unconnected-sockets": with_own_program(unconnected_sockets),
    "anonymous-sockets": with_own_program(anonymous_sockets),
    "fragments": with_own_program(fragments),
    "large-pages": with_own_program(large_pages),
    "readers": with_own_program(readers),
    "tabs": with_own_program(tabs),
    "writes": with_own_program(writes),
    "storage": with_own_program(storage, STORED_BYTES_PER_USER=str(STORED_BYTES)),
    "oversized-answers": oversized_answers,
    "hostile-texts": with_own_program(hostile_texts),
    "canaries": canaries,
    "log-injection": with_own_program(log_injection, LOG_LEVEL="debug"),
    "password-guesses": with_own_program(guesses),
    "guesses-behind-a-proxy": with_own_program(guesses_behind_a_proxy, TRUSTED_PROXY_HOPS="1"),
    "crowded-client": with_own_program(crowded_client, TRUSTED_PROXY_HOPS="1"),
    "many-networks": with_own_program(many_networks, TRUSTED_PROXY_HOPS="1"),
    "login-storm": with_own_program(login_storm),
    "timing": timing,
    "bad-settings": bad_settings,
    "revocation": revocation,
    "ends": ends,
    "rotation": rotation,
    "blank": with_own_program(blank, CHAT_MODEL="fake:1000x20"),
    "flash": flash,
}
