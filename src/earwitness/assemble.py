"""The only module that knows every part: settings in, Captioner out."""

from __future__ import annotations

from earwitness.accounting.tokenizer import Tokenizer
from earwitness.captioner import Captioner
from earwitness.engine import Engine
from earwitness.engines import load
from earwitness.intake import Intake
from earwitness.settings import Settings
from earwitness.weights.progress import Progress, silent
from earwitness.weights.sources import Places
from earwitness.weights.store import Store


def store(settings: Settings, progress: Progress = silent) -> Store:
    """The store of model files."""
    return Store(settings.cache, settings.offline, progress, places=Places(settings.models, settings.hub))


def engine(settings: Settings, models: Store) -> Engine:
    """The engine that the settings name, not started.

    Raises:
        BadRequest: there is no engine of that name.
    """
    made: Engine = load(settings.engine)(settings.scene, models)
    return made


def build(settings: Settings, progress: Progress = silent) -> Captioner:
    """A Captioner, not started. Model files that are missing are fetched when it starts.

    Raises:
        BadRequest: a setting has no meaning, such as an unknown engine.
        WeightsError: the tokenizer's file is missing and cannot be fetched.
    """
    models = store(settings, progress)
    return Captioner(Intake(settings.limits), engine(settings, models), Tokenizer(models.path("qwen-tokenizer")))
