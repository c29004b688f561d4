"""The main story, told by a program alone: samples in, an alert, an incident that opens and closes by itself."""

import time

from tests.support.api import Api


def test_three_bad_minutes_open_an_incident_and_two_good_ones_close_it(api: Api) -> None:
    api.post("/monitors", {"tag": "payments", "name": "Payment API", "monitor_type": "NONE"})
    rule = {
        "monitor_tags": ["payments"],
        "alert_for": "STATUS",
        "alert_value": "DOWN",
        "failure_threshold": 3,
        "success_threshold": 2,
        "severity": "CRITICAL",
        "create_incident": "YES",
    }
    configuration = api.post("/alert-configurations", rule)["alert_configuration"]["id"]
    first = 60 * (int(time.time()) // 60 - 10)

    def see(status: str, minute: int) -> None:
        api.patch(f"/monitors/payments/data/{first + 60 * minute}", {"status": status})

    see("DOWN", 0)
    see("DOWN", 1)
    assert api.get("/alerts")["alerts"] == api.get("/incidents")["incidents"] == []
    see("DOWN", 2)
    [alert] = api.get("/alerts", config_id=configuration, alert_status="TRIGGERED")["alerts"]
    incident = api.get(f"/incidents/{alert['incident_id']}")["incident"]
    assert incident["title"] == "Payment API STATUS: DOWN"
    assert (incident["state"], incident["status"], incident["incident_source"]) == ("INVESTIGATING", "OPEN", "ALERT")
    assert (incident["start_date_time"], incident["end_date_time"]) == (first + 120, None)
    assert [(m["monitor_tag"], m["impact"]) for m in incident["monitors"]] == [("payments", "DOWN")]
    [opening] = api.get(f"/incidents/{incident['id']}/comments")["comments"]
    assert (opening["state"], opening["timestamp"], opening["is_automatic"]) == ("INVESTIGATING", first + 120, "YES")
    assert "| **Monitor Name** | Payment API |" in opening["comment"]

    see("UP", 3)
    assert api.get(f"/incidents/{incident['id']}")["incident"] == incident
    see("UP", 4)
    [over] = api.get("/alerts")["alerts"]
    assert (over["id"], over["alert_status"], over["duration_s"]) == (alert["id"], "RESOLVED", 120)
    closed = api.get(f"/incidents/{incident['id']}")["incident"]
    assert (closed["state"], closed["status"], closed["end_date_time"]) == ("RESOLVED", "CLOSED", first + 240)
    comments = api.get(f"/incidents/{incident['id']}/comments")["comments"]
    assert [(c["state"], c["timestamp"]) for c in comments] == [
        ("INVESTIGATING", first + 120),
        ("RESOLVED", first + 240),
    ]
    assert comments[1]["comment"].startswith("The alert has been resolved, Total duration: 2 minutes")


def test_a_minute_older_than_the_newest_corrects_history_and_changes_no_alert(api: Api) -> None:
    api.post("/monitors", {"tag": "payments", "name": "Payment API", "monitor_type": "NONE"})
    rule = {"monitor_tags": ["payments"], "failure_threshold": 1, "success_threshold": 1}
    api.post("/alert-configurations", rule)
    first = 60 * (int(time.time()) // 60 - 10)
    api.patch(f"/monitors/payments/data/{first + 120}", {"status": "UP"})
    api.patch(f"/monitors/payments/data/{first}", {"status": "DOWN"})
    assert api.get(f"/monitors/payments/data/{first}")["data"]["status"] == "DOWN"
    assert api.get("/alerts")["alerts"] == []


def test_an_automatic_incident_gets_no_end_by_hand_while_its_alert_is_active(api: Api) -> None:
    api.post("/monitors", {"tag": "payments", "name": "Payment API", "monitor_type": "NONE"})
    rule = {"monitor_tags": ["payments"], "failure_threshold": 1, "success_threshold": 1, "create_incident": "YES"}
    api.post("/alert-configurations", rule)
    now = int(time.time())
    api.patch(f"/monitors/payments/data/{now - 300}", {"status": "DOWN"})
    [incident] = api.get("/incidents")["incidents"]
    refused = api.refused("PATCH", f"/incidents/{incident['id']}", {"end_date_time": now - 60})
    assert "alert is still active" in refused["end_date_time"]


def test_deleting_the_incident_leaves_the_alert_with_a_note(api: Api) -> None:
    api.post("/monitors", {"tag": "payments", "name": "Payment API", "monitor_type": "NONE"})
    rule = {"monitor_tags": ["payments"], "failure_threshold": 1, "success_threshold": 1, "create_incident": "YES"}
    api.post("/alert-configurations", rule)
    api.patch(f"/monitors/payments/data/{int(time.time()) - 300}", {"status": "DOWN"})
    [incident] = api.get("/incidents")["incidents"]
    api.delete(f"/incidents/{incident['id']}")
    [alert] = api.get("/alerts")["alerts"]
    assert (alert["alert_status"], alert["incident_id"]) == ("TRIGGERED", None)
    assert "deleted by deploy robot" in alert["incident_note"]
