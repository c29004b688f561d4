"""Game servers."""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, model_validator

from kener.domain.games import GAMES
from kener.domain.specs.assertions import AssertedSpec, Source
from kener.domain.specs.base import CODE, Host, MeasuredSpec, Port, TimeLimit


def _game(value: str) -> str:
    if value not in GAMES:
        raise ValueError(
            "This game is not known here. Choose one that speaks the same protocol; most speak that of Garry's Mod."
        )
    return value


_TITLES: dict[str, Any] = {game.id: game.title for game in GAMES.values()}


class GamedigSpec(AssertedSpec, MeasuredSpec):
    """Asks a game server for its name, its map and its players. Times in milliseconds."""

    SOURCES: ClassVar[tuple[Source, ...]] = (Source.PLAYERS, Source.LATENCY)

    gameId: Annotated[str, Field(max_length=64), AfterValidator(_game)] = Field(
        title="Game", json_schema_extra={"options": _TITLES, "enum": list(_TITLES)}
    )
    host: Host = Field(title="Host", description="A name or an address.", json_schema_extra=CODE)
    port: Port = Field(27_015, title="Port", description="Where it listens for questions, often one above the game's.")
    timeout: TimeLimit = Field(10_000, description="Over everything, guessed ports included.")
    guessPort: bool = Field(
        False,
        title="Guess the port for questions",
        description="The port above is the game's; where this game usually listens for questions is tried first.",
    )
    requestRules: bool = Field(
        False,
        title="Ask for its rules, too",
        description="Games of Valve's protocol only; DOWN where it does not tell them.",
    )

    @model_validator(mode="before")
    @classmethod
    def _no_scripts(cls, data: Any) -> Any:
        if isinstance(data, dict) and "eval" in data:
            raise ValueError("eval: scripts are not run. Say in assertions what a good answer is, and leave this out.")
        return data
