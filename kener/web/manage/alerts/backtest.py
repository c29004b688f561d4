"""The back-test: a draft over the stored samples, on the form and on the page of a configuration; and using what was tested."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flask import request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.backtest import BackTest, Figures
from kener.domain.durations import short
from kener.domain.inputs import AlertConfigurationInput, check
from kener.domain.permissions import Permission
from kener.domain.replay import Order
from kener.models import AlertConfiguration
from kener.queries import alerts as rows
from kener.services import backtest as backtests
from kener.services import configurations
from kener.services.backtest import Run
from kener.services.errors import Conflict, Refused
from kener.web.access import actor, requires
from kener.web.blocks import day_blocks
from kener.web.fragments import done, render, wants_fragment
from kener.web.manage.alerts import routes
from kener.web.manage.alerts.routes import bp
from kener.web.manage.forms import Form, flattened, version

_DRAFT = ("alert_value", "failure_threshold", "success_threshold")
MINUS = "\u2212"


@dataclass(frozen=True, slots=True)
class Line:
    """One measure of both rules, as text. The change is no judgement: fewer is not always better."""

    measure: str
    current: str
    draft: str
    change: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of a test: why it could not be made, how far it is, or its result."""

    problems: Mapping[str, str] = field(default_factory=dict)
    run: Run | None = None
    run_name: str = ""
    result: BackTest | None = None
    took_s: float | None = None
    noun: str = ""
    lines: tuple[Line, ...] = ()
    drawing: Markup = Markup()
    use_for: int | None = None
    version: int = 0


@bp.post("/backtest")
@requires(Permission.EDIT)
def backtest() -> BaseResponse:
    """Test the draft that stands in the form, saved or not."""
    form = request.form
    saved = _saved(form.get("saved_id", ""))
    checked, errors = routes._read(form)
    # Saving the form is how its draft comes into use.
    shown = replace(_tested(checked, errors, saved), use_for=None)
    if wants_fragment():
        return render("manage/alerts/_backtest.html", tested=shown, status=422 if shown.problems else 200)
    if shown.run:
        return done(url_for(".backtest_run", run=shown.run_name))
    problems = dict(shown.problems)
    return routes._form(
        routes._typed(form), problems, saved=saved, status=422 if problems else 200, tested=None if problems else shown
    )


@bp.get("/<id:config_id>/backtest")
@requires(Permission.EDIT)
def backtest_saved(config_id: int) -> BaseResponse:
    """Test a configuration with another value and other thresholds."""
    saved = routes._find(config_id)
    fields = _draft_fields(saved, request.args)
    checked, errors = check(AlertConfigurationInput, routes._stored(saved) | fields)
    shown = _tested(checked, flattened(errors), saved)
    if wants_fragment():
        return render("manage/alerts/_backtest.html", tested=shown, status=422 if shown.problems else 200)
    if shown.run:
        return done(url_for(".backtest_run", run=shown.run_name, use=shown.use_for))
    return _page(shown, saved, fields, status=422 if shown.problems else 200)


@bp.get("/backtest")
@requires(Permission.EDIT)
def backtest_run() -> BaseResponse:
    """How far a test of many monitors is, and then its result."""
    name = request.args.get("run", "")
    run = backtests.find(name)
    saved = rows.stored(db.session(), run.config_id) if run and run.config_id else None
    shown = _of(run, name, saved) if run else Shown(problems={"": "This test is not kept any more. Make it again."})
    if wants_fragment():
        return render("manage/alerts/_backtest.html", tested=shown)
    fields = {}
    if run and saved:
        rule = run.order.draft.rule
        fields = {name: getattr(rule, name) for name in _DRAFT}
    return _page(shown, saved, fields)


@bp.post("/<id:config_id>/use")
@requires(Permission.EDIT)
def use(config_id: int) -> BaseResponse:
    """Save the value and the thresholds that were tested."""
    saved = routes._find(config_id)
    fields = _draft_fields(saved, request.form)
    checked, errors = check(AlertConfigurationInput, routes._stored(saved) | fields)
    if checked is None:
        return _page(Shown(problems=flattened(errors)), saved, fields, status=422)
    here = url_for(".show", config_id=config_id)
    try:
        configurations.update(config_id, checked, actor=actor(), version=version(request.form))
    except Refused as refused:
        return _page(Shown(problems=refused.errors), saved, fields, status=422)
    except Conflict:
        return done(here, "Changed by someone else meanwhile: nothing was saved. Test the draft again.", kind="error")
    return done(here, " ".join(["The draft is in use. It counts from the next check on.", *checked.warnings()]))


def _saved(raw: str) -> AlertConfiguration | None:
    return routes._find(int(raw)) if raw.isascii() and raw.isdigit() and len(raw) < 10 else None


def _draft_fields(saved: AlertConfiguration, given: Form) -> dict[str, Any]:
    return {name: given.get(name, str(getattr(saved, name))).strip() for name in _DRAFT}


def _page(shown: Shown, saved: AlertConfiguration | None, fields: dict[str, Any], *, status: int = 200) -> BaseResponse:
    """The page that a test has of its own, for those without script and for long ones."""
    line = rows.configuration(db.session(), saved.id) if saved else None
    return render("manage/alerts/backtest.html", tested=shown, configuration=line, draft=fields, status=status)


def _tested(checked: AlertConfigurationInput | None, errors: dict[str, str], saved: AlertConfiguration | None) -> Shown:
    """Test at once what is quickly done, let a worker do the rest."""
    if checked is None:
        return Shown(problems=errors)
    config_id = saved.id if saved else None
    try:
        order = backtests.order(checked, config_id=config_id)
        if backtests.size(order) > backtests.AT_ONCE:
            name = backtests.begin(order, config_id=config_id)
            return Shown(run=backtests.find(name), run_name=name, use_for=config_id)
    except Refused as refused:
        return Shown(problems=refused.errors)
    begun = time.perf_counter()
    result = backtests.run(order)
    return replace(_result(result, order, saved), took_s=time.perf_counter() - begun)


def _of(run: Run, name: str, saved: AlertConfiguration | None) -> Shown:
    """What came of a test that a worker makes; `use` stays in its address from where *Use it* has a place."""
    shown = (
        _result(run.result, run.order, saved) if run.result else Shown(run=run, run_name=name, use_for=run.config_id)
    )
    return shown if request.args.get("use") else replace(shown, use_for=None)


def _result(result: BackTest, order: Order, saved: AlertConfiguration | None) -> Shown:
    sides = [result.draft, result.current] if result.current else [result.draft]
    noun = "incident" if all(side.rule.create_incident for side in sides) else "alert"
    current = _by_day(result.current, noun) if result.current else None
    return Shown(
        result=result,
        noun=noun,
        lines=tuple(_lines(result.draft, result.current, noun)),
        drawing=day_blocks(result.days, _by_day(result.draft, noun), current, noun=noun),
        use_for=saved.id if saved and _differs_in_thresholds_only(order) else None,
        version=saved.version if saved else 0,
    )


def _by_day(side: Figures, noun: str) -> tuple[int, ...]:
    return side.incidents_by_day if noun == "incident" else side.alerts_by_day


def _differs_in_thresholds_only(order: Order) -> bool:
    """Whether *Use it* would save all of what was tested."""
    if order.current is None or order.draft == order.current:
        return False
    same = {name: getattr(order.draft.rule, name) for name in _DRAFT}
    return order.draft == replace(order.current, rule=replace(order.current.rule, **same))


def _lines(draft: Figures, current: Figures | None, noun: str) -> list[Line]:
    measures: list[tuple[str, Callable[[Figures], int | None], Callable[[int], str]]] = [
        ("Alerts", lambda side: side.alerts, _number),
        ("Incidents", lambda side: side.incidents, _number),
        ("Time in alert", lambda side: side.in_alert_s, short),
        ("Longest alert", lambda side: side.longest_s, short),
        ("Notices to triggers", lambda side: side.notices, _number),
        ("First failure to alert", lambda side: side.delay_s, short),
    ]
    if noun == "incident" and draft.alerts == draft.incidents and (not current or current.alerts == current.incidents):
        del measures[0]
    elif not draft.incidents and not (current and current.incidents):
        del measures[1]
    return [_line(name, read(draft), read(current) if current else None, said) for name, read, said in measures]


def _line(measure: str, draft: int | None, current: int | None, said: Callable[[int], str]) -> Line:
    def text(value: int | None) -> str:
        return "–" if value is None else said(value)

    change = "–"
    if draft is not None and current is not None:
        change = f"{MINUS if draft < current else '+'}{said(abs(draft - current))}" if draft != current else "0"
    return Line(measure, text(current), text(draft), change)


def _number(value: int) -> str:
    return f"{value:,}"
