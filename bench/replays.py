"""What a back-test costs: 30 days of a sample a minute of one monitor, a draft beside the current rule, advice included."""

import time
from typing import Any

from bench import fill
from bench.product import Product
from kener.domain.inputs import AlertConfigurationInput
from kener.services import backtest, configurations
from kener.services.audit import Actor

SAMPLES = 30 * 1_440
RULES: dict[str, dict[str, Any]] = {
    "STATUS": {"alert_value": "DOWN"},
    "LATENCY": {"alert_value": "290"},
    "UPTIME 24 h": {"alert_value": "99.9"},
}


def measure() -> dict[str, float]:
    """CPU seconds by kind of rule, reading included."""
    product = Product()
    fill.monitors(product.data, 1, target_port=None, configured=False)
    fill.samples_only(product.data, 1, count=SAMPLES)
    found = {}
    with fill.app_on(product.data).app_context():
        for name, rule in RULES.items():
            given = {"alert_for": name.split()[0], "monitor_tags": ["m00000"], "failure_threshold": 1, **rule}
            current = configurations.create(AlertConfigurationInput.model_validate(given), actor=Actor("bench"))
            draft = AlertConfigurationInput.model_validate({**given, "failure_threshold": 3})
            begun = time.process_time()
            made = backtest.run(backtest.order(draft, config_id=current))
            found[name] = round(time.process_time() - begun, 2)
            assert made.samples >= SAMPLES - 60
    return found
