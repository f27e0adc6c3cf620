"""What the driver wrote into the kernel log and nothing has cured since: Xids of GPUs, SXids of NVSwitches."""

from __future__ import annotations

from datetime import datetime, timedelta

from gigactl.health.kernel_events import Episode
from gigactl.health.rule import Collect, Rule
from gigactl.health.view import View
from gigactl.health.xid import sxid_meaning, xid_meaning
from gigactl.payload.schema import KernelEvent
from gigactl.results import Evidence, Reason, Unread, parse_unread

_LOG = "kernel log"


def kernel_log(rule: Rule, view: View, out: Collect) -> None:
    """One finding per code and GPU (or switch); how often and when last stands in the evidence."""
    kernel = view.snapshot["kernel"]
    if kernel is None:
        out.gap(rule, _LOG, Unread(Reason.NOT_READ, "no kernel log came"))
    elif kernel["unread"]:
        why = parse_unread(kernel["unread"])
        needs_root = why.reason is Reason.NO_PERMISSION and view.snapshot["euid"] != 0
        out.gap(rule, _LOG, Unread(why.reason, "needs root") if needs_root else why)
    elif kernel["gap"]:
        out.note(f"the kernel log may lack lines: {kernel['gap_reason'] or 'a gap'}")
    for episode in view.episodes:
        _episode(view, episode, out)


def _episode(view: View, episode: Episode, out: Collect) -> None:
    if episode.kind == "sxid":
        meaning = sxid_meaning(episode.code, episode.events)
        finding = f"SXID-{episode.code}"
    else:
        meaning = xid_meaning(episode.code, episode.events, view.branch)
        finding = f"XID-{episode.code}"
    gpu = view.ref(episode.pci) if episode.kind == "xid" and episode.pci else None
    evidence = Evidence(f"{finding} in the kernel log", len(episode.events), 0, _last(view, episode))
    out.find(finding, evidence, gpu=gpu, summary=meaning.summary, ask=meaning.ask)


def _last(view: View, episode: Episode) -> str:
    event = episode.events[-1]
    return f"last at {_time(view, event)}: {event['text']}"


def _time(view: View, event: KernelEvent) -> str:
    """The host's clock when the line was written; seconds since boot where the host's clock is not known or makes no
    sense (a host may say anything)."""
    facts = view.facts
    try:
        after = timedelta(microseconds=event["usec"])
    except OverflowError:
        return "a time that makes no sense"
    try:
        now = datetime.fromisoformat(facts["at"]) if facts else None
        if facts is not None and now is not None:
            written = now - timedelta(seconds=facts["uptime_s"]) + after
            return written.isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        pass
    return f"{after.total_seconds():.0f} s after boot"


RULES = (Rule("kernel-log", ("XID-*", "SXID-*"), (_LOG,), True, kernel_log),)
