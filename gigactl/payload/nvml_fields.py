"""Field ids of nvmlDeviceGetFieldValues by reading name. Only ids that every nvml.h from 550 to 595 numbers alike, but for
REASON_TIMES, which mean this from 580.82 on and something else on some drivers before it."""


def _watts(value):
    return value / 1000.0


def _same(value):
    return value


# name, field id, conversion
FIELDS = (
    ("nvlink.links", 91, int),
    ("temperature.memory", 82, _same),
    ("power.average", 185, _watts),
    ("power.instant", 186, _watts),
    ("clock.time.power_cap", 74, _same),
    ("clock.time.thermal", 75, _same),
    ("recovery_action", 230, int),
    ("pcie.fatal_errors", 180, _same),
    ("pcie.non_fatal_errors", 179, _same),
)
REASON_TIMES_SINCE = (580, 82)
REASON_TIMES = (
    ("clock.time.sw_thermal", 269, _same),
    ("clock.time.hw_thermal", 270, _same),
    ("clock.time.hw_power_brake", 271, _same),
)
# the scope is the link's number
LINK_FIELDS = (
    ("nvlink.%d.speed", 164, _same),
    ("nvlink.%d.replay_errors", 161, _same),
    ("nvlink.%d.recovery_errors", 162, _same),
    ("nvlink.%d.crc_errors", 163, _same),
    ("nvlink.%d.recovery_failed", 214, _same),
    ("nvlink.%d.symbol_errors", 221, _same),
)
NEVER = frozenset((199, 200))
GUARDED = frozenset(range(251, 274))
