"""Where the mends of diagnosis and "Why?" lead."""

from flask import url_for

from kener import clock
from kener.queries.findings import Mend


def address(mend: Mend) -> str:
    """The page on which something is put right, or looked at."""
    match mend.page:
        case "monitor":
            return url_for("manage_monitors.show", tag=mend.key)
        case "monitor form":
            return url_for("manage_monitors.edit", tag=mend.key)
        case "incident":
            return url_for("manage_incidents.show", incident_id=mend.key)
        case "maintenance":
            return url_for("manage_maintenances.edit", maintenance_id=mend.key)
        case "trigger":
            return url_for("manage_triggers.edit", trigger_id=mend.key)
        case "deliveries":
            return url_for("manage_deliveries.index", trigger=mend.key or None)
        case "configuration":
            return url_for("manage_alerts.show", config_id=mend.key)
        case "configuration form":
            return url_for("manage_alerts.edit", config_id=mend.key)
        case "why":
            config_id, _, tag = str(mend.key).partition(":")
            return url_for(
                "manage_why.show", config_id=int(config_id), monitor=tag, at=f"{clock.now():%Y-%m-%dT%H:%MZ}"
            )
    raise ValueError(mend.page)
