"""gigactl: health, provisioning, rollouts and burn-in for fleets of GPU servers, over SSH."""

__version__ = "0.1.0"
