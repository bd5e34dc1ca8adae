"""The service as Ray Serve's own tools start it: `serve deploy`, and a RayService of KubeRay.

    applications:
      - name: proofmill
        import_path: jobs.service_builder:build
        args: {config: /etc/proofmill/service.toml}

Promises: it builds what `proofmill serve CONFIG` builds, and refuses a config without tokens: here Serve's own settings
choose the address, which other machines reach.
Does not: look at what GPUs there are now, since a cluster may start from none: the engines run on GPUs unless the solve
config says `resources.device = "cpu"`.
Fails: with ConfigError, whose text Serve shows as the application's status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pydantic

if TYPE_CHECKING:
    from ray import serve


class BuilderArguments(pydantic.BaseModel):
    """What `args` of the application holds."""

    model_config = pydantic.ConfigDict(extra="forbid")

    config: str
    """Path of the service's TOML config, which every node that may hold Serve's controller has."""


def build(args: dict[str, Any]) -> serve.Application:
    """The application. Raises ConfigError, and pydantic's ValidationError for other arguments."""
    from jobs.config import ConfigError, load_config
    from jobs.service.deploy import application, load_known
    from jobs.service.settings import load_service_config
    from jobs.solve.published import settle_pools
    from verifiers import plugins
    from verifiers.checker import check_settings

    path = BuilderArguments.model_validate(args).config
    config = load_service_config(path)
    if not config.tokens:
        raise ConfigError(
            f"{path}: no [[tokens]] are set, and Serve may listen where other machines reach it; make one with "
            "`proofmill serve --new-token NAME`"
        )
    config = config.model_copy(update={"plugins": plugins.named()})
    check_settings(config.verify.tables())
    load_known(config)
    solve = load_config(config.solve.config, config.solve.overrides) if config.solve.config else None
    solve = settle_pools(solve)[0] if solve else None
    return application(config, solve, use_gpu=solve is not None and solve.resources.device != "cpu")
