"""One look at hosts: probe, judge on arrival, compare at the end. What the check, cron and later the gates stand on."""
