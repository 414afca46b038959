"""What the models of the office API have in common: what a field means is written below it, and published."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Shown(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)
